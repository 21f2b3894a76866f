//! What the host charges for calls, contracts, globals and bulk operations, by the schedule.

use crostata::{CallReceipt, Outcome, Session, VM};

use super::exact::{alone, delegate, delegating, everywhere, least, pair, remaining, run, work};
use crate::fixtures::{
    BUFFER, LIMIT, Probe, Width, deploy, fresh, id, instance_gas, module, probe, reverted, runs,
    schedule, start_gas,
};

/// What a delegating call takes of its caller when it calls a contract with this code: its price in gas and its code.
fn taken(session: &mut Session, gas: u64) -> (u64, i32) {
    let seen = delegate(session, gas, LIMIT).unwrap();
    (seen.after - seen.before, seen.code)
}

/// The same when there is no contract to call: everything but what a callee costs.
fn nobody(vm: &VM, width: Width) -> u64 {
    let mut session = fresh(vm);
    deploy(&mut session, 1, &delegating(width));
    let (gas, code) = taken(&mut session, 0);
    assert_eq!(code, -3);
    gas
}

/// A call costs the same whether or not there is somebody to call, plus the first use of the callee and what the callee spends;
/// a callee that fails keeps the deposit too: a panic costs what was spent, any other failure the callee's limit.
#[test]
fn the_deposit_is_kept_for_failures_only() {
    everywhere(|vm, width| {
        let base = nobody(vm, width);
        let failure = schedule().failure_base;
        for (end, code, more) in [
            ("(i32.const 0)", 0, 0),
            // The length of the message.
            (
                "(call $panic (i32.const 0)) (unreachable)",
                -1,
                failure + 4 * schedule().import_byte,
            ),
            ("(unreachable)", i32::MIN, failure),
            ("(i32.const -1)", i32::MIN, failure),
            ("(loop (br 0)) (i32.const 0)", -2, failure),
        ] {
            let callee = work(width, end);
            let mut session = pair(vm, width, &callee);
            for gas in [50_000, 60_000] {
                let seen = delegate(&mut session, gas, LIMIT).unwrap();
                assert_eq!(seen.code, code, "{end}");
                let spent = seen.callee().gas_spent;
                let exact = code == 0 || code == -1;
                assert!(exact && spent < gas || !exact && spent == gas, "{spent}");
                assert_eq!(
                    seen.after - seen.before,
                    base + instance_gas(&callee) + spent + more,
                    "{end}"
                );
            }
        }
    });
}

/// A callee that does not start gives the deposit back: whether its contract has no such function, or the depth of calls is
/// reached, or what `c` was given is bad.
#[test]
fn a_refusal_gives_the_deposit_back() {
    everywhere(|vm, width| {
        let absent = module(
            width,
            "(func (export \"ran\") (param i32) (result i32) (i32.const 0))",
        );
        let (gas, code) = taken(&mut pair(vm, width, &absent), 0);
        assert_eq!(
            (gas, code),
            (nobody(vm, width) + instance_gas(&absent), i32::MIN)
        );
        // A bad length is seen before anything is read.
        let mut caller = Probe::new(vm, width);
        let spent = |caller: &mut Probe, import: &str, parameters: &[i64]| {
            caller.uses(import, parameters, b"", 0).unwrap().gas_spent
        };
        let bad = spent(&mut caller, "c", &[0, 0, -1, 0, 0]);
        let other = spent(&mut caller, "limit", &[]);
        let more = bad.abs_diff(other + schedule().call_base);
        assert!(more < 100, "but for a few operators: {more}");
    });
}

/// Without room for the deposit the caller is out of gas, although the callee would not need it.
#[test]
fn a_call_needs_room_for_its_deposit() {
    everywhere(|vm, width| {
        let mut session = fresh(vm);
        deploy(&mut session, 1, &delegating(width));
        let seen = delegate(&mut session, 0, LIMIT).unwrap();
        let found = least(LIMIT, |limit| delegate(&mut session, 0, limit).is_ok());
        // `after` has the price of `spent`, and a few operators, that are not needed yet.
        let most = seen.after + schedule().failure_base;
        let least = most - schedule().import_base - 100;
        assert!(
            (least..=most).contains(&found),
            "{found} in {least}..={most}"
        );
        let failed = reverted(delegate(&mut session, 0, found - 1).map(|_| ()));
        assert_eq!(failed.failure.code, Outcome::OutOfGas);
        assert_eq!(failed.receipt.gas_spent, found - 1);
    });
}

