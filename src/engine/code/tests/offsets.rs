//! Authors rely on it that a place in compiled code is told as the place in the code that they deployed: every operator of every
//! function leads back to the same operator.

use super::super::analysis::Checking;
use super::super::offsets::{OffsetMap, Placed};
use super::super::{CodeLimits, rewrite, scan};
use super::smith::generate;
use super::{contract, contract_64};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use wasmparser::{Operator, Parser, Payload};

/// The operators of a module as text, by their offsets, with the number of the function that each is in.
fn operators(wasm: &[u8]) -> BTreeMap<u64, (u32, String)> {
    let mut found = BTreeMap::new();
    let mut nth = 0;
    for payload in Parser::new(0).parse_all(wasm) {
        if let Payload::CodeSectionEntry(body) = payload.unwrap() {
            let operators = body.get_operators_reader().unwrap();
            for read in operators.into_iter_with_offsets() {
                let (operator, offset) = read.unwrap();
                found.insert(offset as u64, (nth, shown(&operator)));
            }
            nth += 1;
        }
    }
    found
}

/// Calls are shown without the function, whose index is another, and returns as the branches that they become.
fn shown(operator: &Operator<'_>) -> String {
    match operator {
        Operator::Call { .. } => "call".to_owned(),
        Operator::Br { .. } | Operator::Return => "br".to_owned(),
        other => format!("{other:?}"),
    }
}

/// Maps a module's operators back; gives how many there are, without `nop`s, and how many the rewriting put in.
fn compared(code: &[u8]) -> Option<(usize, usize)> {
    let (probed, plain) = (rewritten(code, true), rewritten(code, false));
    let mapped = |seen: Option<(usize, usize)>| seen.map(|(mapped, _)| mapped);
    assert_eq!(mapped(probed), mapped(plain));
    plain
}

fn rewritten(code: &[u8], probed: bool) -> Option<(usize, usize)> {
    let limits = CodeLimits::default();
    let mut outline = scan::scan(code, &limits).ok()?;
    outline.probed = probed;
    let word_size = outline.word_size();
    let checking = Checking {
        notes_places: true,
        probed,
        ..Checking::default()
    };
    let silent = Checking {
        probed,
        ..Checking::default()
    };
    let (wasm, _, places) = rewrite::rewrite(&outline, word_size, &limits, checking).ok()?;
    let plain = rewrite::rewrite(&outline, word_size, &limits, silent).ok()?;
    assert!(wasm == plain.0 && plain.2.is_empty());
    let imports = outline.imports.len() as u32;
    let own = outline.functions.len() as u32;
    let (before, after) = (operators(code), operators(&wasm));
    let map = OffsetMap::over(&wasm, imports, places.clone()).unwrap();
    for (offset, (nth, _)) in &after {
        let found = map.find(*offset);
        assert_eq!(found.is_some(), *nth < own);
        if let Some(found) = found {
            assert_eq!(found.function_index, imports + nth);
            assert_eq!(before[&found.original].0, *nth);
        }
    }
    let starts = super::super::offsets::bodies(&wasm).unwrap();
    let mut mapped = 0;
    for (body, placed) in starts.iter().zip(&places) {
        for place in placed {
            let at = body.start + u64::from(place.at);
            assert_eq!(after[&at].1, before[&place.original].1);
            assert_eq!(map.find(at).unwrap().original, place.original);
            mapped += 1;
        }
        // Probes stand behind operators, too.
        if !probed {
            belongs(&map, body, placed, &after);
        }
    }
    let wanted = before.values().filter(|(_, text)| text != "Nop").count();
    assert_eq!(mapped, wanted);
    Some((mapped, after.len() - mapped))
}

/// What was put in leads to the operator that follows it, at the end to the last.
fn belongs(
    map: &OffsetMap,
    body: &Range<u64>,
    placed: &[Placed],
    after: &BTreeMap<u64, (u32, String)>,
) {
    for offset in after.range(body.clone()).map(|(offset, _)| *offset) {
        let next = placed.partition_point(|place| body.start + u64::from(place.at) < offset);
        let place = placed.get(next).or(placed.last()).unwrap();
        assert_eq!(map.find(offset).unwrap().original, place.original);
    }
}

#[test]
fn built_contracts_lead_back() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts/artifacts");
    let mut contracts = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|kind| kind == "wasm") {
            let (mapped, added) = compared(&std::fs::read(path).unwrap()).unwrap();
            assert!(mapped > 10 && added > 10, "{mapped} {added}");
            contracts += 1;
        }
    }
    assert!(contracts > 10);
}

#[test]
fn generated_modules_lead_back() {
    let seen = (0..600).filter_map(generate);
    let seen: Vec<_> = seen.filter_map(|code| compared(&code)).collect();
    assert!(seen.len() > 50, "{}", seen.len());
    assert!(seen.iter().map(|(mapped, _)| mapped).sum::<usize>() > 2_000);
}

/// What the rewriting takes out and changes: `nop`s, returns, and what it puts in before accesses and on long lines.
#[test]
fn changed_operators_lead_back() {
    let long = "(drop (f64.mul (f64.const 1) (f64.const 2)))".repeat(100);
    let body = |pointer: &str| {
        format!(
            "(func $f (param {pointer}) (result i32) (nop) {long}
               (if (i32.load8_u (local.get 0)) (then (nop) (return (i32.const 1))))
               (i32.store16 (local.get 0) (i32.const 2)) (memory.fill (local.get 0) (i32.const 0) (local.get 0))
               (drop (call $f (local.get 0))) (br 0 (i32.const 5)))"
        )
    };
    assert!(compared(&contract(&body("i32"))).is_some());
    assert!(compared(&contract_64(&body("i64"))).is_some());
}
