//! Named cases: one for each way in which a subtree can end and be caught.

use crostata::{Outcome, Session};

use super::scene::{act, everywhere, failed, reports, seen, sight, word};
use crate::fixtures::actor::{
    Call, Grow, Keep, Panic, Recurse, Repeat, SPIN_GAS, See, Spin, Step, Trap, Try, TryWith, Write,
    cell, script,
};
use crate::fixtures::{LIMIT, id};

/// Start of the first page behind the memory of an actor.
const BEHIND: u32 = 4 << 16;

/// Where the script stack of an actor begins.
const STACK: u32 = 131_072;

/// What `c` gave for a panic, out of gas, and anything else.
const PANICKED: u32 = -1i32 as u32;
const OUT_OF_GAS: u32 = -2i32 as u32;
const FAILED: u32 = i32::MIN as u32;

/// The script stack pointer during a script that is the actor's outermost.
fn stack(steps: &[Step]) -> u32 {
    STACK + script(steps).len() as u32
}

/// What `See` as the last step of a script shows to an actor's outermost frame.
fn last_sight(session: &mut Session, steps: &[Step]) -> Vec<u32> {
    let mut reports = seen(session, 0, steps);
    let (number, words) = reports.pop().unwrap();
    assert_eq!((number, words[3]), (0, stack(steps)));
    words[..3].to_vec()
}

/// A caller survives a callee that wrote, grew, kept and reported before it failed, in each way of failing; nothing of the
/// callee stays, everything of the caller does.
#[test]
fn a_failed_callee_leaves_nothing() {
    let ways = [
        (Panic, PANICKED),
        (Trap, FAILED),
        (Spin, OUT_OF_GAS),
        (Recurse, FAILED),
        (See(u32::MAX - 3), FAILED),
    ];
    everywhere(|mut session| {
        for (way, code) in &ways {
            let callee = vec![
                Write(cell(0), 9),
                Grow(1),
                Write(BEHIND, 9),
                Keep(9),
                way.clone(),
            ];
            let steps = [
                Write(cell(0), 1),
                Keep(2),
                TryWith(1, SPIN_GAS, callee),
                Write(cell(1), 3),
                Call(1, vec![See(cell(0))]),
                See(cell(0)),
            ];
            let reports = seen(&mut session, 0, &steps);
            let inner = stack(&[See(0)]);
            assert_eq!(
                reports,
                [
                    (0, vec![*code]),
                    (1, sight(4, 0, 0, inner)),
                    (0, sight(4, 2, 1, stack(&steps)))
                ],
                "{way:?}"
            );
            assert_eq!(word(&mut session, 0, cell(1)), 3);
            assert_eq!(word(&mut session, 1, cell(0)), 0);
        }
    });
}

/// The callee's events are reported as reverted, in order, and those around it are not.
#[test]
fn events_of_a_failed_callee_are_reverted() {
    everywhere(|mut session| {
        let steps = [
            See(cell(0)),
            Try(1, vec![See(cell(1)), Call(2, vec![See(cell(2))]), Panic]),
            See(cell(3)),
        ];
        let receipt = act(&mut session, 0, &steps).unwrap();
        let sources = |events: &[crostata::Event]| {
            let reports = reports(events).into_iter();
            reports.map(|(number, _)| number).collect::<Vec<_>>()
        };
        assert_eq!(sources(&receipt.events), [0, 0, 0]);
        assert_eq!(sources(&receipt.reverted_events), [1, 2]);
        assert!(receipt.events.iter().all(|event| !event.reverted));
        assert!(receipt.reverted_events.iter().all(|event| event.reverted));
        let marks: Vec<_> = receipt
            .call_tree
            .iter()
            .map(|frame| frame.reverted)
            .collect();
        assert_eq!(marks, [false, true, true]);
    });
}