/// Mutable globals are paid for by each call of another contract, immutable ones are not, and a refused call pays for none.
#[test]
fn globals_are_paid_for_by_each_call() {
    everywhere(|vm, width| {
        let base = nobody(vm, width);
        let code = |mutable: usize, immutable: usize, name: &str| {
            let globals = "(global (mut i64) (i64.const 7))".repeat(mutable)
                + &"(global i64 (i64.const 7))".repeat(immutable);
            let function =
                format!("(func (export \"{name}\") (param i32) (result i32) (i32.const 0))");
            module(width, &(globals + &function))
        };
        for (mutable, immutable) in [(0, 0), (1, 0), (0, 3), (5, 2), (20, 0)] {
            let callee = code(mutable, immutable, "run");
            for gas in [0, 50_000] {
                let seen = delegate(&mut pair(vm, width, &callee), gas, LIMIT).unwrap();
                let globals = schedule().call_global * mutable as u64;
                let spent = seen.callee().gas_spent;
                assert_eq!(
                    seen.after - seen.before,
                    base + instance_gas(&callee) + spent + globals,
                    "{mutable} {immutable}"
                );
            }
        }
        let refused = code(20, 0, "ran");
        let (gas, _) = taken(&mut pair(vm, width, &refused), 0);
        assert_eq!(gas, base + instance_gas(&refused));
    });
}

/// The share of a callee is of what is left when its globals are paid for.
#[test]
fn globals_are_paid_for_before_gas_is_shared() {
    everywhere(|vm, width| {
        let limit = LIMIT / 100;
        let shared = |globals: usize| {
            let globals = "(global (mut i64) (i64.const 7))".repeat(globals);
            let function = "(func (export \"run\") (param i32) (result i32) (i32.const 0))";
            let callee = module(width, &(globals + function));
            let mut session = pair(vm, width, &callee);
            let left = remaining(&mut session, limit);
            let share = delegate(&mut session, 0, limit).unwrap().callee().gas_limit;
            assert_eq!(share, left - left / 64);
            left + instance_gas(&callee)
        };
        assert_eq!(shared(0) - shared(40), 40 * schedule().call_global);
    });
}

/// A module as it is, with so many bytes more.
fn padded(code: &[u8], bytes: usize) -> Vec<u8> {
    let mut padded = code.to_vec();
    // A custom section: its id, its length in two bytes, a name of one letter.
    let len = bytes - 3;
    assert!((128..16_384).contains(&len));
    padded.extend([0, (len & 127) as u8 | 128, (len >> 7) as u8, 1, b'x']);
    padded.resize(code.len() + bytes, 0);
    padded
}

/// The first use of a contract is paid by the byte of its code: by the one called first, and by who calls another one.
#[test]
fn code_is_paid_for_at_its_first_use() {
    everywhere(|vm, width| {
        let code = runs(width, "(i32.const 0)");
        let long = padded(&code, 5_000);
        let more = 5_000 * schedule().instance_byte;
        let cost = |code: &[u8]| run(&mut alone(vm, code), LIMIT).unwrap().gas_spent;
        assert_eq!(cost(&long) - cost(&code), more);
        let called = |code: &[u8]| taken(&mut pair(vm, width, code), 0).0;
        assert_eq!(called(&long) - called(&code), more);
        let start = start_gas(&code);
        assert!(cost(&code) > start && cost(&code) < start + 100);
    });
}

/// Filling a table when an instance is made is part of the first use: the call costs the same in a session that has an instance
/// already, and with hardly any gas it is out of gas like any.
#[test]
fn filling_tables_is_not_metered() {
    everywhere(|vm, width| {
        let table = "(table 200 200 funcref) (func $f) (elem (i32.const 0) FUNCTIONS)"
            .replace("FUNCTIONS", &"$f ".repeat(200));
        let function = "(func (export \"run\") (param i32) (result i32) (i32.const 0))";
        let callee = module(width, &(table + function));
        let filled = 200 * schedule().instance_element;
        let price = nobody(vm, width) + instance_gas(&callee) + filled;
        let mut session = pair(vm, width, &callee);
        let seen = [(); 2].map(|()| delegate(&mut session, 0, LIMIT).unwrap());
        let [first, second] = seen.map(|seen| {
            (
                seen.after - seen.before - seen.callee().gas_spent,
                seen.receipt.gas_spent,
            )
        });
        assert_eq!((first.0, first.1), (price, second.1));
        assert_eq!(first, second);
        let start = start_gas(&callee) + filled;
        for limit in [start, start + 1, start + 2] {
            let called = run(&mut alone(vm, &callee), limit);
            let failed = reverted(called.map(|_| ()));
            assert_eq!(failed.failure.code, Outcome::OutOfGas);
        }
    });
}

