//! A map of the result, in memory or in a scratch file, worked on some rows at a time.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

use crate::StitchError;
use crate::scratch::ScratchFile;

/// Rows come in multiples of this: tasks are as large, wherever the map lies.
pub(crate) const TASK_ROWS: usize = 8;
/// About so many values of a map in a file are in memory at a time.
const VALUES_AT_ONCE: usize = 1 << 21;

/// Values of the stitched map's shape, row-major.
#[derive(Debug)]
pub(crate) struct Plane {
    shape: (usize, usize),
    /// Empty while taken out, or if in a file.
    memory: Vec<f64>,
    file: Option<ScratchFile>,
}

impl Plane {
    /// In memory, or in a file of this name in the folder.
    pub fn new(shape: (usize, usize), folder: Option<&Path>, name: &str) -> Result<Self, StitchError> {
        let file = folder.map(|folder| ScratchFile::create(folder, name)).transpose()?;
        Ok(Self { shape, memory: Vec::new(), file })
    }

    /// These values, in memory.
    pub fn holding(shape: (usize, usize), values: Vec<f64>) -> Self {
        Self { shape, memory: values, file: None }
    }

    /// Ranges of rows to be worked on one after the other: all at once in memory.
    pub fn batches(&self) -> Vec<Range<usize>> {
        let (rows, columns) = self.shape;
        let at_once = match self.file {
            None => rows.max(1),
            Some(_) => (VALUES_AT_ONCE / columns.max(1) / TASK_ROWS).max(1) * TASK_ROWS,
        };
        (0..rows).step_by(at_once).map(|from| from..(from + at_once).min(rows)).collect()
    }

    /// Zeros for one of the batches.
    pub fn blank(&self, rows: &Range<usize>) -> Vec<f64> {
        vec![0.0; rows.len() * self.shape.1]
    }

    /// Values of one of the batches, to be given back.
    pub fn take(&mut self, rows: &Range<usize>) -> Result<Vec<f64>, StitchError> {
        match &self.file {
            None => Ok(std::mem::take(&mut self.memory)),
            Some(_) => Ok(self.rows(rows.clone())?.into_owned()),
        }
    }

    /// Writes one of the batches.
    pub fn give(&mut self, rows: &Range<usize>, values: Vec<f64>) -> Result<(), StitchError> {
        match &self.file {
            None => {
                self.memory = values;
                Ok(())
            }
            Some(file) => file.write((rows.start * self.shape.1) as u64, &values),
        }
    }

    /// Values of any rows.
    pub fn rows(&self, rows: Range<usize>) -> Result<Cow<'_, [f64]>, StitchError> {
        let columns = self.shape.1;
        match &self.file {
            None => Ok(Cow::Borrowed(&self.memory[rows.start * columns..rows.end * columns])),
            Some(file) => {
                let mut values = vec![0.0; rows.len() * columns];
                file.read((rows.start * columns) as u64, &mut values)?;
                Ok(Cow::Owned(values))
            }
        }
    }

    /// All values.
    pub fn into_values(self) -> Result<Vec<f64>, StitchError> {
        match self.file {
            None => Ok(self.memory),
            Some(_) => Ok(self.rows(0..self.shape.0)?.into_owned()),
        }
    }
}
