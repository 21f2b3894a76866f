//! What is spent, what comes back, and the least that is enough.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crostata::{CallReceipt, Error, Outcome, PricedQuery, Protocol, Session, VM};

use crate::fixtures::{
    BACKENDS, LIMIT, WIDTHS, Width, call_gas, deploy, ephemeral, fresh, id, instance_gas, module,
    reverted, runs, schedule, start_gas,
};

/// Rounds of the loop that `work` does.
const ROUNDS: u32 = 1_000;

/// Does `ROUNDS` rounds of work, then `end`.
pub fn work(width: Width, end: &str) -> Vec<u8> {
    let body = format!(
        "(local $left i32) (local.set $left (i32.const {ROUNDS}))
         (loop $next
           (local.set $left (i32.sub (local.get $left) (i32.const 1)))
           (br_if $next (local.get $left)))
         {end}"
    );
    runs(width, &body)
}

/// Calls `run` of contract 2 with the gas in the argument (0: the default share), then gives what it had spent before and
/// after the call, as `u64`s, and the code.
const DELEGATING: &str = r#"
  (data (PTR.const 0) "\02\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00run")
  (func (export "run") (param i32) (result i32) (local $gas i64) (local $before i64) (local $code i32)
    (local.set $gas (i64.load (PTR.const 65536)))
    (local.set $before (call $spent))
    (local.set $code (call $c (PTR.const 0) (PTR.const 32) (i32.const 3) (i32.const 0) (local.get $gas)))
    (i64.store (PTR.const 65544) (call $spent))
    (i64.store (PTR.const 65536) (local.get $before))
    (i32.store (PTR.const 65552) (local.get $code))
    (i32.const 20))"#;

/// The delegating contract.
pub fn delegating(width: Width) -> Vec<u8> {
    module(width, DELEGATING)
}

/// A delegating contract, 1, and its callee, 2.
pub fn pair(vm: &VM, width: Width, callee: &[u8]) -> Session {
    let mut session = fresh(vm);
    deploy(&mut session, 1, &module(width, DELEGATING));
    deploy(&mut session, 2, callee);
    session
}

/// What a delegating call saw.
pub struct Delegated {
    pub before: u64,
    pub after: u64,
    pub code: i32,
    pub receipt: CallReceipt<Vec<u8>>,
}

impl Delegated {
    pub fn callee(&self) -> &crostata::CallTreeElem {
        self.receipt.call_tree.iter().nth(1).unwrap()
    }
}

/// Calls contract 1, which calls contract 2 with so much gas.
pub fn delegate(session: &mut Session, gas: u64, limit: u64) -> Result<Delegated, Error> {
    let receipt = session.call_raw(id(1), "run", gas.to_le_bytes(), limit)?;
    let number = |at: usize| u64::from_le_bytes(receipt.data[at..at + 8].try_into().unwrap());
    Ok(Delegated {
        before: number(0),
        after: number(8),
        code: i32::from_le_bytes(receipt.data[16..].try_into().unwrap()),
        receipt,
    })
}

/// Calls `run` of contract 1.
pub fn run(session: &mut Session, limit: u64) -> Result<CallReceipt<Vec<u8>>, Error> {
    session.call_raw(id(1), "run", [], limit)
}

/// A session with one contract, 1.
pub fn alone(vm: &VM, code: &[u8]) -> Session {
    let mut session = fresh(vm);
    deploy(&mut session, 1, code);
    session
}

/// Runs a test on both backends and for both widths.
pub fn everywhere(test: impl Fn(&VM, Width)) {
    for backend in BACKENDS {
        for width in WIDTHS {
            println!("{backend:?} {width:?}");
            test(&ephemeral(backend), width);
        }
    }
}

/// The least limit at which `succeeds`, by bisection, given one at which it does.
pub fn least(mut enough: u64, mut succeeds: impl FnMut(u64) -> bool) -> u64 {
    let mut too_little = 0;
    while enough - too_little > 1 {
        let middle = too_little + (enough - too_little) / 2;
        match succeeds(middle) {
            true => enough = middle,
            false => too_little = middle,
        }
    }
    enough
}

