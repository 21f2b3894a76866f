//! What contracts do not have: the closed set of reasons for which a directive of the specification does not run.
//!
//! A reason is never stated by hand. It follows from what the scan refused: a proposal, if the module is invalid without it,
//! or else the rule. `OFF` has an example of each, which must be refused for exactly that reason.

use super::super::super::{Rejection, features};
use super::below::{self, Below};
use wasmparser::{Validator, WasmFeatures};

/// Why a directive does not run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reason(pub String);

/// The reason for assertions about text that does not become a module: the text format is not part of the VM.
pub const TEXT: &str = "text";

/// Every reason but `TEXT`, with the smallest module that is refused for it.
const OFF: &[(&str, &str)] = &[
    ("proposal custom_page_sizes", "(memory 1 (pagesize 1))"),
    ("proposal exceptions", "(tag)"),
    (
        "proposal function_references",
        "(func (param (ref func)))",
    ),
    ("proposal gc", "(type (struct))"),
    ("proposal multi_memory", "(memory 1) (memory 1)"),
    (
        "proposal relaxed_simd",
        "(func (param v128) (result v128) (i8x16.relaxed_swizzle (local.get 0) (local.get 0)))",
    ),
    ("proposal simd", "(func (param v128))"),
    ("proposal tail_call", "(func $f (return_call $f))"),
    ("proposal threads", "(memory 1 1 shared)"),
    (
        "proposal wide_arithmetic",
        "(func (result i64 i64) (i64.mul_wide_s (i64.const 1) (i64.const 1)))",
    ),
];

impl Reason {
    /// Why the scan refuses a module that the specification accepts; `None` if nothing that is off explains it.
    pub fn of(code: &[u8], rejection: &Rejection) -> Option<Self> {
        let missing = missing(code)?;
        if !missing.is_empty() {
            let names: Vec<String> = missing
                .iter_names()
                .map(|(name, _)| name.to_lowercase())
                .collect();
            return Some(Self(format!("proposal {}", names.join(" "))));
        }
        rule(rejection).map(Self)
    }

    /// The reason for assertions about the text format.
    pub fn text() -> Self {
        Self(TEXT.to_owned())
    }
}

/// The proposals without which the module is invalid; `None` if it is not valid with all that there are.
fn missing(code: &[u8]) -> Option<WasmFeatures> {
    let is_valid = |features| Validator::new_with_features(features).validate_all(code).is_ok();
    let (on, mut needed) = (features(), WasmFeatures::all());
    if !is_valid(needed) {
        return None;
    }
    for candidate in WasmFeatures::all().difference(on).iter() {
        let without = needed.difference(candidate).union(on);
        if is_valid(without) {
            needed = without;
        }
    }
    Some(needed.difference(on))
}

/// The rule that a valid module breaks, if the rewriting needs it kept.
fn rule(rejection: &Rejection) -> Option<String> {
    Some(match rejection {
        Rejection::Start { .. } => "start function".to_owned(),
        Rejection::Operator { operator, .. } => format!("operator {operator}"),
        Rejection::ValueType { .. } => "reference values".to_owned(),
        Rejection::ImportKind { kind, .. } => format!("imported {kind}"),
        Rejection::TableCount { .. } => "several tables".to_owned(),
        Rejection::TableType { .. } => "table of other than null funcref".to_owned(),
        Rejection::Constant { .. } => "constant expression that is no arithmetic".to_owned(),
        Rejection::PassiveData { .. } => "passive data segment".to_owned(),
        Rejection::InactiveElements { .. } => "passive or declared elements".to_owned(),
        Rejection::ElementExpressions { .. } => "elements by expression".to_owned(),
        _ => return None,
    })
}

