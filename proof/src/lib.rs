//! Formats, hashing and proof verification.
#![no_std]
#![forbid(unsafe_code)]