/// Gas after success and after a panic is the same whatever the limit, and grows by each round of work.
#[test]
fn gas_is_exact_after_success_and_panic() {
    everywhere(|vm, width| {
        let spent = |code: &[u8], limit| match run(&mut alone(vm, code), limit) {
            Ok(receipt) => receipt.gas_spent,
            Err(error) => reverted::<()>(Err(error)).receipt.gas_spent,
        };
        for end in ["(i32.const 0)", "(call $panic (i32.const 0)) (unreachable)"] {
            let code = work(width, end);
            let exact = spent(&code, LIMIT);
            let work = exact - start_gas(&code);
            assert!(work > u64::from(3 * ROUNDS) && work < 100_000, "{work}");
            for limit in [exact + 1, exact + 12_345, LIMIT * 1_000, u64::MAX] {
                assert_eq!(spent(&code, limit), exact);
            }
        }
    });
}

/// A trap and running out of gas spend the whole limit, however large.
#[test]
fn a_trap_spends_the_whole_limit() {
    everywhere(|vm, width| {
        for end in [
            "(unreachable)",
            "(i32.div_u (i32.const 1) (local.get $left))",
        ] {
            let code = work(width, end);
            let mut session = alone(vm, &code);
            for limit in [start_gas(&code) + 50_000, LIMIT] {
                let receipt = reverted(run(&mut session, limit)).receipt;
                assert_eq!((receipt.gas_spent, receipt.gas_limit), (limit, limit));
            }
        }
        let spin = runs(width, "(loop (br 0)) (i32.const 0)");
        let failed = reverted(run(&mut alone(vm, &spin), 1_000_000));
        assert_eq!(failed.failure.code, Outcome::OutOfGas);
        assert_eq!(failed.receipt.gas_spent, 1_000_000);
    });
}

/// The least limit that is enough is one more than what is spent; one less fails, and spends all of it.
#[test]
fn the_least_limit_that_is_enough() {
    everywhere(|vm, width| {
        let mut session = alone(vm, &work(width, "(i32.const 0)"));
        let spent = run(&mut session, LIMIT).unwrap().gas_spent;
        let found = least(LIMIT, |limit| run(&mut session, limit).is_ok());
        assert_eq!(found, spent + 1);
        let failed = reverted(run(&mut session, spent));
        assert_eq!(failed.failure.code, Outcome::OutOfGas);
        assert_eq!(failed.receipt.gas_spent, spent);
    });
}

/// With a callee, too, there is one least limit: it succeeds there and above, and one less fails.
#[test]
fn the_least_limit_with_a_callee() {
    let vm = VM::ephemeral().unwrap();
    for width in WIDTHS {
        let mut session = pair(&vm, width, &work(width, "(i32.const 0)"));
        let mut succeeds =
            |limit| matches!(delegate(&mut session, 0, limit), Ok(seen) if seen.code == 0);
        let found = least(LIMIT, &mut succeeds);
        assert!(!succeeds(found - 1) && succeeds(found));
        assert!((1..200).all(|more| succeeds(found + more * 7)));
    }
}

/// Statements in a straight line, few enough that nobody looks at the gas between them, and more than that.
const SHORT: usize = 60;
const LONG: usize = 2_000;

/// A straight line: each statement takes four gas.
pub fn line(length: usize) -> String {
    "(local.set 0 (i32.add (local.get 0) (i32.const 1)))\n".repeat(length)
}

/// Limits of zero and of a few gas fail with a receipt, and never more than the limit is spent.
#[test]
fn tiny_limits() {
    everywhere(|vm, width| {
        let code = work(width, "(i32.const 0)");
        let mut session = alone(vm, &code);
        let start = start_gas(&code);
        for limit in [0, 1, 2, start - 1, start, start + 1] {
            let failed = reverted(run(&mut session, limit));
            assert_eq!(failed.failure.code, Outcome::OutOfGas);
            assert_eq!(failed.receipt.gas_spent, limit);
        }
    });
}

