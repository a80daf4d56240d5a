//! stitchbox-web
