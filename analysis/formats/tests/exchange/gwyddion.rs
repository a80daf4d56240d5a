//! Gwyddion files written here component by component.

use stitchbox_formats::{Format, FormatError};

use crate::{assert_says, error, read_map};

fn component(name: &str, kind: u8, value: &[u8]) -> Vec<u8> {
    [name.as_bytes(), &[0, kind], value].concat()
}

fn object(name: &str, components: &[Vec<u8>]) -> Vec<u8> {
    let content = components.concat();
    [name.as_bytes(), &[0], &(content.len() as u32).to_le_bytes(), &content].concat()
}

fn text(value: &str) -> Vec<u8> {
    [value.as_bytes(), &[0]].concat()
}

fn unit(name: &str, unit: &str) -> Vec<u8> {
    component(name, b'o', &object("GwySIUnit", &[component("unitstr", b's', &text(unit))]))
}

fn field(shape: (i32, i32), z_unit: &str, values: &[f64]) -> Vec<u8> {
    let numbers: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    object(
        "GwyDataField",
        &[
            component("xres", b'i', &shape.0.to_le_bytes()),
            component("yres", b'i', &shape.1.to_le_bytes()),
            component("xreal", b'd', &6e-3f64.to_le_bytes()),
            component("yreal", b'd', &2e-3f64.to_le_bytes()),
            component("flag", b'b', &[1]),
            unit("si_unit_xy", "m"),
            unit("si_unit_z", z_unit),
            component("data", b'D', &[&(values.len() as u32).to_le_bytes()[..], &numbers].concat()),
        ],
    )
}

fn container(components: &[Vec<u8>]) -> Vec<u8> {
    [&b"GWYP"[..], &object("GwyContainer", components)].concat()
}

/// A channel in volt, then 2 rows of 3 heights with a NaN and a masked pixel, and components of every other type.
pub fn file() -> Vec<u8> {
    let heights = [1e-9, f64::NAN, 3e-9, 4e-9, 5e-9, 6e-9];
    container(&[
        component("/10/data", b'o', &field((1, 1), "m", &[7.0])),
        component("/2/data", b'o', &field((3, 2), "m", &heights)),
        component("/0/data", b'o', &field((3, 2), "V", &[0.0; 6])),
        component("/2/mask", b'o', &field((3, 2), "", &[0.0, 0.0, 0.0, 1.0, 0.0, 0.0])),
        component("/2/data/title", b's', &text("Topography")),
        component("/0/long", b'q', &[0; 8]),
        component("/0/bytes", b'C', &[2, 0, 0, 0, 9, 9]),
        component("/0/words", b'I', &[1, 0, 0, 0, 9, 9, 9, 9]),
        component("/0/texts", b'S', &[&[2, 0, 0, 0][..], b"a\0b\0"].concat()),
        component("/0/objects", b'O', &[&[1, 0, 0, 0][..], &object("X", &[])].concat()),
    ])
}

#[test]
fn the_first_channel_of_heights_is_read_without_what_is_masked() {
    assert_eq!(Format::of(&file()), Some(Format::Gwyddion));
    let sub = read_map(&file());
    let heights: Vec<f64> = sub.map.heights_nm().iter().map(|h| (h * 1e6).round() / 1e6).collect();
    assert_eq!((sub.map.shape(), heights), ((2, 3), vec![1.0, 0.0, 3.0, 0.0, 5.0, 6.0]));
    assert!(!sub.map.valid()[[0, 1]] && !sub.map.valid()[[1, 0]] && sub.map.valid_count() == 4);
    let pixel = sub.map.pixel().unwrap();
    assert!((pixel.x_mm - 2.0).abs() < 1e-12 && (pixel.y_mm - 1.0).abs() < 1e-12);
    assert_eq!(sub.instrument.comment.as_deref(), Some("Topography"));
}

#[test]
fn what_cannot_be_read_is_refused() {
    assert_says(&container(&[]), &["no channel"]);
    assert_says(&container(&[component("/0/data", b'o', &field((1, 1), "V", &[1.0]))]), &["'V'", "in metres"]);
    assert_says(&file()[..file().len() - 3], &["cut off"]);
    assert_says(&container(&[component("x", b'?', &[])]), &["unknown type"]);
    let short = container(&[component("/0/data", b'o', &field((3, 2), "m", &[1.0; 5]))]);
    assert!(matches!(error(&short), FormatError::HeightsTruncated { .. }));
    let negative = container(&[component("/0/data", b'o', &field((-3, 2), "m", &[1.0; 6]))]);
    assert!(matches!(error(&negative), FormatError::NoHeights { .. }));
}
