//! stitchbox-api
