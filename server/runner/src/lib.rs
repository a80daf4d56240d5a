//! stitchbox-runner
