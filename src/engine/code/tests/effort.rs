//! P1 and P6: what there is to compile is counted as stated, for it decides what a deployment costs.

use super::super::Effort;
use super::{contract, contract_64, prepared};

/// The counts of a contract with this function besides those of one without it.
fn added(function: &str) -> Effort {
    let with = prepared(&contract(&format!("(func) {function}")));
    let without = prepared(&contract("(func)")).facts.effort;
    less(&with.facts.effort, &without)
}

fn less(effort: &Effort, other: &Effort) -> Effort {
    Effort {
        functions: effort.functions - other.functions,
        entries: effort.entries - other.entries,
        ..*effort
    }
}

#[test]
fn the_least_contract_has_one_type_and_three_entries() {
    let effort = prepared(&contract("(func)")).facts.effort;
    let expected = Effort {
        functions: 1,
        entries: 3,
        ..Effort::default()
    };
    assert_eq!(effort, expected);
}

/// Operands and locals are counted where blocks end, and at each operator.
#[test]
fn calls_are_places_with_values() {
    let effort = added("(func (local i32 i32) i32.const 1 call 0 drop)");
    let expected = Effort {
        functions: 1,
        locals: 2,
        operators: 2,
        calls: 1,
        // The locals, and the constant.
        spans: 3,
        reaches: 3 + 3 + 2 + 2,
        // One place, one value that the call may make.
        reuses: 1,
        squares: 1,
        ..Effort::default()
    };
    assert_eq!(effort, expected);
}

/// A branch passes on what was written in the block that it leaves, and so does the block's end.
#[test]
fn branches_join_what_was_written() {
    let joins = |code: &str| added(&format!("(func (local i32 i32 i32) {code})")).joins;
    let set = "(local.set 0 (i32.const 1)) (local.set 0 (i32.const 2)) (local.set 2 (i32.const 1))";
    assert_eq!(joins(&format!("block {set} end")), 0, "nothing joins");
    assert_eq!(joins(&format!("block {set} br 0 end")), 2 * 2);
    assert_eq!(joins(&format!("block {set} br 0 br 0 end")), 3 * 2);
    assert_eq!(joins(&format!("{set} block br 0 end")), 0, "written before");
    assert_eq!(joins(&format!("block br 0 end {set}")), 0, "written behind");
    assert_eq!(joins(&format!("loop {set} end")), 2 * 2, "a loop begins");
    assert_eq!(joins(&format!("loop {set} br 0 end")), 3 * 2);
    assert_eq!(joins(&format!("(if (i32.const 1) (then {set}))")), 2 * 2);
    assert_eq!(joins(&format!("block block {set} br 1 end end")), 2 * 2);
    assert_eq!(
        joins(&format!("block (br_table 0 0 0 (i32.const 1) {set}) end")),
        4 * 2
    );
    assert_eq!(joins("(drop (block (result i32) i32.const 1 br 0))"), 2);
    assert_eq!(joins(&format!("block {set} return end")), 0, "no results");
    let results = added("(func (result i32 i64) (i32.const 1) (i64.const 1) return)");
    assert_eq!(results.joins, 2 * 2);
}

/// Only the checks that are put in count as such: accesses that another's check covers do not.
#[test]
fn checks_are_counted_after_their_elimination() {
    let effort =
        added("(func (local i32) (drop (i32.load (i32.const 0))) (drop (i32.load (i32.const 8))))");
    assert_eq!((effort.accesses, effort.checks), (2, 1));
    // Two places with a local and the address.
    assert_eq!((effort.spans, effort.squares), (2, 4));
}

#[test]
fn addresses_of_64_bits_count_as_those_of_32() {
    let loads = |ty: &str| {
        format!("(func (drop (i32.load ({ty}.const 0))) (drop (memory.grow ({ty}.const 1))))")
    };
    let narrow = prepared(&contract(&loads("i32"))).facts.effort;
    assert_eq!(narrow, prepared(&contract_64(&loads("i64"))).facts.effort);
    assert_eq!((narrow.bulks, narrow.checks), (1, 1));
}

#[test]
fn kinds_are_counted_apart() {
    let floats = added("(func (drop (f64.sqrt (f64.add (f64.const 1) (f64.const 2)))))");
    assert_eq!((floats.floats, floats.operators), (2, 3));
    let indirect = added("(table 1 funcref) (func (call_indirect (i32.const 0)))");
    assert_eq!(
        (indirect.indirect_calls, indirect.calls, indirect.squares),
        (1, 0, 16)
    );
    let values = added(
        "(func (param i64 f32) (result i32) (i32.const 0)) (func (drop (call 1 (i64.const 0) (f32.const 0))))",
    );
    assert_eq!((values.functions, values.call_values), (2, 3));
    let table = added("(table 4 funcref) (elem (i32.const 0) 0 0 0)");
    assert_eq!(table.entries, 3);
    let branches = added("(func block (br_table 0 0 0 0 (i32.const 1)) end)");
    assert_eq!(branches.branches, 5);
}
