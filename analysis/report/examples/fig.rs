//! tmp
use ndarray::Array2;
use stitchbox_report::figure::*;
fn main() {
    let (r, c) = (40, 3000);
    let v = Array2::from_shape_fn((r, c), |(i, j)| (j as f64 / 200.0).sin() * 30.0 + (i as f64 / 9.0).cos() * 5.0);
    let ok = Array2::from_shape_fn((r, c), |(i, j)| !(i > 10 && i < 15 && j > 100 && j < 200));
    let f = MapFigure { title: "Stitched height — S_x12".into(), remark: "12 sub-apertures · rms 123.4 nm · PV 567.8 nm".into(), quantity: "height (nm)".into(), values: &v, valid: &ok, pixel: stitchbox_surface::PixelSize { x_mm: 0.1, y_mm: 0.1 }, origin_mm: (0.0, -2.0), palette: Palette::Height, range: Range::Quantiles };
    std::fs::write("/tmp/f1.png", f.png().unwrap()).unwrap();
    let (r, c) = (400, 300);
    let v = Array2::from_shape_fn((r, c), |(i, j)| ((j as f64 - 150.0) / 60.0).tanh() * 30.0 + (i as f64 / 9.0).cos() * 5.0);
    let ok = Array2::from_elem((r, c), true);
    let f = MapFigure { palette: Palette::Signed, range: Range::Symmetric, values: &v, valid: &ok, ..f };
    std::fs::write("/tmp/f2.png", f.png().unwrap()).unwrap();
    let (r, c) = (200, 1100);
    let v = Array2::from_shape_fn((r, c), |(_, j)| ((j / 100).min((1100 - j) / 100)) as f64);
    let ok = v.mapv(|x| x > 0.0);
    let f = MapFigure { palette: Palette::Ember, range: Range::Counts, quantity: "sub-apertures".into(), values: &v, valid: &ok, ..f };
    std::fs::write("/tmp/f3.png", f.png().unwrap()).unwrap();
}
