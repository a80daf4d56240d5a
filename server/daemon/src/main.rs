//! stitchboxd
fn main() {}
