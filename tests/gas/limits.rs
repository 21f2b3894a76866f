//! Limits on a call tree: the memory of all its contracts, the pages they touch, the events, the feeds.

use crostata::{Backend, Error, Outcome, Protocol, Refusal, Rejected, Session, VM};

use crate::fixtures::actor::{Call, Grow, Panic, Step, Try, actor, script};
use crate::fixtures::{
    BACKENDS, LIMIT, WIDTHS, Width, deploy, fresh, id, module, reverted, runs, under,
};

/// Runs a test on both backends and for both widths, under a protocol with other limits.
fn everywhere(protocol: &Protocol, test: impl Fn(&VM, Width)) {
    for backend in BACKENDS {
        for width in WIDTHS {
            println!("{backend:?} {width:?}");
            test(&under(backend, protocol), width);
        }
    }
}

/// A session with two actors, whose memories of four pages can grow to twelve.
fn actors(vm: &VM, width: Width) -> Session {
    let mut session = fresh(vm);
    for number in [0, 1] {
        deploy(&mut session, number, &actor(width));
    }
    session
}

/// What the actors reported: growths give the size before, or -1, and failed calls their code.
fn reports(session: &mut Session, steps: &[Step]) -> Vec<i32> {
    let receipt = session
        .call_raw(id(0), "run", script(steps), LIMIT)
        .unwrap();
    let words = receipt
        .events
        .iter()
        .map(|event| event.data[..4].try_into());
    words
        .map(|word| i32::from_le_bytes(word.unwrap()))
        .collect()
}

/// Calls actor 1 with gas for anything.
fn attempt(steps: Vec<Step>) -> Step {
    crate::fixtures::actor::TryWith(1, 100_000_000, steps)
}

fn memory_pages_max(pages: u64) -> Protocol {
    let mut protocol = Protocol::default();
    protocol.limits.call_memory_wasm_pages_max = pages;
    protocol
}

/// `memory.grow` gives -1 where the memories of the tree together would be larger than allowed, whoever asks, and a
/// page less is fine.
#[test]
fn growth_is_bounded_for_the_tree() {
    everywhere(&memory_pages_max(10), |vm, width| {
        assert_eq!(
            reports(&mut actors(vm, width), &[Grow(7), Grow(6)]),
            [-1, 4]
        );
        let one = [attempt(vec![Grow(3), Grow(2)]), Grow(1), Grow(0)];
        assert_eq!(reports(&mut actors(vm, width), &one), [-1, 4, -1, 4]);
        let other = [Grow(1), attempt(vec![Grow(2), Grow(1)]), Grow(1)];
        assert_eq!(reports(&mut actors(vm, width), &other), [4, -1, 4, -1]);
    });
}

