//! X3P archives packed here entry by entry: types, offsets, masks, sums, and what archives can lie about.

use md5::{Digest, Md5};
use stitchbox_formats::{Format, FormatError, Limits, Sniff, X3pRecord, read_measurement, sniff, write_x3p};
use stitchbox_surface::ProfileKind;

use crate::{assert_says, read_map, read_profile, small_map};

/// An archive as a test wants it; stored, so that its bytes can be changed in place.
pub struct X3p {
    pub feature: &'static str,
    pub z_type: &'static str,
    pub z_scale: &'static str,
    pub x_axis: &'static str,
    pub size: (u64, u64, u64),
    pub data: Vec<u8>,
    pub mask: Option<Vec<u8>>,
    pub listed: Option<&'static str>,
    pub data_sum: Option<&'static str>,
    pub main_sum: Option<&'static str>,
}

impl Default for X3p {
    /// 2 rows of 3 heights 1 to 6 nm as f64, the third NaN.
    fn default() -> Self {
        let heights = [1e-9, 2e-9, f64::NAN, 4e-9, 5e-9, 6e-9f64];
        Self {
            feature: "SUR",
            z_type: "D",
            z_scale: "",
            x_axis: "I",
            size: (3, 2, 1),
            data: heights.iter().flat_map(|h| h.to_le_bytes()).collect(),
            mask: None,
            listed: None,
            data_sum: None,
            main_sum: None,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|b| format!("{b:02X}")).collect()
}

impl X3p {
    pub fn files(&self) -> Vec<(&'static str, Vec<u8>)> {
        let (x, y, z) = self.size;
        let sum = self.data_sum.map_or_else(|| hex(&self.data), str::to_owned);
        let mut link = format!(
            "<DataLink><PointDataLink>bindata/data.bin</PointDataLink><MD5ChecksumPointData>{sum}</MD5ChecksumPointData>"
        );
        if let Some(mask) = &self.mask {
            link += &format!(
                "<ValidPointsLink>bindata/valid.bin</ValidPointsLink><MD5ChecksumValidPoints>{}</MD5ChecksumValidPoints>",
                hex(mask)
            );
        }
        link += "</DataLink>";
        let data = self.listed.map_or(link, |list| format!("<DataList>{list}</DataList>"));
        let xml = format!(
            "<?xml version=\"1.0\"?><!-- a comment --><p:ISO5436_2 xmlns:p=\"http://www.opengps.eu/2008/ISO5436_2\">\
             <Record1><FeatureType>{}</FeatureType><Axes><CX><AxisType>{}</AxisType><DataType>D</DataType>\
             <Increment>2e-6</Increment></CX><CY><AxisType>I</AxisType><Increment>3.0E-6</Increment></CY>\
             <CZ><AxisType>A</AxisType><DataType>{}</DataType>{}</CZ></Axes></Record1>\
             <Record2><Instrument><Manufacturer>M &amp; Co</Manufacturer></Instrument></Record2>\
             <Record3><MatrixDimension><SizeX>{x}</SizeX><SizeY>{y}</SizeY><SizeZ>{z}</SizeZ></MatrixDimension>{data}\
             </Record3><Record4><ChecksumFile>md5checksum.hex</ChecksumFile></Record4></p:ISO5436_2>",
            self.feature, self.x_axis, self.z_type, self.z_scale
        );
        let sum = self.main_sum.map_or_else(|| hex(xml.as_bytes()), str::to_owned);
        let mut files = vec![
            ("main.xml", xml.into_bytes()),
            ("bindata/data.bin", self.data.clone()),
            ("md5checksum.hex", format!("{sum} *main.xml\n").into_bytes()),
        ];
        if let Some(mask) = &self.mask {
            files.push(("bindata/valid.bin", mask.clone()));
        }
        files
    }

