//! The exchange formats: files written here byte by byte with every trap of facts/stitching.md 6.7 to 6.9, what the
//! writers write, genuine files, and spoilt ones.

mod real;