/// A straight line longer than its gas may come to its end without a look at the gas, and is out of gas all the same.
#[test]
fn ok_without_gas_left_is_out_of_gas() {
    everywhere(|vm, width| {
        for length in [SHORT, LONG] {
            let line = line(length);
            let code = runs(width, &format!("{line} (i32.const 0)"));
            let mut session = alone(vm, &code);
            let spent = run(&mut session, LIMIT).unwrap().gas_spent;
            for limit in [spent, spent - 1, spent - 100, start_gas(&code) + 10] {
                let failed = reverted(run(&mut session, limit));
                assert_eq!(failed.failure.code, Outcome::OutOfGas);
                assert_eq!(failed.receipt.gas_spent, limit);
            }
            assert_eq!(run(&mut session, spent + 1).unwrap().gas_spent, spent);
        }
    });
}

/// An import that is reached without gas does nothing: no event, query, debug message, feed or call.
#[test]
fn imports_without_gas_do_nothing() {
    let imports = [
        "(call $emit (PTR.const 32) (i32.const 1) (i32.const 1))",
        "(drop (call $hq (PTR.const 32) (i32.const 1) (i32.const 0)))",
        "(call $hdebug (i32.const 1))",
        "(call $feed (i32.const 1))",
        "(drop (call $c (PTR.const 0) (PTR.const 32) (i32.const 1) (i32.const 0) (i64.const 0)))",
    ];
    for backend in BACKENDS {
        for (import, length) in imports
            .into_iter()
            .flat_map(|one| [(one, SHORT), (one, LONG)])
        {
            let asked = Arc::new(AtomicU32::new(0));
            let mut vm = ephemeral(backend);
            let counter = asked.clone();
            let query = move |_: &[u8]| {
                counter.fetch_add(1, Ordering::Relaxed);
                Ok(vec![])
            };
            vm.register_host_query("q", PricedQuery::new(0, query));
            let body = format!("{} {} (i32.const 0)", line(length), import.repeat(50));
            let code = module(
                Width::Narrow,
                &format!(
                    "(data (i32.const 0) \"\\01\") (data (i32.const 32) \"q\")
                    (func (export \"q\") (param i32) (result i32) (i32.const 0))
                    (func (export \"run\") (param i32) (result i32) {body})"
                ),
            );
            let mut session = alone(&vm, &code);
            let heard = asked.clone();
            session.set_debug_sink(move |_, _: &str| {
                heard.fetch_add(1, Ordering::Relaxed);
            });
            let (sender, receiver) = std::sync::mpsc::channel();
            // Enough to start, and for less than the line.
            let limit = start_gas(&code) + 100;
            let call = session.feeder_call_raw(id(1), "run", [], limit, sender);
            let failed = reverted(call);
            assert_eq!(failed.failure.code, Outcome::OutOfGas, "{import}");
            assert_eq!(failed.receipt.reverted_events, []);
            assert_eq!(failed.receipt.call_tree.len(), 1);
            assert_eq!(asked.load(Ordering::Relaxed), 0);
            assert_eq!(receiver.iter().count(), 0);
        }
    }
}

/// What a callee leaves of its gas comes back, after success and after a panic, whatever it was given.
#[test]
fn unused_gas_of_a_callee_comes_back() {
    everywhere(|vm, width| {
        for end in ["(i32.const 0)", "(call $panic (i32.const 0)) (unreachable)"] {
            let mut session = pair(vm, width, &work(width, end));
            let mut seen = [0, 50_000, 1_000_000, LIMIT].map(|gas| {
                let seen = delegate(&mut session, gas, LIMIT).unwrap();
                let overhead = seen.after - seen.before - seen.callee().gas_spent;
                (seen.receipt.gas_spent, overhead, seen.callee().gas_spent)
            });
            seen.sort_unstable();
            assert_eq!(seen[0], seen[3], "{end}");
        }
    });
}

/// A callee that traps or runs out of gas spends all that it was given, and no more.
#[test]
fn a_failed_callee_spends_its_limit() {
    everywhere(|vm, width| {
        for (end, code) in [
            ("(unreachable)", i32::MIN),
            ("(loop (br 0)) (i32.const 0)", -2),
        ] {
            let mut session = pair(vm, width, &work(width, end));
            let spent = [40_000, 90_000].map(|gas| {
                let seen = delegate(&mut session, gas, LIMIT).unwrap();
                assert_eq!((seen.code, seen.callee().gas_spent), (code, gas));
                seen.after - seen.before - gas
            });
            assert_eq!(spent[0], spent[1]);
        }
    });
}

/// The receipt's gas is that of the call tree: each frame's is its own and its callees'.
#[test]
fn the_call_tree_adds_up() {
    everywhere(|vm, width| {
        let mut session = pair(vm, width, &work(width, "(i32.const 0)"));
        let seen = delegate(&mut session, 0, LIMIT).unwrap();
        let frames: Vec<_> = seen.receipt.call_tree.iter().collect();
        assert_eq!(frames[0].gas_spent, seen.receipt.gas_spent);
        assert_eq!(frames[0].gas_limit, LIMIT);
        assert!(frames[1].gas_spent < frames[0].gas_spent);
        assert_eq!((frames[1].caller, frames[1].depth), (Some(0), 1));
    });
}

/// What remains when a callee starts: the most that can be asked for, found by asking for less and less.
pub fn remaining(session: &mut Session, limit: u64) -> u64 {
    least(limit, |gas| {
        let seen = delegate(session, gas, limit).unwrap();
        seen.callee().gas_limit != gas
    })
}

/// A callee that is given no limit, or all that remains or more, gets all but a sixty-fourth of what remains.
#[test]
fn the_default_share() {
    let vm = VM::ephemeral().unwrap();
    for width in WIDTHS {
        let callee = runs(width, "(i32.const 0)");
        let mut session = pair(&vm, width, &callee);
        let pages = 2 * (schedule().page_read + schedule().page_write);
        let least = start_gas(&module(width, DELEGATING)) + call_gas(&callee) + pages + 100_000;
        for limit in [least, least + 1_000_003, LIMIT] {
            let remaining = remaining(&mut session, limit);
            for gas in [0, remaining, remaining + 1, LIMIT, u64::MAX, 1 << 63] {
                let seen = delegate(&mut session, gas, limit).unwrap();
                assert_eq!(seen.callee().gas_limit, remaining - remaining / 64);
            }
            let less = delegate(&mut session, remaining - 1, limit).unwrap();
            assert_eq!(less.callee().gas_limit, remaining - 1);
        }
    }
}

/// Where the callee does not start, only the price of the call is spent: the same for each reason.
#[test]
fn a_callee_that_does_not_start_costs_the_call_only() {
    let vm = VM::ephemeral().unwrap();
    for width in WIDTHS {
        let absent = module(
            width,
            "(func (export \"ran\") (param i32) (result i32) (i32.const 0))",
        );
        let mut session = pair(&vm, width, &absent);
        let [one, two] = [0, LIMIT].map(|gas| delegate(&mut session, gas, LIMIT).unwrap());
        assert_eq!((one.code, two.code), (i32::MIN, i32::MIN));
        assert_eq!(one.receipt, two.receipt);
        assert_eq!(one.receipt.call_tree.len(), 1);
        let mut session = fresh(&vm);
        deploy(&mut session, 1, &module(width, DELEGATING));
        let nobody = delegate(&mut session, 0, LIMIT).unwrap();
        assert_eq!(nobody.code, -3);
        // No contract is brought into the tree where there is none.
        assert_eq!(
            one.after - one.before,
            nobody.after - nobody.before + instance_gas(&absent)
        );
    }
}

/// Reverted work stays paid: the caller's gas after a caught failure holds all of it.
#[test]
fn reverted_work_stays_paid() {
    everywhere(|vm, width| {
        let panics = work(width, "(call $panic (i32.const 0)) (unreachable)");
        let mut session = pair(vm, width, &panics);
        let seen = delegate(&mut session, 0, LIMIT).unwrap();
        assert_eq!(seen.code, -1);
        assert!(seen.after - seen.before > seen.callee().gas_spent);
        assert!(seen.callee().gas_spent > u64::from(3 * ROUNDS));
        assert!(seen.receipt.gas_spent > seen.after);
    });
}

/// The second call of one tree to a contract does not pay for bringing it in; a later top-level call does again.
#[test]
fn a_contract_is_brought_in_once_per_tree() {
    let vm = VM::ephemeral().unwrap();
    let twice = r#"(data (PTR.const 0) "\02") (data (PTR.const 32) "run")
      (func $call (drop (call $c (PTR.const 0) (PTR.const 32) (i32.const 3) (i32.const 0) (i64.const 0))))
      (func (export "run") (param i32) (result i32) (local $a i64) (local $b i64) (local $c i64)
        (local.set $a (call $spent)) (call $call) (local.set $b (call $spent)) (call $call) (local.set $c (call $spent))
        (i64.store (PTR.const 65544) (i64.sub (local.get $c) (local.get $b)))
        (i64.store (PTR.const 65536) (i64.sub (local.get $b) (local.get $a)))
        (i32.const 16))"#;
    for width in WIDTHS {
        let mut session = fresh(&vm);
        deploy(&mut session, 1, &module(width, twice));
        let callee = runs(width, "(i32.const 0)");
        deploy(&mut session, 2, &callee);
        let first = run(&mut session, LIMIT).unwrap();
        let number = |at: usize| u64::from_le_bytes(first.data[at..at + 8].try_into().unwrap());
        // Looking for it, bringing it in, and the first read of the page with its id and name.
        let prices = schedule();
        let more = start_gas(&callee) + prices.page_read;
        assert_eq!(number(0), number(8) + more);
        assert_eq!(run(&mut session, LIMIT).unwrap(), first);
    }
}

/// Growth is paid by the page, whether or not it is reverted, and a refused growth costs what it asks for at most.
#[test]
fn growth_is_paid_by_the_page() {
    everywhere(|vm, width| {
        let cost = |pages: u32| {
            let body = format!("(drop (memory.grow (PTR.const {pages}))) (i32.const 0)");
            let code = runs(width, &body);
            let spent = run(&mut alone(vm, &code), LIMIT).unwrap().gas_spent;
            spent - start_gas(&code)
        };
        let page = schedule().memory_grow_page;
        assert!(
            cost(0) > schedule().memory_grow_base && cost(0) < schedule().memory_grow_base + 100
        );
        assert_eq!(cost(8) - cost(0), 8 * page);
        assert!(cost(9) - cost(0) <= 9 * page);
        // What the protocol's own limits forbid is not paid by the page.
        let most = Protocol::default().limits.memory_wasm_pages_max as u32;
        assert_eq!(cost(most), cost(0));
    });
}

/// A failure that is not caught names the contract and function where the call ended; the tree names where it began.
#[test]
fn failures_name_their_place() {
    everywhere(|vm, width| {
        let forwards = module(
            width,
            r#"(data (PTR.const 0) "\02") (data (PTR.const 32) "run")
            (func (export "run") (param i32) (result i32)
              (drop (call $c (PTR.const 0) (PTR.const 32) (i32.const 3) (i32.const 0) (i64.const 100000)))
              (unreachable))"#,
        );
        let mut session = fresh(vm);
        deploy(&mut session, 1, &forwards);
        deploy(&mut session, 2, &work(width, "(i32.const -1)"));
        let failed = reverted(run(&mut session, LIMIT));
        assert_eq!(failed.failure.contract, id(1));
        assert_eq!(failed.failure.code, Outcome::Unreachable);
        let inner = failed.receipt.call_tree.iter().nth(1).unwrap();
        let inner = inner.failure.as_ref().unwrap();
        assert_eq!(
            (inner.code, inner.contract),
            (Outcome::ResultOutOfBounds, id(2))
        );
    });
}
