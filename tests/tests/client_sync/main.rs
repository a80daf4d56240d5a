//! `stitchbox` against a real `stitchboxd`: sync, push, pull and the commands, and what happens when either side is killed
//! or its disk is full.

mod commands;
mod counting;
mod folders;
mod kills;
mod room;
mod tree;
