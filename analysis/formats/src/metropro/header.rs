//! The MetroPro header, field by field, from bytes and back. Big-endian, but for the stage block, which is not.

use super::bytes::{Header, LEAST_HEADER, put, put_text, take, take_text};
use crate::{FormatError, sniff::METROPRO_SIGNATURES};

/// What the header of a MetroPro file says. Fields that serve the instrument only are kept as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct MetroProHeader {
    /// Header format: 1, 2 or 3, from the signature.
    pub format: u8,
    /// Bytes from the start of the file to the first byte behind the header.
    pub header_size: u32,
    /// Code of the program that wrote the file (1 = MetroPro).
    pub software_type: i16,
    /// When that program was built, as text.
    pub software_date: String,
    /// Its version: major, minor, fix.
    pub software_version: [i16; 3],
    /// The intensity frames before the heights.
    pub intensity: IntensityBlock,
    /// The window of the heights in the camera frame.
    pub phase: PhaseWindow,
    /// Acquisition time, seconds since 1970-01-01 UTC.
    pub time_stamp: i32,
    /// Comment of the operator or of the scan program.
    pub comment: String,
    /// How the data came about: 0 instrument, 1 generated.
    pub source: i16,
    /// Interferometric scale factor S.
    pub scale_factor: f32,
    /// Wavelength of the source, m.
    pub wavelength_m: f32,
    /// Numerical aperture of the objective.
    pub numerical_aperture: f32,
    /// Obliquity factor O.
    pub obliquity_factor: f32,
    /// Magnification of the objective.
    pub magnification: f32,
    /// Lateral resolution, m per pixel; 0 = not calibrated.
    pub lateral_resolution_m: f32,
    /// Code of the acquisition mode.
    pub acquisition_type: i16,
    /// Number of averaged intensity frames.
    pub intensity_averages: i16,
    /// Phase resolution: 0 normal, 1 high, 2 super.
    pub phase_resolution: i16,
    /// Sign setting of the data, as stored; the heights already include it.
    pub sign: i16,
    /// Columns of the camera.
    pub camera_width: i16,
    /// Rows of the camera.
    pub camera_height: i16,
    /// Code of the instrument.
    pub system_type: i16,
    /// Name of the objective or transmission element.
    pub objective_name: String,
    /// Name of the part.
    pub part_name: String,
    /// Number of averaged phase measurements.
    pub phase_averages: i16,
    /// Not 0 if a system error map was subtracted.
    pub subtract_system_error: i16,
    /// Serial number of the part.
    pub part_serial_number: String,
    /// Refractive index of the part.
    pub refractive_index: f32,
    /// Width of a camera pixel, m: not the lateral resolution on the part.
    pub camera_pixel_width_m: f32,
    /// Height of a camera pixel, m.
    pub camera_pixel_height_m: f32,
    /// Light level, percent.
    pub light_level: f32,
    /// Where the stage stood.
    pub stage: Stage,
    /// Name of the subtracted system error file.
    pub system_error_file: String,
    /// Setting of the zoom, as text.
    pub zoom: String,
}

/// The intensity frames of a MetroPro file: `u16` each, before the heights. May be absent (all zero).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IntensityBlock {
    /// Camera column of the first column.
    pub column: i16,
    /// Camera row of the first row.
    pub row: i16,
    /// Columns.
    pub width: i16,
    /// Rows.
    pub height: i16,
    /// Number of frames ("buckets").
    pub frames: i16,
    /// Largest intensity.
    pub range: i16,
    /// Bytes of the whole block.
    pub bytes: i32,
}

/// The window of the heights in the camera frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PhaseWindow {
    /// Camera column of the first column.
    pub column: i16,
    /// Camera row of the first row.
    pub row: i16,
    /// Columns.
    pub width: i16,
    /// Rows.
    pub height: i16,
    /// Bytes of the heights; 0 where the writer did not say.
    pub bytes: i32,
}

/// Stage coordinates; they mean something only where `state` is not 0.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Stage {
    /// Not 0 if the coordinates were set.
    pub state: i32,
    /// x, inches.
    pub x_inches: f32,
    /// y, inches.
    pub y_inches: f32,
    /// z, inches.
    pub z_inches: f32,
    /// Rotations about x, y, z, degrees.
    pub rotation_degrees: [f32; 3],
}

