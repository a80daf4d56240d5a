//! stitchbox-blob
