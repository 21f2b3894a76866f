//! Archives of `rkyv` 0.8 as `crostata_abi::typed` has them, by a type that is known only when the program runs.
//!
//! Everything is unaligned and little-endian. What a value points to lies before it, and the root at the end; a pointer is an
//! `i32`, relative to its own place.
//!
//! | type | bytes |
//! |---|---|
//! | integers, `bool`, `char` | their own; a `char` is its `u32` |
//! | `Vec` | pointer to the elements, `u32` count |
//! | `String` of up to 8 bytes | the bytes, then `ff`s |
//! | longer `String` | `u32`: the low 6 bits of the length, 2 bits `10`, the other bits of the length; pointer |
//! | `Box` | pointer |
//! | struct, tuple, array | its parts in order |
//! | enum, `Option`, `Result` | tag of one byte, the parts of the variant, zeros up to the longest variant |

mod decode;
mod encode;

/// Longest string that lies in its own place.
const INLINE_BYTES: usize = 8;