impl Default for MetroProHeader {
    /// A format 1 header of a HeNe Fizeau in double pass (632.8 nm, S = 0.5) at high phase resolution, without time,
    /// texts, lateral calibration or stage.
    fn default() -> Self {
        Self {
            format: 1,
            header_size: LEAST_HEADER as u32,
            software_type: 1,
            software_date: String::new(),
            software_version: [9, 0, 0],
            intensity: IntensityBlock::default(),
            phase: PhaseWindow::default(),
            time_stamp: 0,
            comment: String::new(),
            source: 1,
            scale_factor: 0.5,
            wavelength_m: 632.8e-9,
            numerical_aperture: 0.0,
            obliquity_factor: 1.0,
            magnification: 0.0,
            lateral_resolution_m: 0.0,
            acquisition_type: 0,
            intensity_averages: 0,
            phase_resolution: 1,
            sign: 0,
            camera_width: 0,
            camera_height: 0,
            system_type: 0,
            objective_name: String::new(),
            part_name: String::new(),
            phase_averages: 0,
            subtract_system_error: 0,
            part_serial_number: String::new(),
            refractive_index: 0.0,
            camera_pixel_width_m: 0.0,
            camera_pixel_height_m: 0.0,
            light_level: 0.0,
            stage: Stage::default(),
            system_error_file: String::new(),
            zoom: String::new(),
        }
    }
}

