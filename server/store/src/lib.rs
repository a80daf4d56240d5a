//! stitchbox-store
