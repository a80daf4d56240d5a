//! stitchbox
fn main() {}