/// A contract that does not fit is refused: its caller goes on, the host's call is rejected, and nothing has happened.
#[test]
fn a_contract_that_does_not_fit_is_refused() {
    everywhere(&memory_pages_max(10), |vm, width| {
        let mut session = actors(vm, width);
        let steps = [Grow(3), attempt(vec![Grow(0)]), Grow(3), attempt(vec![])];
        assert_eq!(reports(&mut session, &steps), [4, i32::MIN, 7, i32::MIN]);
        // It is as large in the next call.
        assert_eq!(reports(&mut session, &[attempt(vec![])]), [i32::MIN]);
        let alone = session.call_raw(id(1), "run", script(&[Grow(6)]), LIMIT);
        assert_eq!(alone.unwrap().events.len(), 1);
    });
    everywhere(&memory_pages_max(3), |vm, width| {
        let mut session = actors(vm, width);
        let root = session.root().unwrap();
        match session.call_raw(id(0), "run", [], LIMIT) {
            Err(Error::Rejected(Rejected::Call(refusal))) => {
                assert_eq!(refusal, Refusal::Memory { contract: id(0) });
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(session.root().unwrap(), root);
    });
}

/// A growth that is undone takes no room any more: in the same call, and after it.
#[test]
fn room_comes_back_after_a_revert() {
    everywhere(&memory_pages_max(10), |vm, width| {
        let mut session = actors(vm, width);
        let steps = [attempt(vec![Grow(2), Panic]), Grow(3), Grow(2), Grow(1)];
        assert_eq!(reports(&mut session, &steps), [-1, -1, 4, -1]);
        let mut session = actors(vm, width);
        let grown = script(&[Grow(6), Panic]);
        reverted(session.call_raw(id(0), "run", grown, LIMIT));
        assert_eq!(reports(&mut session, &[Grow(6)]), [4]);
        let mut session = actors(vm, width);
        let before = session.savepoint().unwrap();
        assert_eq!(reports(&mut session, &[Grow(4)]), [4]);
        session.rollback(before).unwrap();
        let steps = [Call(1, vec![Grow(1)]), Try(1, vec![]), Grow(1)];
        assert_eq!(reports(&mut session, &steps), [4, 4]);
    });
}

fn pages_max(pages: u64) -> Protocol {
    let mut protocol = Protocol::default();
    protocol.limits.call_pages_max = pages;
    protocol
}

/// Reads or writes so many pages from 131,072 on.
fn touching(width: Width, reads: usize, writes: usize) -> Vec<u8> {
    let address = |page: usize| 131_072 + 4_096 * page;
    let read = |page| format!("(drop (i32.load (PTR.const {})))", address(page));
    let write = |page| format!("(i32.store (PTR.const {}) (i32.const 1))", address(page));
    let reads: String = (0..reads).map(read).collect();
    let writes: String = (0..writes).map(write).collect();
    runs(width, &format!("{reads} {writes} (i32.const 0)"))
}

/// What came of the call of a lone contract with this code.
fn outcome(vm: &VM, code: &[u8]) -> Outcome {
    let mut session = fresh(vm);
    deploy(&mut session, 1, code);
    let ends = [(); 2].map(|()| match session.call_raw(id(1), "run", [], LIMIT) {
        Ok(_) => Outcome::Success,
        Err(error) => {
            let failed = reverted::<()>(Err(error));
            assert_eq!(failed.receipt.gas_spent, LIMIT);
            failed.failure.code
        }
    });
    // Each call counts anew.
    assert_eq!(ends[0], ends[1]);
    ends[0]
}

/// The frame that reads or writes a page too many ends, having spent its limit. A page that is read and written counts for both.
#[test]
fn pages_of_a_call_are_bounded() {
    everywhere(&pages_max(6), |vm, width| {
        for (reads, writes, end) in [
            (6, 0, Outcome::Success),
            (7, 0, Outcome::LimitExceeded),
            (0, 6, Outcome::Success),
            (0, 7, Outcome::LimitExceeded),
            (20, 20, Outcome::LimitExceeded),
        ] {
            let code = touching(width, reads, writes);
            assert_eq!(outcome(vm, &code), end, "{reads} {writes}");
        }
        let read_then_write = |pages: u32| {
            let body = format!(
                "(local $page i32)
                 (loop $read
                   (drop (i32.load (call $at (i32.add (i32.const 131072) (i32.mul (local.get $page) (i32.const 4096))))))
                   (local.set $page (i32.add (local.get $page) (i32.const 1)))
                   (br_if $read (i32.lt_u (local.get $page) (i32.const {pages}))))
                 (loop $write
                   (local.set $page (i32.sub (local.get $page) (i32.const 1)))
                   (i32.store (call $at (i32.add (i32.const 131072) (i32.mul (local.get $page) (i32.const 4096)))) (i32.const 1))
                   (br_if $write (local.get $page)))
                 (i32.const 0)"
            );
            outcome(vm, &runs(width, &body))
        };
        assert_eq!(read_then_write(3), Outcome::Success);
        assert_eq!(read_then_write(4), Outcome::LimitExceeded);
        // One operation over seven pages.
        let fill = |bytes: u32| {
            let body = format!(
                "(memory.fill (PTR.const 131072) (i32.const 1) (PTR.const {bytes})) (i32.const 0)"
            );
            outcome(vm, &runs(width, &body))
        };
        assert_eq!(fill(6 * 4_096), Outcome::Success);
        assert_eq!(fill(6 * 4_096 + 1), Outcome::LimitExceeded);
    });
}

/// Calls contract 2, then writes so many pages, and gives the code of the call.
fn calling_then_writing(width: Width, writes: usize) -> Vec<u8> {
    let writes: String = (0..writes)
        .map(|page| {
            format!(
                "(i32.store (PTR.const {}) (i32.const 1))",
                131_072 + 4_096 * page
            )
        })
        .collect();
    module(
        width,
        &format!(
            r#"(data (PTR.const 0) "\02") (data (PTR.const 32) "run")
            (func (export "run") (param i32) (result i32) (local $code i32)
              (i32.store (PTR.const 65536) (i32.const 1))
              (local.set $code (call $c (PTR.const 0) (PTR.const 32) (i32.const 3) (i32.const 0) (i64.const 100000000)))
              {writes}
              (i32.store (PTR.const 65536) (local.get $code))
              (i32.const 4))"#
        ),
    )
}

/// Pages count for the whole tree, those of a callee that failed too; the callee that takes one too many fails as a frame, and
/// its caller may go on without touching more.
#[test]
fn pages_count_across_contracts_and_reverts() {
    let failing = |width, end: &str| {
        let body = format!(
            "(i32.store (PTR.const 131072) (i32.const 1)) (i32.store (PTR.const 135168) (i32.const 1)) {end}"
        );
        runs(width, &body)
    };
    // The caller also writes the page of its result and reads that of the id; the callee writes two.
    everywhere(&pages_max(6), |vm, width| {
        for end in ["(i32.const 0)", "(call $panic (i32.const 0)) (unreachable)"] {
            for (writes, fits) in [(2, true), (3, false)] {
                let mut session = fresh(vm);
                deploy(&mut session, 1, &calling_then_writing(width, writes));
                deploy(&mut session, 2, &failing(width, end));
                match session.call_raw(id(1), "run", [], LIMIT) {
                    Ok(receipt) => assert!(fits, "{writes} {end} {:?}", receipt.data),
                    Err(error) => {
                        let failed = reverted::<()>(Err(error));
                        assert!(!fits, "{writes} {end}");
                        assert_eq!(failed.failure.code, Outcome::LimitExceeded);
                        assert_eq!(failed.failure.contract, id(1));
                    }
                }
            }
        }
        let mut session = fresh(vm);
        deploy(&mut session, 1, &calling_then_writing(width, 0));
        deploy(&mut session, 2, &touching(width, 0, 6));
        // The caller has taken two pages; the callee stops when it wants a fifth.
        let receipt = session.call_raw(id(1), "run", [], LIMIT).unwrap();
        assert_eq!(receipt.data, i32::MIN.to_le_bytes());
        let callee = receipt.call_tree.iter().nth(1).unwrap();
        assert_eq!(
            callee.failure.as_ref().unwrap().code,
            Outcome::LimitExceeded
        );
        assert_eq!(callee.gas_spent, callee.gas_limit);
    });
}

/// A copy of a page for a nested frame of the same contract counts too.
#[test]
fn copies_count_as_pages() {
    let nested = r#"
      (func $write (i32.store (PTR.const 131072) (i32.const 1)))
      (func (export "run") (param $inner i32) (result i32)
        (call $write)
        (if (i32.eqz (local.get $inner)) (then
          (call $self_id)
          (memory.copy (PTR.const 32) (PTR.const 65536) (PTR.const 32))
          (i32.store (PTR.const 65536)
            (call $c (PTR.const 32) (PTR.const 0) (i32.const 3) (i32.const 1) (i64.const 100000000)))
          (return (i32.const 4))))
        (i32.const 0))
      (data (PTR.const 0) "run")"#;
    for (pages, code) in [(5, 0), (4, i32::MIN)] {
        everywhere(&pages_max(pages), |vm, width| {
            let mut session = fresh(vm);
            deploy(&mut session, 1, &module(width, nested));
            // Written: the cell, the buffer, the page of the id. The callee's argument copies the buffer, and its write the cell.
            let receipt = session.call_raw(id(1), "run", [], LIMIT).unwrap();
            assert_eq!(receipt.data, code.to_le_bytes());
        });
    }
}

/// Emits or feeds so many times six bytes, with a topic of four for events.
const EMITTING: &str = r#"
  (data (PTR.const 0) "data")
  (func $emits (export "emits") (param i32) (result i32) (local $left i32)
    (local.set $left (i32.load (PTR.const 65536)))
    (loop $next
      (call $emit (PTR.const 0) (i32.const 4) (i32.const 6))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $next (local.get $left)))
    (i32.const 0))
  (func (export "feeds") (param i32) (result i32) (local $left i32)
    (local.set $left (i32.load (PTR.const 65536)))
    (loop $next
      (call $feed (i32.const 10))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $next (local.get $left)))
    (i32.const 0))
  (func (export "fails") (param i32) (result i32)
    (drop (call $emits (local.get 0))) (unreachable))
  (data (PTR.const 32) "\02") (data (PTR.const 64) "fails")
  (func (export "both") (param i32) (result i32) (local $own i32)
    (local.set $own (i32.load (PTR.const 65540)))
    (drop (call $c (PTR.const 32) (PTR.const 64) (i32.const 5) (i32.const 4) (i64.const 100000000)))
    (i32.store (PTR.const 65536) (local.get $own))
    (return (call $emits (local.get 0))))"#;