/// A success inside a failure is reverted with it; a failure inside a success is not more than itself.
#[test]
fn exactly_the_subtree_is_reverted() {
    everywhere(|mut session| {
        let lost = vec![
            Write(cell(1), 7),
            Call(2, vec![Write(cell(1), 7), Grow(1)]),
            Trap,
        ];
        let kept = vec![
            Write(cell(2), 8),
            Try(2, vec![Write(cell(2), 8), Panic]),
            Call(2, vec![Write(cell(3), 8)]),
        ];
        let steps = [Try(1, lost), Call(1, kept), Write(cell(0), 1)];
        act(&mut session, 0, &steps).unwrap();
        let cells =
            |session: &mut Session, number| [0, 1, 2, 3].map(|at| word(session, number, cell(at)));
        assert_eq!(cells(&mut session, 0), [1, 0, 0, 0]);
        assert_eq!(cells(&mut session, 1), [0, 0, 8, 0]);
        assert_eq!(cells(&mut session, 2), [0, 0, 0, 8]);
        assert_eq!(session.memory_len(&id(2)).unwrap(), Some(u64::from(BEHIND)));
    });
}

/// Each level of a deep nest fails or succeeds on its own: failures at every second level, caught one above.
#[test]
fn failures_at_every_second_level() {
    everywhere(|mut session| {
        let mut steps = vec![Write(cell(0), 1)];
        for level in 1..=20u32 {
            let target = (level % 3) as u8;
            let mut outer = vec![Write(cell(level), level), Try(target, steps)];
            if level % 2 == 1 {
                outer.push(Trap);
            }
            steps = outer;
        }
        // Level 20 succeeds; level 19 fails, and everything with it.
        act(&mut session, 1, &steps).unwrap();
        let after = session.root().unwrap();
        assert_eq!(word(&mut session, 1, cell(20)), 20);
        act(&mut session, 1, &[Write(cell(20), 0)]).unwrap();
        assert_ne!(session.root().unwrap(), after);
        act(&mut session, 1, &[Write(cell(20), 20)]).unwrap();
        assert_eq!(session.root().unwrap(), after);
        let others = (0..20).map(|level| word(&mut session, (level % 3) as u8, cell(level)));
        assert!(others.eq([0; 20]));
    });
}

/// A to B to A, where the inner A fails and B catches it: B's frame sees the outer A's writes as they were.
#[test]
fn an_inner_frame_of_a_suspended_contract_fails() {
    everywhere(|mut session| {
        let inner = vec![Write(cell(0), 9), Write(cell(1), 9), Keep(10), Panic];
        let steps = [
            Write(cell(0), 1),
            Keep(1),
            Call(1, vec![Write(cell(0), 2), Try(0, inner)]),
            Write(cell(2), 3),
            See(cell(0)),
        ];
        assert_eq!(last_sight(&mut session, &steps), [4, 1, 1]);
        assert_eq!(word(&mut session, 0, cell(1)), 0);
        assert_eq!(word(&mut session, 0, cell(2)), 3);
        assert_eq!(word(&mut session, 1, cell(0)), 2);
    });
}

/// A to B to A, where the inner A succeeds and then B fails: the outer A sees itself as before the call.
#[test]
fn a_success_of_the_inner_frame_is_reverted_with_the_frame_between() {
    everywhere(|mut session| {
        let inner = vec![See(cell(0)), Write(cell(0), 9), Write(cell(1), 9), Keep(10)];
        let steps = [
            Write(cell(0), 1),
            Keep(1),
            Try(1, vec![Call(0, inner), Trap]),
            See(cell(0)),
        ];
        let receipt = act(&mut session, 0, &steps).unwrap();
        // The inner frame saw what the outer one had written and kept.
        let reverted = reports(&receipt.reverted_events);
        assert_eq!(reverted[0].1[..3], [4, 1, 1]);
        let own = reports(&receipt.events);
        assert_eq!(own.last().unwrap(), &(0, sight(4, 1, 1, stack(&steps))));
        assert_eq!(word(&mut session, 0, cell(1)), 0);
    });
}

/// What an inner frame of a suspended contract did stays if nothing fails, and the outer frame sees it.
#[test]
fn a_success_of_the_inner_frame_stays() {
    everywhere(|mut session| {
        let inner = vec![Write(cell(0), 9), Grow(2), Write(BEHIND, 5), Keep(10)];
        let steps = [
            Write(cell(0), 1),
            Keep(1),
            Call(1, vec![Call(0, inner)]),
            See(BEHIND),
        ];
        assert_eq!(last_sight(&mut session, &steps), [6, 11, 5]);
        assert_eq!(word(&mut session, 0, cell(0)), 9);
    });
}

