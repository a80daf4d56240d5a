//! What a run leaves for people and programs: `height.h5`, figures, the report page, summary and provenance.
#![allow(dead_code)]
pub mod figure;
