//! The generator of contracts of `tests/differential`.
#![allow(dead_code, reason = "a part of what the test uses")]

#[path = "../../tests/differential/case.rs"]
pub mod case;
#[path = "../../tests/differential/generate.rs"]
pub mod generate;
#[path = "../../tests/differential/module.rs"]
pub mod module;
#[path = "../../tests/differential/operators.rs"]
pub mod operators;
#[path = "../../tests/common/random.rs"]
pub mod random;
#[path = "../../tests/differential/statements.rs"]
pub mod statements;
#[path = "../../tests/differential/wrap.rs"]
pub mod wrap;
