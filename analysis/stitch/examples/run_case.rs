use ndarray::Array2;
use std::time::Instant;
use stitchbox_stitch::*;
use stitchbox_surface::*;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let bytes = std::fs::read(&args[1]).unwrap();
    let u = |i: usize| u64::from_le_bytes(bytes[8 * i..8 * i + 8].try_into().unwrap()) as usize;
    let d = |i: usize| f64::from_le_bytes(bytes[8 * i..8 * i + 8].try_into().unwrap());
    let (n, ny, nx, pix) = (u(0), u(1), u(2), d(3));
    let at = 8 * (4 + 2 * n);
    let flag = |f: &str| args.iter().any(|a| a == f);
    let pixel = PixelSize { x_mm: pix, y_mm: pix };
    let series: Vec<Placed> = (0..n)
        .map(|k| {
            let (mut x, mut y) = (d(4 + k), d(4 + n + k));
            if flag("rounded") {
                x = x.round();
                y = y.round();
            }
            if flag("wrong") {
                let j = ((k as f64 * 12.9898 + 3.1).sin() * 43758.5453).fract().abs();
                x += j - 0.5;
            }
            let h = Array2::from_shape_fn((ny, nx), |(r, c)| {
                let i = at + 4 * ((k * ny + r) * nx + c);
                f64::from(f32::from_le_bytes(bytes[i..i + 4].try_into().unwrap()))
            });
            Placed {
                sub_aperture: SubAperture {
                    name: format!("sub_{k:02}"),
                    map: HeightMap::from_heights_nm(h, Some(pixel)),
                    window: DetectorWindow { column: 0, row: 0 },
                    position_mm: None,
                    intensity: None,
                    instrument: Instrument::default(),
                },
                x_mm: x * pix,
                y_mm: y * pix,
            }
        })
        .collect();
    drop(bytes);
    let options = Options {
        robust: flag("robust"),
        refine: if flag("refine") {
            Refine::Offsets
        } else if flag("turn") {
            Refine::OffsetsAndRotation
        } else {
            Refine::None
        },
        ..Options::default()
    };
    for _ in 0..if flag("twice") { 2 } else { 1 } {
        let t = Instant::now();
        let r = stitch(&series, &options, &()).unwrap();
        eprintln!(
            "{:.3} s, {} iterations, noise {:?}, x0 {:.4} px",
            t.elapsed().as_secs_f64(),
            r.iterations,
            r.noise_nm,
            r.x0_mm / pix
        );
        for w in &r.warnings {
            eprintln!("  {}: {}", w.code, &w.message.chars().take(200).collect::<String>());
        }
        if r.correctors[0].dx_mm.is_some() {
            let given: Vec<f64> = series.iter().map(|p| p.x_mm / pix).collect();
            let raw = std::fs::read(&args[1]).unwrap();
            let d = |i: usize| f64::from_le_bytes(raw[8 * i..8 * i + 8].try_into().unwrap());
            let e: Vec<f64> = (0..n).map(|k| given[k] + r.correctors[k].dx_mm.unwrap().0 / pix - d(4 + k)).collect();
            let m = e.iter().sum::<f64>() / n as f64;
            let rms = (e.iter().map(|e| (e - m) * (e - m)).sum::<f64>() / n as f64).sqrt();
            let z =
                (0..n).map(|k| ((e[k] - m) / (r.correctors[k].dx_mm.unwrap().1 / pix)).powi(2)).sum::<f64>() / n as f64;
            let ey = r.correctors[0].dy_mm.map(|_| {
                (r.correctors.iter().map(|c| (c.dy_mm.unwrap().0 / pix).powi(2)).sum::<f64>() / n as f64).sqrt()
            });
            eprintln!(
                "  dx error rms {rms:.4} px mean {m:.4}, chi2 {z:.2}, u {:.4}; dy rms {ey:?}, u {:?}",
                r.correctors[n / 2].dx_mm.unwrap().1 / pix,
                r.correctors[n / 2].dy_mm.map(|d| d.1 / pix)
            );
        }
        let mut out = Vec::new();
        for v in [r.height.shape().0 as f64, r.height.shape().1 as f64, r.x0_mm / pix] {
            out.extend(v.to_le_bytes());
        }
        for (v, ok) in r.height.heights_nm().iter().zip(r.height.valid()) {
            out.extend((if *ok { *v } else { f64::NAN }).to_le_bytes());
        }
        for v in &r.overlap {
            out.extend((*v as f64).to_le_bytes());
        }
        std::fs::write(&args[2], out).unwrap();
    }
}
