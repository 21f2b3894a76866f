//! A search.
pub fn run(_seconds: u64) {}
