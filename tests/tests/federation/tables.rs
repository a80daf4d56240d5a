//! Tables for people: what a suite found, written into the target folder.

use stitchbox_tests::program;

/// Writes a table beside the folder of the programs under test, and shows it.
pub fn write(name: &str, text: &str) {
    let programs = program("stitchboxd");
    let target = programs.parent().and_then(|profile| profile.parent()).expect("programs lie in target/<profile>");
    std::fs::write(target.join(name), text).expect("a file can be written");
    println!("{text}");
}
