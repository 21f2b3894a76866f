//! What the fuzz targets of proofs share: states and questions of the tests.

#[path = "../../tests/common/mod.rs"]
pub mod common;