/// Steps that have the suspended actor 0 grow by two pages and write there in an inner frame that is reverted: by its own
/// failure, by that of the frame between, or in a call to itself.
fn reverted_growths(behind: u32) -> [Step; 3] {
    let grow = vec![Grow(2), Write(behind, 7), Write(behind + 65_536, 7)];
    let grow_and_fail = [grow.clone(), vec![Panic]].concat();
    [
        Call(1, vec![Try(0, grow_and_fail.clone())]),
        Try(1, vec![Call(0, grow), Trap]),
        Try(0, grow_and_fail),
    ]
}

/// After a reverted growth the suspended frame sees the old size.
#[test]
fn a_reverted_growth_is_gone_for_the_suspended_frame() {
    everywhere(|mut session| {
        for growth in reverted_growths(BEHIND) {
            let steps = [growth, See(cell(0))];
            assert_eq!(last_sight(&mut session, &steps)[0], 4);
            assert_eq!(session.memory_len(&id(0)).unwrap(), Some(u64::from(BEHIND)));
        }
    });
}

/// After a reverted growth an access behind the old size traps, at the first byte and far behind.
#[test]
fn access_behind_a_reverted_growth_traps() {
    everywhere(|mut session| {
        for growth in reverted_growths(BEHIND) {
            for behind in [BEHIND, BEHIND - 3, BEHIND + 65_536] {
                for access in [Write(behind, 1), See(behind)] {
                    let steps = [growth.clone(), access];
                    let failure = failed(&mut session, 0, &steps).failure;
                    assert_eq!(failure.code, Outcome::MemoryOutOfBounds, "{steps:?}");
                }
            }
        }
    });
}

/// What is grown again after a reverted growth is zeros, for the suspended frame and for later calls.
#[test]
fn growing_again_gives_zeros() {
    everywhere(|mut session| {
        for times in 0..3 {
            let behind = BEHIND + times * 2 * 65_536;
            let growth = reverted_growths(behind)[times as usize].clone();
            let steps = [
                growth,
                Grow(2),
                See(behind),
                Write(behind, times + 1),
                See(behind),
            ];
            let reports = seen(&mut session, 0, &steps);
            let own: Vec<_> = reports
                .iter()
                .filter(|(number, words)| *number == 0 && words.len() == 4)
                .map(|(_, words)| (words[0], words[2]))
                .collect();
            let pages = 6 + 2 * times;
            assert_eq!(own, [(pages, 0), (pages, times + 1)]);
            assert_eq!(word(&mut session, 0, behind + 65_536), 0);
        }
    });
}

/// A growth that failed with its frame and one that succeeded, in one call: only the second counts, up to the limit.
#[test]
fn growth_to_the_limit_after_reverted_growth() {
    everywhere(|mut session| {
        let steps = [
            Try(0, vec![Grow(8), Write((12 << 16) - 4, 1), Panic]),
            Grow(8),
            Grow(1),
            Grow(0),
            See((12 << 16) - 4),
        ];
        let reports = seen(&mut session, 0, &steps);
        let words: Vec<_> = reports.into_iter().map(|(_, words)| words[0]).collect();
        assert_eq!(words, [PANICKED, 4, u32::MAX, 12, 12]);
    });
}

/// Mutable globals: fresh at the first frame of a top-level call, kept for later frames, fresh again in the next call.
#[test]
fn globals_live_as_long_as_the_top_level_call() {
    everywhere(|mut session| {
        let steps = [
            Call(1, vec![Keep(5)]),
            Call(1, vec![Keep(6)]),
            Try(1, vec![Keep(100), Panic]),
            Call(2, vec![Call(1, vec![See(cell(0))])]),
        ];
        for _ in 0..2 {
            let reports = seen(&mut session, 0, &steps);
            let kept: Vec<_> = reports
                .iter()
                .filter(|(number, _)| *number == 1)
                .map(|(_, words)| words[1])
                .collect();
            assert_eq!(kept, [11]);
        }
    });
}