    pub fn bytes(&self) -> Vec<u8> {
        zip(&self.files())
    }
}

/// Stored files, written after PKWARE's APPNOTE.
pub fn zip(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in files {
        let offset = out.len() as u32;
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
        common.extend_from_slice(&crc32fast::hash(content).to_le_bytes());
        common.extend_from_slice(&(content.len() as u32).to_le_bytes());
        common.extend_from_slice(&(content.len() as u32).to_le_bytes());
        common.extend_from_slice(&(name.len() as u16).to_le_bytes());
        common.extend_from_slice(&[0, 0]);
        out.extend_from_slice(b"PK\x03\x04");
        out.extend_from_slice(&common);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(content);
        directory.extend_from_slice(b"PK\x01\x02\x14\0");
        directory.extend_from_slice(&common);
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&offset.to_le_bytes());
        directory.extend_from_slice(name.as_bytes());
    }
    let (offset, size, count) = (out.len() as u32, directory.len() as u32, files.len() as u16);
    out.extend_from_slice(&directory);
    out.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&size.to_le_bytes());
    out.extend_from_slice(&offset.to_le_bytes());
    out.extend_from_slice(&[0, 0]);
    out
}

fn rounded(bytes: &[u8]) -> Vec<f64> {
    read_map(bytes).map.heights_nm().iter().map(|h| (h * 1e6).round() / 1e6).collect()
}

