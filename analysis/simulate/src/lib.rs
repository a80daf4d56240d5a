//! stitchbox-simulate