/// A contract whose first frame in a call is reverted starts fresh in its next frame.
#[test]
fn globals_of_a_contract_first_met_in_a_reverted_frame() {
    everywhere(|mut session| {
        let steps = [
            Try(
                1,
                vec![Call(2, vec![Keep(5), Grow(1), Write(BEHIND, 1)]), Trap],
            ),
            Call(2, vec![See(cell(0))]),
        ];
        let reports = seen(&mut session, 0, &steps);
        assert_eq!(reports[1], (2, sight(4, 0, 0, stack(&[See(0)]))));
    });
}

/// Hundreds of failing calls to itself exhaust neither the stack counter nor the script stack in the contract's globals.
#[test]
fn many_failing_calls_use_up_no_stack() {
    everywhere(|mut session| {
        for way in [Trap, Panic, Recurse, Write(u32::MAX - 3, 0)] {
            let steps = [
                Repeat(300, vec![Try(0, vec![Keep(1), way.clone()])]),
                Call(0, vec![Call(0, vec![See(cell(0))])]),
                See(cell(0)),
            ];
            let receipt = session.call_raw(id(0), "run", script(&steps), 10 * LIMIT);
            let receipt = receipt.unwrap();
            let reports = reports(&receipt.events);
            assert_eq!(reports.len(), 302, "{way:?}");
            assert_eq!(reports[301].1, sight(4, 0, 0, stack(&steps)));
        }
    });
}

/// After hundreds of failures deep in the stack, the call depth is what it was.
#[test]
fn failures_do_not_use_up_depth() {
    everywhere(|mut session| {
        let mut deep = vec![See(cell(0))];
        for _ in 0..60 {
            deep = vec![Call(0, deep)];
        }
        let mut failing = vec![Recurse];
        for _ in 0..60 {
            failing = vec![Call(0, failing)];
        }
        let steps = [
            Repeat(10, vec![Try(0, failing)]),
            Call(1, vec![Call(0, deep)]),
        ];
        // Each failing stack takes a share of its caller's gas at every depth.
        let receipt = session.call_raw(id(0), "run", script(&steps), 10 * LIMIT);
        assert_eq!(reports(&receipt.unwrap().events).len(), 11);
    });
}

/// A failing top-level call changes nothing, in any contract, and says what it would have emitted.
#[test]
fn a_failing_call_changes_nothing() {
    everywhere(|mut session| {
        act(
            &mut session,
            0,
            &[Write(cell(0), 1), Grow(1), Call(1, vec![Write(cell(5), 5)])],
        )
        .unwrap();
        let before = session.root().unwrap();
        let change = |end| {
            vec![
                Write(cell(0), 2),
                Grow(1),
                Write(BEHIND, 4),
                Call(
                    1,
                    vec![Write(cell(5), 6), Grow(2), Call(2, vec![Write(cell(0), 1)])],
                ),
                end,
            ]
        };
        for end in [Panic, Trap, Recurse, Call(2, vec![Trap])] {
            let reverted = failed(&mut session, 0, &change(end));
            assert_eq!(session.root().unwrap(), before);
            assert_eq!(reverted.receipt.events, []);
            assert_eq!(reverted.receipt.reverted_events.len(), 2);
            assert!(
                reverted
                    .receipt
                    .call_tree
                    .iter()
                    .all(|frame| frame.reverted)
            );
        }
        assert_eq!(word(&mut session, 0, cell(0)), 1);
        assert_eq!(word(&mut session, 0, BEHIND), 0);
        assert_eq!(session.memory_len(&id(0)).unwrap(), Some(5 << 16));
        // The next successful receipt holds its own events only.
        assert_eq!(seen(&mut session, 1, &[See(cell(5))]).len(), 1);
        assert_eq!(session.root().unwrap(), before);
    });
}

/// Out of gas at the top reverts the callees that succeeded.
#[test]
fn out_of_gas_at_the_top_reverts_successful_callees() {
    everywhere(|mut session| {
        let before = session.root().unwrap();
        let steps = [Call(1, vec![Write(cell(0), 1)]), Spin];
        let call = session.call_raw(id(0), "run", script(&steps), LIMIT / 100);
        let reverted = crate::fixtures::reverted(call);
        assert_eq!(reverted.failure.code, Outcome::OutOfGas);
        assert_eq!(reverted.receipt.call_tree.len(), 2);
        assert_eq!(session.root().unwrap(), before);
    });
}
