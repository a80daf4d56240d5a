//! stitchbox-tests