/// What an event or a feed of ten bytes counts.
const RECORD: u64 = 64 + 10;

/// The outcome, and how many events or feeds got through.
fn kept(session: &mut Session, function: &str, words: &[u32]) -> (Outcome, usize) {
    let (sender, receiver) = std::sync::mpsc::channel();
    let argument: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let called = session.feeder_call_raw(id(1), function, argument, LIMIT, sender);
    let (code, events) = match called {
        Ok(receipt) => (
            Outcome::Success,
            receipt.events.len() + receipt.reverted_events.len(),
        ),
        Err(error) => {
            let failed = reverted::<()>(Err(error));
            assert_eq!(failed.receipt.gas_spent, LIMIT);
            assert_eq!(failed.receipt.events, []);
            (failed.failure.code, failed.receipt.reverted_events.len())
        }
    };
    (code, events + receiver.iter().count())
}

fn emitters(backend: Backend, protocol: &Protocol, width: Width) -> Session {
    let mut session = fresh(&under(backend, protocol));
    deploy(&mut session, 1, &module(width, EMITTING));
    deploy(&mut session, 2, &module(width, EMITTING));
    session
}

/// The event or feed that is too much is not recorded, and ends the frame; a byte less allowed makes it one fewer.
#[test]
fn events_and_feeds_of_a_call_are_bounded() {
    for (bytes, most) in [(3 * RECORD, 3), (3 * RECORD - 1, 2), (4 * RECORD - 1, 3)] {
        let mut protocol = Protocol::default();
        protocol.limits.call_event_bytes_max = bytes;
        let mut feeds = Protocol::default();
        feeds.limits.call_feed_bytes_max = bytes;
        for backend in BACKENDS {
            for width in WIDTHS {
                for (function, protocol) in [("emits", &protocol), ("feeds", &feeds)] {
                    let mut session = emitters(backend, protocol, width);
                    for count in [most, most + 1, most + 9, most] {
                        let end = match count > most {
                            false => Outcome::Success,
                            true => Outcome::LimitExceeded,
                        };
                        let kept = kept(&mut session, function, &[count]);
                        assert_eq!(kept, (end, most as usize), "{function} {count}");
                    }
                }
            }
        }
    }
}

/// Events of a callee that failed count as any.
#[test]
fn reverted_events_count() {
    let mut protocol = Protocol::default();
    protocol.limits.call_event_bytes_max = 5 * RECORD;
    for backend in BACKENDS {
        for width in WIDTHS {
            let mut session = emitters(backend, &protocol, width);
            assert_eq!(kept(&mut session, "both", &[3, 2]), (Outcome::Success, 5));
            let over = kept(&mut session, "both", &[3, 3]);
            assert_eq!(over, (Outcome::LimitExceeded, 5));
            // The callee alone takes them all; the caller has none left.
            let over = kept(&mut session, "both", &[9, 1]);
            assert_eq!(over, (Outcome::LimitExceeded, 5));
        }
    }
}
