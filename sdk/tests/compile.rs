//! Compile errors are lessons: what is wrong and why, at the place in question, and the line to write instead. An author reads exactly what
//! stands in `compile/*.stderr`.
//!
//! After an intended change: `TRYBUILD=overwrite cargo test -p crostata-sdk --test compile`.

#[test]
fn compile_errors_say_what_to_write() {
    trybuild::TestCases::new().compile_fail("tests/compile/*.rs");
}
