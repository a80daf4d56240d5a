//! scratch
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use ndarray::Array2;
use stitchbox_stitch::*;
use stitchbox_surface::*;

fn cpu() -> f64 {
    let s = std::fs::read_to_string("/proc/self/stat").unwrap();
    let f: Vec<&str> = s.split(' ').collect();
    (f[13].parse::<f64>().unwrap() + f[14].parse::<f64>().unwrap()) / 100.0
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let dir = Path::new(&a[1]);
    let meta = std::fs::read_to_string(dir.join("meta.txt")).unwrap();
    let mut l = meta.lines();
    let h: Vec<f64> = l.next().unwrap().split(' ').map(|v| v.parse().unwrap()).collect();
    let (n, ny, nx, pix) = (h[0] as usize, h[1] as usize, h[2] as usize, h[3]);
    let raw = std::fs::read(dir.join("sub.f32")).unwrap();
    let mut series = Vec::new();
    for k in 0..n {
        let p: Vec<f64> = l.next().unwrap().split(' ').map(|v| v.parse().unwrap()).collect();
        let z = Array2::from_shape_fn((ny, nx), |(r, c)| {
            let i = 4 * ((k * ny + r) * nx + c);
            f32::from_le_bytes(raw[i..i + 4].try_into().unwrap()) as f64
        });
        series.push(Placed {
            sub_aperture: SubAperture {
                name: format!("sub_{k:02}"),
                map: HeightMap::from_heights_nm(z, Some(PixelSize { x_mm: pix, y_mm: pix })),
                window: DetectorWindow { column: 0, row: 0 },
                position_mm: None,
                instrument: Instrument::default(),
            },
            x_mm: p[0] * pix,
            y_mm: p[1] * pix,
        });
    }
    drop(raw);
    let reference = match a[2].as_str() {
        "none" => Reference::None,
        "smooth" => Reference::Smooth,
        "known" => {
            let raw = std::fs::read(dir.join("ref.f64")).unwrap();
            let z = Array2::from_shape_fn((ny, nx), |(r, c)| {
                let i = 8 * (r * nx + c);
                f64::from_le_bytes(raw[i..i + 8].try_into().unwrap())
            });
            Reference::Known(HeightMap::from_heights_nm(z, None))
        }
        _ => Reference::Pixelwise,
    };
    let o = Options { reference, robust: a.get(3).is_none_or(|v| v == "1"), ..Options::default() };
    let c0 = cpu();
    let t = Instant::now();
    let s = stitch(&series, &o, &()).unwrap();
    let dt = t.elapsed().as_secs_f64();
    println!("cpu {:.2}", cpu() - c0);
    if a.get(4).is_some() {
        return;
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let hwm = status.lines().find(|l| l.starts_with("VmHWM")).unwrap().to_owned();
    println!(
        "{:?} {dt:.3} s it {} noise {:?} {hwm} x0 {} rejected {}",
        s.height.shape(),
        s.iterations,
        s.noise_nm,
        s.x0_mm,
        s.correctors.iter().map(|c| c.rejected).sum::<usize>()
    );
    for w in &s.warnings {
        println!("  {w:?}");
    }
    for w in &s.non_observable {
        println!("  {w:?}");
    }
    println!("digest {}", s.digest());
    let mut f = std::fs::File::create(dir.join("out.f64")).unwrap();
    for (h, v) in s.height.heights_nm().iter().zip(s.height.valid()) {
        f.write_all(&(if *v { *h } else { f64::NAN }).to_le_bytes()).unwrap();
    }
    let mut f = std::fs::File::create(dir.join("unc.f64")).unwrap();
    for h in s.uncertainty_nm.unwrap().iter() {
        f.write_all(&h.to_le_bytes()).unwrap();
    }
    if let Some(r) = s.reference {
        let mut f = std::fs::File::create(dir.join("outref.f64")).unwrap();
        for (h, v) in r.heights_nm().iter().zip(r.valid()) {
            f.write_all(&(if *v { *h } else { f64::NAN }).to_le_bytes()).unwrap();
        }
    }
    println!("OUT {} {}", s.height.shape().0, s.height.shape().1);
}
