//! Files for what does not fit into memory: heights of the series, and maps of the result.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::StitchError;

/// A file of little-endian f64, read and written at any place. It is removed when nothing needs it any more.
#[derive(Debug)]
pub(crate) struct ScratchFile {
    file: File,
    path: PathBuf,
    /// Why a read failed: readers go on with zeros, and whoever waits for them asks here.
    failure: OnceLock<String>,
}

impl ScratchFile {
    /// Makes the file anew.
    pub fn create(folder: &Path, name: &str) -> Result<Self, StitchError> {
        let path = folder.join(name);
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path);
        let file = file.map_err(|e| failed(&path, &e))?;
        Ok(Self { file, path, failure: OnceLock::new() })
    }

    /// Writes values from the given value of the file on.
    pub fn write(&self, at: u64, values: &[f64]) -> Result<(), StitchError> {
        let mut bytes = Vec::with_capacity(values.len() * 8);
        for value in values {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        write_all_at(&self.file, &bytes, at * 8).map_err(|e| failed(&self.path, &e))
    }

    /// Reads values from the given value of the file on.
    pub fn read(&self, at: u64, values: &mut [f64]) -> Result<(), StitchError> {
        let mut bytes = vec![0; values.len() * 8];
        read_exact_at(&self.file, &mut bytes, at * 8).map_err(|e| failed(&self.path, &e))?;
        for (value, bytes) in values.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *value = f64::from_le_bytes(*bytes);
        }
        Ok(())
    }

    /// As `read`; if that fails the values are zero and [`ScratchFile::readable`] tells.
    pub fn read_or_note(&self, at: u64, values: &mut [f64]) {
        if let Err(error) = self.read(at, values) {
            values.fill(0.0);
            self.failure.get_or_init(|| error.to_string());
        }
    }

    /// No read has failed so far.
    pub fn readable(&self) -> Result<(), StitchError> {
        match self.failure.get() {
            None => Ok(()),
            Some(reason) => Err(StitchError::Scratch { path: self.path.display().to_string(), reason: reason.clone() }),
        }
    }
}

impl Drop for ScratchFile {
    fn drop(&mut self) {
        // Only disk space is lost if that fails.
        let _ = std::fs::remove_file(&self.path);
    }
}

pub(crate) fn failed(path: &Path, error: &std::io::Error) -> StitchError {
    StitchError::Scratch { path: path.display().to_string(), reason: error.to_string() }
}

#[cfg(unix)]
fn write_all_at(file: &File, bytes: &[u8], at: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(unix)]
fn read_exact_at(file: &File, bytes: &mut [u8], at: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, at)
}

#[cfg(windows)]
fn write_all_at(file: &File, mut bytes: &[u8], mut at: u64) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let written = std::os::windows::fs::FileExt::seek_write(file, bytes, at)?;
        bytes = &bytes[written..];
        at += written as u64;
    }
    Ok(())
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut bytes: &mut [u8], mut at: u64) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let read = std::os::windows::fs::FileExt::seek_read(file, bytes, at)?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes = &mut bytes[read..];
        at += read as u64;
    }
    Ok(())
}

/// Rows of one sub-aperture in a scratch file. The file holds one map row after the other, and of each the rows of the
/// sub-apertures that meet it in the order of the series: a pass over the map reads it from the beginning to the end.
#[derive(Debug)]
pub(crate) struct ScratchRows {
    pub file: Arc<ScratchFile>,
    /// Value at which each row begins.
    starts: Vec<u64>,
    columns: usize,
}

impl ScratchRows {
    /// Lays out all sub-apertures, given as first map row and shape.
    pub fn lay_out(file: &Arc<ScratchFile>, map_rows: usize, places: &[(usize, (usize, usize))]) -> Vec<Self> {
        let blank = |(_, (rows, columns)): &(usize, (usize, usize))| Self {
            file: Arc::clone(file),
            starts: Vec::with_capacity(*rows),
            columns: *columns,
        };
        let mut all: Vec<Self> = places.iter().map(blank).collect();
        let mut at = 0;
        for row in 0..map_rows {
            for (own, (first, (rows, columns))) in all.iter_mut().zip(places) {
                if (*first..first + rows).contains(&row) {
                    own.starts.push(at);
                    at += *columns as u64;
                }
            }
        }
        all
    }

    /// Reads one row into the buffer.
    pub fn row<'b>(&self, row: usize, buffer: &'b mut Vec<f64>) -> &'b [f64] {
        buffer.resize(self.columns, 0.0);
        self.file.read_or_note(self.starts[row], buffer);
        buffer
    }

    /// Writes all rows.
    pub fn store(&self, heights: &[f64]) -> Result<(), StitchError> {
        for (start, row) in self.starts.iter().zip(heights.chunks_exact(self.columns)) {
            self.file.write(*start, row)?;
        }
        Ok(())
    }
}