#[test]
fn every_type_is_read_with_scale_offset_and_mask() {
    let sub = read_map(&X3p::default().bytes());
    assert_eq!(sub.map.shape(), (2, 3));
    assert_eq!(rounded(&X3p::default().bytes()), [1.0, 2.0, 0.0, 4.0, 5.0, 6.0]);
    assert!(!sub.map.valid()[[0, 2]] && sub.map.valid_count() == 5);
    let pixel = sub.map.pixel().unwrap();
    assert!((pixel.x_mm - 2e-3).abs() < 1e-15 && (pixel.y_mm - 3e-3).abs() < 1e-15);

    let z_scale = "<Increment>1e-9</Increment><Offset>2e-9</Offset>";
    // Point 1 (bit 1, least significant first) was not measured.
    let mask = Some(vec![0b1111_1101]);
    let i16s = [1i16, -7, 3, 4, 5, 6].iter().flat_map(|v| v.to_le_bytes()).collect();
    let whole = X3p { z_type: "I", z_scale, data: i16s, mask: mask.clone(), ..X3p::default() };
    assert_eq!(rounded(&whole.bytes()), [3.0, 0.0, 5.0, 6.0, 7.0, 8.0]);
    let i32s = [1i32, -7, 3, 4, 5, 6].iter().flat_map(|v| v.to_le_bytes()).collect();
    assert_eq!(rounded(&X3p { z_type: "L", z_scale, data: i32s, mask, ..X3p::default() }.bytes())[5], 8.0);
    let f32s = [1f32, f32::NAN, 3.0, 4.0, 5.0, 6.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let single = read_map(&X3p { z_type: "F", z_scale, data: f32s, ..X3p::default() }.bytes());
    assert!(!single.map.valid()[[0, 1]] && single.map.valid_count() == 5);
}

#[test]
fn listed_heights_and_profiles_are_read() {
    let listed =
        Some("<Datum>;;1e-9</Datum><Datum>2e-9</Datum><Datum/><Datum>4e-9</Datum><Datum></Datum><Datum>6e-9</Datum>");
    let sub = read_map(&X3p { listed, ..X3p::default() }.bytes());
    assert_eq!(sub.map.valid_count(), 4);
    assert!(!sub.map.valid()[[0, 2]] && !sub.map.valid()[[1, 1]]);
    let profile = read_profile(&X3p { feature: "PRF", size: (6, 1, 1), ..X3p::default() }.bytes());
    assert_eq!((profile.kind, profile.len()), (ProfileKind::HeightNm, 5));
    assert!((profile.x_mm[4] - 1e-2).abs() < 1e-15);
}

#[test]
fn sums_that_do_not_fit_are_refused() {
    let wrong = Some("00000000000000000000000000000000");
    assert_says(
        &X3p { data_sum: wrong, ..X3p::default() }.bytes(),
        &["bindata/data.bin", "MD5 sum", "changed or damaged"],
    );
    assert_says(&X3p { main_sum: wrong, ..X3p::default() }.bytes(), &["main.xml", "MD5 sum"]);
    // Something that is no sum cannot be compared.
    read_map(&X3p { data_sum: Some("none"), ..X3p::default() }.bytes());
    let mut flipped = X3p::default().bytes();
    let at = flipped.windows(8).position(|w| w == 4e-9f64.to_le_bytes()).unwrap();
    flipped[at] ^= 1;
    assert_says(&flipped, &["CRC"]);
}

#[test]
fn what_is_not_a_grid_of_heights_is_refused() {
    assert_says(&X3p { feature: "PCL", ..X3p::default() }.bytes(), &["PCL", "regular grid"]);
    assert_says(&X3p { x_axis: "A", ..X3p::default() }.bytes(), &["along CX", "incremental"]);
    assert_says(&X3p { size: (3, 1, 2), ..X3p::default() }.bytes(), &["2 layers"]);
    assert_says(&X3p { z_type: "Q", ..X3p::default() }.bytes(), &["\"Q\""]);
    assert!(matches!(
        read_measurement("x", &X3p { size: (3, 3, 1), ..X3p::default() }.bytes(), &Limits::default()),
        Err(FormatError::Truncated { .. })
    ));
    assert!(matches!(
        read_measurement("x", &X3p { size: (1 << 40, 1 << 40, 1), ..X3p::default() }.bytes(), &Limits::default()),
        Err(FormatError::MapTooLarge { .. })
    ));
    assert_says(&zip(&[("main.xml", b"<a><b></a>".to_vec())]), &["is no XML"]);
    assert_says(&zip(&[("bindata/data.bin", vec![])]), &["main.xml is not in the archive"]);
    assert_says(&X3p::default().bytes()[..200], &["cut off"]);
}

#[test]
fn a_size_that_deflate_cannot_reach_is_not_believed() {
    let mut bytes = X3p::default().bytes();
    // The uncompressed size of the first entry of the directory.
    let entry = bytes.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    bytes[entry + 24..entry + 28].copy_from_slice(&0x0300_0000u32.to_le_bytes());
    assert_says(&bytes, &["announces 50331648 bytes, which cannot be"]);
}

#[test]
fn a_description_that_unfolds_beyond_the_limits_is_refused() {
    let small = Limits { max_pixels: 4, ..Limits::default() };
    let many = zip(&[("main.xml", [b"<p><Record3><DataList>".to_vec(), b"<Datum/>".repeat(9)].concat())]);
    assert!(matches!(read_measurement("x", &many, &small), Err(FormatError::MapTooLarge { columns: 5, .. })));
    let long = zip(&[("main.xml", vec![b' '; (1 << 20) + 4 * 64 + 1])]);
    let text = read_measurement("x", &long, &small).unwrap_err().to_string();
    assert!(text.contains("which cannot be"), "{text}");
}

#[test]
fn it_is_recognised_and_other_archives_are_not() {
    assert_eq!(sniff("a.x3p", &X3p::default().bytes()), Sniff::Recognised(Format::X3p));
    assert_eq!(sniff("a.zip", &zip(&[("readme.txt", b"hello".to_vec())])), Sniff::Foreign);
}

#[test]
fn what_is_written_is_read_to_the_last_bit_but_one_and_always_the_same() {
    let map = small_map();
    let record = X3pRecord { comment: "a < b & c".to_owned(), ..X3pRecord::default() };
    let bytes = write_x3p(&map, &record).unwrap();
    assert_eq!(bytes, write_x3p(&map, &record).unwrap());
    let read = read_map(&bytes);
    assert_eq!(read.map.valid(), map.valid());
    for (found, written) in read.map.heights_nm().iter().zip(map.heights_nm()) {
        assert!((found - written).abs() <= f64::EPSILON * written.abs(), "{found} {written}");
    }
    let (found, pixel) = (read.map.pixel().unwrap(), map.pixel().unwrap());
    assert!((found.x_mm / pixel.x_mm - 1.0).abs() < 1e-15 && (found.y_mm / pixel.y_mm - 1.0).abs() < 1e-15);
    assert!(write_x3p(&map.with_pixel(None), &record).unwrap_err().to_string().contains("pixel size"));
}
