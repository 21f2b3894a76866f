//! The verifier as a Wasm module that a page calls without any glue.
//!
//! | export | what it does |
//! |---|---|
//! | `input(len) -> address` | room for `len` bytes: the page writes the request there. 0 if that is too much |
//! | `verify() -> address` | answers the request; the answer is there until the next call |
//! | `answer_len() -> len` | how many bytes the answer has |
//!
//! The request is UTF-8 text of four lines: root, contract id, question, proof in hex. The answer is JSON (`answer`).
//! The module imports nothing: it can not reach the page, the network or a clock.

mod answer;
mod exports;

pub use answer::answer;
