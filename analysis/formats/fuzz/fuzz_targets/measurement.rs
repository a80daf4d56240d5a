//! Any bytes through every reader: nothing may panic, and what comes out must be finite and of one shape.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stitchbox_formats::{
    Content, Limits, Measurement, SNIFF_BYTES, position_in_comment, read_dabam, read_diamond_steps, read_measurement, read_measurements, sniff,
};

const LIMITS: Limits = Limits { max_pixels: 1 << 16, max_file_bytes: 1 << 22 };

fuzz_target!(|bytes: &[u8]| {
    let head = &bytes[..SNIFF_BYTES.min(bytes.len())];
    for name in ["a.dat", "a.opd", "a.h5", "a"] {
        assert_eq!(sniff(name, Content::of(head).head()), sniff(name, head));
    }
    let _ = read_diamond_steps(bytes, &LIMITS);
    // DABAM comes as two files, here with a NUL between them.
    if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
        let _ = read_dabam("x", &bytes[..end], &bytes[end + 1..], &LIMITS);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = position_in_comment(text);
    }
    let _ = read_measurements("x", bytes, &LIMITS);
    match read_measurement("x", bytes, &LIMITS) {
        Ok(Measurement::Map(sub)) => {
            assert!(sub.map.heights_nm().iter().all(|h| h.is_finite()));
            assert!(sub.intensity.is_none_or(|i| i.dim() == sub.map.shape() && i.iter().all(|i| *i >= 0.0)));
        }
        Ok(Measurement::Slopes(slopes)) => {
            assert!(slopes.x_urad.iter().chain(slopes.y_urad.iter().flatten()).all(|s| s.is_finite()));
        }
        Ok(Measurement::Profile(profile)) => assert!(profile.x_mm.windows(2).all(|pair| pair[0] < pair[1])),
        Err(error) => assert!(error.to_string().len() > 20),
    }
});