impl MetroProHeader {
    /// Reads the header at the start of a file. Its size is checked against the file; the sizes of the data are not.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let Some(signature) = METROPRO_SIGNATURES.iter().position(|s| bytes.starts_with(s)) else {
            return Err(if bytes.is_empty() { FormatError::Empty } else { FormatError::unknown_signature(bytes) });
        };
        let found = bytes.len() as u64;
        let least = LEAST_HEADER as u64;
        let h: &Header = bytes.first_chunk().ok_or(FormatError::HeaderTruncated { needed: least, found })?;

        let announced = i32::from_be_bytes(take::<6, 4>(h));
        let header_size = u32::try_from(announced)
            .ok()
            .filter(|size| u64::from(*size) >= least)
            .ok_or(FormatError::HeaderSize { announced: i64::from(announced), least })?;
        if u64::from(header_size) > found {
            return Err(FormatError::HeaderTruncated { needed: u64::from(header_size), found });
        }

        let short = i16::from_be_bytes;
        let long = i32::from_be_bytes;
        let real = f32::from_be_bytes;
        Ok(Self {
            format: signature as u8 + 1,
            header_size,
            software_type: short(take::<10, 2>(h)),
            software_date: take_text::<12, 30>(h),
            software_version: [short(take::<42, 2>(h)), short(take::<44, 2>(h)), short(take::<46, 2>(h))],
            intensity: IntensityBlock {
                column: short(take::<48, 2>(h)),
                row: short(take::<50, 2>(h)),
                width: short(take::<52, 2>(h)),
                height: short(take::<54, 2>(h)),
                frames: short(take::<56, 2>(h)),
                range: short(take::<58, 2>(h)),
                bytes: long(take::<60, 4>(h)),
            },
            phase: PhaseWindow {
                column: short(take::<64, 2>(h)),
                row: short(take::<66, 2>(h)),
                width: short(take::<68, 2>(h)),
                height: short(take::<70, 2>(h)),
                bytes: long(take::<72, 4>(h)),
            },
            time_stamp: long(take::<76, 4>(h)),
            comment: take_text::<80, 82>(h),
            source: short(take::<162, 2>(h)),
            scale_factor: real(take::<164, 4>(h)),
            wavelength_m: real(take::<168, 4>(h)),
            numerical_aperture: real(take::<172, 4>(h)),
            obliquity_factor: real(take::<176, 4>(h)),
            magnification: real(take::<180, 4>(h)),
            lateral_resolution_m: real(take::<184, 4>(h)),
            acquisition_type: short(take::<188, 2>(h)),
            intensity_averages: short(take::<190, 2>(h)),
            phase_resolution: short(take::<218, 2>(h)),
            sign: short(take::<232, 2>(h)),
            camera_width: short(take::<234, 2>(h)),
            camera_height: short(take::<236, 2>(h)),
            system_type: short(take::<238, 2>(h)),
            objective_name: take_text::<246, 12>(h),
            part_name: take_text::<258, 40>(h),
            phase_averages: short(take::<300, 2>(h)),
            subtract_system_error: short(take::<302, 2>(h)),
            part_serial_number: take_text::<320, 40>(h),
            refractive_index: real(take::<360, 4>(h)),
            camera_pixel_width_m: real(take::<486, 4>(h)),
            camera_pixel_height_m: real(take::<490, 4>(h)),
            light_level: real(take::<498, 4>(h)),
            stage: Stage::parse(h),
            system_error_file: take_text::<534, 28>(h),
            zoom: take_text::<562, 8>(h),
        })
    }

    /// The 834 bytes of a format 1 header with these fields.
    pub(super) fn encode(&self) -> Header {
        let mut header = [0u8; LEAST_HEADER];
        let h = &mut header;
        put::<0, 4>(h, METROPRO_SIGNATURES[0]);
        put::<4, 2>(h, 1i16.to_be_bytes());
        put::<6, 4>(h, (LEAST_HEADER as i32).to_be_bytes());
        put::<10, 2>(h, self.software_type.to_be_bytes());
        put_text::<12, 30>(h, &self.software_date);
        let [major, minor, fix] = self.software_version;
        put::<42, 2>(h, major.to_be_bytes());
        put::<44, 2>(h, minor.to_be_bytes());
        put::<46, 2>(h, fix.to_be_bytes());
        put::<48, 2>(h, self.intensity.column.to_be_bytes());
        put::<50, 2>(h, self.intensity.row.to_be_bytes());
        put::<52, 2>(h, self.intensity.width.to_be_bytes());
        put::<54, 2>(h, self.intensity.height.to_be_bytes());
        put::<56, 2>(h, self.intensity.frames.to_be_bytes());
        put::<58, 2>(h, self.intensity.range.to_be_bytes());
        put::<60, 4>(h, self.intensity.bytes.to_be_bytes());
        put::<64, 2>(h, self.phase.column.to_be_bytes());
        put::<66, 2>(h, self.phase.row.to_be_bytes());
        put::<68, 2>(h, self.phase.width.to_be_bytes());
        put::<70, 2>(h, self.phase.height.to_be_bytes());
        put::<72, 4>(h, self.phase.bytes.to_be_bytes());
        put::<76, 4>(h, self.time_stamp.to_be_bytes());
        put_text::<80, 82>(h, &self.comment);
        put::<162, 2>(h, self.source.to_be_bytes());
        put::<164, 4>(h, self.scale_factor.to_be_bytes());
        put::<168, 4>(h, self.wavelength_m.to_be_bytes());
        put::<172, 4>(h, self.numerical_aperture.to_be_bytes());
        put::<176, 4>(h, self.obliquity_factor.to_be_bytes());
        put::<180, 4>(h, self.magnification.to_be_bytes());
        put::<184, 4>(h, self.lateral_resolution_m.to_be_bytes());
        put::<188, 2>(h, self.acquisition_type.to_be_bytes());
        put::<190, 2>(h, self.intensity_averages.to_be_bytes());
        put::<218, 2>(h, self.phase_resolution.to_be_bytes());
        put::<232, 2>(h, self.sign.to_be_bytes());
        put::<234, 2>(h, self.camera_width.to_be_bytes());
        put::<236, 2>(h, self.camera_height.to_be_bytes());
        put::<238, 2>(h, self.system_type.to_be_bytes());
        put_text::<246, 12>(h, &self.objective_name);
        put_text::<258, 40>(h, &self.part_name);
        put::<300, 2>(h, self.phase_averages.to_be_bytes());
        put::<302, 2>(h, self.subtract_system_error.to_be_bytes());
        put_text::<320, 40>(h, &self.part_serial_number);
        put::<360, 4>(h, self.refractive_index.to_be_bytes());
        put::<486, 4>(h, self.camera_pixel_width_m.to_be_bytes());
        put::<490, 4>(h, self.camera_pixel_height_m.to_be_bytes());
        put::<498, 4>(h, self.light_level.to_be_bytes());
        self.stage.encode(h);
        put_text::<534, 28>(h, &self.system_error_file);
        put_text::<562, 8>(h, &self.zoom);
        header
    }
}

impl Stage {
    fn parse(h: &Header) -> Self {
        let real = f32::from_le_bytes;
        Self {
            state: i32::from_le_bytes(take::<502, 4>(h)),
            x_inches: real(take::<506, 4>(h)),
            y_inches: real(take::<510, 4>(h)),
            z_inches: real(take::<514, 4>(h)),
            rotation_degrees: [real(take::<518, 4>(h)), real(take::<522, 4>(h)), real(take::<526, 4>(h))],
        }
    }

    fn encode(&self, h: &mut Header) {
        put::<502, 4>(h, self.state.to_le_bytes());
        put::<506, 4>(h, self.x_inches.to_le_bytes());
        put::<510, 4>(h, self.y_inches.to_le_bytes());
        put::<514, 4>(h, self.z_inches.to_le_bytes());
        let [x, y, z] = self.rotation_degrees;
        put::<518, 4>(h, x.to_le_bytes());
        put::<522, 4>(h, y.to_le_bytes());
        put::<526, 4>(h, z.to_le_bytes());
    }
}
