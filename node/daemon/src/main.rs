//! A validator.

fn main() {}
