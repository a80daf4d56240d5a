//! stitchbox-domain
