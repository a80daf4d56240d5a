//! stitchbox-dav