/// Looking for the owner of another contract is paid as any looking is, whether or not there is one; the own owner is at hand.
#[test]
fn the_owner_of_another_contract_is_looked_for() {
    everywhere(|vm, width| {
        let mut asker = Probe::new(vm, width);
        deploy(&mut asker.session, 2, &probe(width));
        asker.poke(1000, id(2).as_bytes());
        let cost = |asker: &mut Probe, at| asker.uses("owner", &[at], b"", 0).unwrap().gas_spent;
        let own = cost(&mut asker, 0);
        let prices = schedule();
        // The page of the id, and an owner that is longer by a byte; nobody's is shorter by three.
        let looked = prices.lookup_base + prices.page_read;
        assert_eq!(cost(&mut asker, 1000), own + looked + prices.import_byte);
        assert_eq!(
            cost(&mut asker, 3000),
            own + looked - 3 * prices.import_byte
        );
    });
}

/// Moves as many bytes as its argument says, to and from pages that are ready, or to one that is not.
fn moving(width: Width, operation: &str) -> Vec<u8> {
    runs(
        width,
        &format!(
            "(local $length PTR) (local $target PTR)
             (local.set $length (PTR.load (PTR.const {BUFFER})))
             (local.set $target (PTR.load (PTR.const {})))
             (i32.store (PTR.const 131072) (i32.const 1))
             (i32.store (PTR.const 135168) (i32.const 1))
             (i32.store (PTR.const 196608) (i32.const 1))
             (i32.store (PTR.const 200704) (i32.const 1))
             {operation}
             (i32.const 0)",
            BUFFER + 8
        ),
    )
}

/// Bulk operations of up to 264 bytes on pages that are ready cost what their operators cost; others are paid by the host's
/// look and by the line of 64 bytes, whatever they find.
#[test]
fn bulk_operations_are_paid_by_the_line() {
    let fill = "(memory.fill (local.get $target) (i32.const 7) (local.get $length))";
    let copy = "(memory.copy (local.get $target) (PTR.const 196608) (local.get $length))";
    everywhere(|vm, width| {
        for operation in [fill, copy] {
            let mut session = alone(vm, &moving(width, operation));
            let mut cost = |length: u64, target: u64| {
                let argument = [length.to_le_bytes(), target.to_le_bytes()].concat();
                let receipt: CallReceipt<Vec<u8>> =
                    session.call_raw(id(1), "run", argument, LIMIT).unwrap();
                receipt.gas_spent
            };
            let ready = 131_072;
            let prices = schedule();
            let one = cost(1, ready);
            for length in [2, 63, 64, 65, 263, 264] {
                assert_eq!(cost(length, ready), one, "{length}");
            }
            let none = cost(0, ready);
            let look = none - one;
            assert!(look.abs_diff(prices.memory_bulk_base) < 100, "{look}");
            for (length, lines) in [
                (265, 5),
                (319, 5),
                (320, 5),
                (321, 6),
                (4_095, 64),
                (4_096, 64),
            ] {
                let paid = cost(length, ready) - none;
                assert_eq!(paid, lines * prices.memory_bulk_line, "{length}");
            }
            // A page that is not ready is for the host to look at, as short as the operation is.
            let unready = 147_456;
            for (length, lines) in [(1, 1), (64, 1), (65, 2)] {
                let paid = cost(length, unready) - none;
                assert!(
                    paid.abs_diff(lines * prices.memory_bulk_line + prices.page_write) < 100,
                    "{length}"
                );
            }
            assert_eq!(cost(0, unready), none);
            // Two pages, of which the second is not ready.
            let paid = cost(4_096, 135_168 + 2_048) - none;
            assert_eq!(paid, 64 * prices.memory_bulk_line + prices.page_write);
        }
    });
}
