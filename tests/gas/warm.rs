//! Warm pages: of all pages of a call tree, so many are warm; touching another one is paid, and the one that got warm first gets cold.

use std::collections::VecDeque;

use crostata::{CallReceipt, Protocol, Session, VM};

use crate::fixtures::actor::{
    Call, Grow, Keep, Panic, See, Step, TryWith, Write, actor, cell, script,
};
use crate::fixtures::{
    BACKENDS, LIMIT, WIDTHS, Width, deploy, fresh, id, module, module_of, schedule, start_gas,
    under,
};

fn warm_pages_max(pages: u64) -> Protocol {
    let mut protocol = Protocol::default();
    protocol.limits.warm_pages_max = pages;
    protocol
}

fn everywhere(protocol: &Protocol, test: impl Fn(&VM, Width)) {
    for backend in BACKENDS {
        for width in WIDTHS {
            println!("{backend:?} {width:?}");
            test(&under(backend, protocol), width);
        }
    }
}

/// Goes so often around a ring of so many pages, reading or writing each.
fn ring(width: Width, access: &str) -> Vec<u8> {
    module_of(
        width,
        48,
        48,
        &format!(
            "(func (export \"run\") (param i32) (result i32)
               (local $pages i32) (local $rounds i32) (local $page i32)
               (local.set $pages (i32.load (PTR.const 65536)))
               (local.set $rounds (i32.load (PTR.const 65540)))
               (block $done (loop $round
                 (br_if $done (i32.eqz (local.get $rounds)))
                 (local.set $rounds (i32.sub (local.get $rounds) (i32.const 1)))
                 (local.set $page (i32.const 0))
                 (loop $next
                   {access}
                   (local.set $page (i32.add (local.get $page) (i32.const 1)))
                   (br_if $next (i32.lt_u (local.get $page) (local.get $pages))))
                 (br $round)))
               (i32.const 0))"
        ),
    )
}

const ADDRESS: &str =
    "(call $at (i32.add (i32.const 196608) (i32.shl (local.get $page) (i32.const 12))))";

/// What each round around a ring of so many pages takes, the first one first.
fn rounds(session: &mut Session, pages: u32) -> Vec<u64> {
    let spent: Vec<u64> = (0..5u32)
        .map(|rounds| {
            let argument = [pages.to_le_bytes(), rounds.to_le_bytes()].concat();
            let receipt: CallReceipt<Vec<u8>> =
                session.call_raw(id(1), "run", argument, LIMIT).unwrap();
            receipt.gas_spent
        })
        .collect();
    spent.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// Going around 512 pages costs nothing but the loop; around 513, each page is paid again in each round.
#[test]
fn a_ring_of_one_page_too_many_is_paid_again_and_again() {
    let protocol = Protocol::default();
    let most = protocol.limits.warm_pages_max as u32;
    let accesses = [
        (format!("(drop (i32.load {ADDRESS}))"), schedule().page_read),
        (
            format!("(i32.store {ADDRESS} (local.get $page))"),
            schedule().page_write,
        ),
    ];
    everywhere(&protocol, |vm, width| {
        for (access, first) in &accesses {
            let mut session = fresh(vm);
            deploy(&mut session, 1, &ring(width, access));
            let fewer = rounds(&mut session, most - 1);
            let fits = rounds(&mut session, most);
            // A round is a loop, and so much for each page.
            let each = fits[1] - fewer[1];
            let [one, two, three] = [1, 2, 3].map(|round| fits[round]);
            assert!(one == two && two == three, "{fits:?}");
            assert!(each < 100, "{each}");
            // Beside the price, a page that is paid takes the operators that call the host.
            let cold = (fits[0] - one) / u64::from(most) - first;
            assert_eq!(fits[0] - one, u64::from(most) * (first + cold));
            let over = rounds(&mut session, most + 1);
            let again = u64::from(most + 1) * (schedule().page_again + cold);
            assert_eq!(over[0], fits[0] + each + first + cold);
            assert_eq!(over[1..], [one + each + again; 3], "{over:?}");
        }
    });
}

/// A contract that reads or writes pages in an order of its own.
fn walking(width: Width, walk: &[(usize, bool)]) -> Vec<u8> {
    let steps: String = walk
        .iter()
        .map(|(page, writes)| {
            let function = if *writes { "$write" } else { "$read" };
            format!("(call {function} (i32.const {page}))")
        })
        .collect();
    let page = "(local $page i32) (local.set $page (local.get 0))";
    module(
        width,
        &format!(
            "(func $read (param i32) {page} (drop (i32.load {ADDRESS})))
             (func $write (param i32) {page} (i32.store {ADDRESS} (i32.const 1)))
             (func (export \"run\") (param i32) (result i32) {steps} (i32.const 0))"
        ),
    )
}

/// What a walk must pay for pages, by a model: first reads, first writes, touches of cold pages.
fn model(walk: &[(usize, bool)], pages_max: usize) -> [u64; 3] {
    let mut warm: VecDeque<usize> = VecDeque::new();
    let (mut read, mut written) = ([false; 16], [false; 16]);
    let mut paid = [0; 3];
    for (page, writes) in walk.iter().copied() {
        let (known, is_warm) = (read[page] || written[page], warm.contains(&page));
        match writes {
            true if !written[page] => paid[1] += 1,
            false if !known => paid[0] += 1,
            _ if !is_warm => paid[2] += 1,
            _ => {}
        }
        read[page] |= !writes;
        written[page] |= writes;
        if !is_warm {
            warm.push_back(page);
            if warm.len() > pages_max {
                warm.pop_front();
            }
        }
    }
    paid
}

fn random_walk(seed: u64) -> Vec<(usize, bool)> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 16
    };
    (0..60)
        .map(|_| ((next() % 8) as usize, next() % 3 == 0))
        .collect()
}

/// Pages get cold in the order in which they got warm, whatever was touched since; what each access pays follows a model.
#[test]
fn the_page_that_got_warm_first_gets_cold() {
    // With three warm pages, the fourth makes the first cold although it was read just before.
    let reads = |pages: &[usize]| -> Vec<(usize, bool)> {
        pages.iter().map(|page| (*page, false)).collect()
    };
    assert_eq!(model(&reads(&[0, 1, 2, 0, 3, 0]), 3), [4, 0, 1]);
    assert_eq!(model(&reads(&[0, 1, 2, 0, 3, 1]), 3), [4, 0, 0]);
    let directed = [
        reads(&[0, 1, 2, 0, 3, 0]),
        reads(&[0, 1, 2, 0, 3, 1]),
        reads(&[0, 1, 2, 3, 0, 1, 2, 3]),
        vec![
            (0, false),
            (1, false),
            (2, false),
            (3, false),
            (0, true),
            (0, false),
            (1, true),
        ],
    ];
    let walks: Vec<_> = directed
        .into_iter()
        .chain((1..6).map(random_walk))
        .collect();
    everywhere(&warm_pages_max(3), |vm, width| {
        let operators = |walk: &[(usize, bool)]| {
            let code = walking(width, walk);
            let mut session = fresh(vm);
            deploy(&mut session, 1, &code);
            let spent = session.call_raw(id(1), "run", [], LIMIT).unwrap().gas_spent;
            let prices = schedule();
            let [reads, writes, again] = model(walk, 3);
            let pages = reads * prices.page_read + writes * prices.page_write;
            spent - start_gas(&code) - pages - again * prices.page_again
        };
        // What is left are the operators of reads, of writes, and of calling the host.
        let [read, write] = [false, true].map(|writes| {
            let page = (0, writes);
            operators(&[page, page]) - operators(&[page])
        });
        let one = operators(&[(0, false)]);
        let host = operators(&[(0, false), (1, false)]) - one - read;
        let frame = one - read - host;
        for walk in &walks {
            let number = |of: bool| walk.iter().filter(|(_, writes)| *writes == of).count() as u64;
            let touches: u64 = model(walk, 3).iter().sum();
            let accesses = number(false) * read + number(true) * write;
            assert_eq!(
                operators(walk),
                frame + accesses + touches * host,
                "{walk:?}"
            );
        }
    });
}

/// Writes a cell, reads `others` pages, calls itself, and writes the cell in there; gives what that write took, and what the
/// cell holds when the inner call has panicked.
fn nested_write(width: Width, others: usize) -> Vec<u8> {
    let reads: String = (1..=others)
        .map(|page| format!("(call $read (i32.const {}))", 131_072 + 4_096 * page))
        .collect();
    module(
        width,
        &format!(
            r#"(data (PTR.const 0) "run")
            (global $took (mut i64) (i64.const 0))
            (func $read (param i32) (drop (i32.load (call $at (local.get 0)))))
            (func $write (param i32) (i32.store (PTR.const 131072) (local.get 0)))
            (func (export "run") (param $inner i32) (result i32) (local $before i64)
              (if (local.get $inner) (then
                {reads}
                (local.set $before (call $spent))
                (call $write (i32.const 9))
                (i64.store (PTR.const 65540) (i64.sub (call $spent) (local.get $before)))
                (i32.store (PTR.const 65536) (i32.const 8))
                (call $panic (i32.const 12))))
              (local.set $before (call $spent))
              (call $write (i32.const 5))
              (i64.store (PTR.const 163840) (i64.sub (call $spent) (local.get $before)))
              (call $self_id)
              (memory.copy (PTR.const 32) (PTR.const 65536) (PTR.const 32))
              (drop (call $c (PTR.const 32) (PTR.const 0) (i32.const 3) (i32.const 1) (i64.const 100000000)))
              (memory.copy (PTR.const 65536) (PTR.const 65544) (PTR.const 8))
              (i64.store (PTR.const 65544) (i64.load (PTR.const 163840)))
              (i32.store (PTR.const 65552) (i32.load (PTR.const 131072)))
              (i32.const 20))"#
        ),
    )
}

/// A page written before the savepoint is copied by the first write in the nested frame, warm or cold: that is what is paid, and
/// the revert brings back what was there.
#[test]
fn a_cold_page_is_copied_for_a_savepoint() {
    everywhere(&warm_pages_max(4), |vm, width| {
        for others in [0, 1, 4, 9] {
            let mut session = fresh(vm);
            deploy(&mut session, 1, &nested_write(width, others));
            let data = session.call_raw(id(1), "run", [], LIMIT).unwrap().data;
            let number = |at: usize| u64::from_le_bytes(data[at..at + 8].try_into().unwrap());
            let (inner, first) = (number(0), number(8));
            let prices = schedule();
            assert_eq!(
                inner + prices.page_write,
                first + prices.page_copy,
                "{others}"
            );
            assert_eq!(data[16..], 5u32.to_le_bytes());
        }
    });
}

/// What actors report, and the root, do not depend on how many pages are warm: cold pages keep their content, their marks
/// and what savepoints need.
#[test]
fn cold_pages_keep_what_they_hold() {
    let steps = |inner: Vec<Step>| -> Vec<Step> {
        vec![
            Write(cell(0), 5),
            Write(cell(2_000), 6),
            TryWith(0, 100_000_000, inner),
            See(cell(0)),
            See(cell(2_000)),
            Call(
                1,
                vec![
                    Write(cell(0), 1),
                    Call(0, vec![Write(cell(0), 8)]),
                    See(cell(0)),
                ],
            ),
            See(cell(0)),
        ]
    };
    let inner = vec![
        Write(cell(0), 7),
        Keep(3),
        Call(1, vec![Write(cell(1_024), 4), Grow(1)]),
        See(cell(0)),
        Write(cell(2_000), 8),
    ];
    let failing: Vec<Step> = inner.iter().cloned().chain([Panic]).collect();
    for width in WIDTHS {
        let seen = |pages: u64, backend| {
            let mut session = fresh(&under(backend, &warm_pages_max(pages)));
            for number in [0, 1] {
                deploy(&mut session, number, &actor(width));
            }
            let scripts = [steps(inner.clone()), steps(failing.clone())];
            scripts.map(|steps| {
                let receipt = session
                    .call_raw(id(0), "run", script(&steps), LIMIT)
                    .unwrap();
                (receipt.events, session.root().unwrap())
            })
        };
        let expected = seen(512, BACKENDS[0]);
        assert_eq!(expected[1].0.len(), 5);
        for backend in BACKENDS {
            for pages in [0, 1, 2, 3, 5, 8] {
                assert_eq!(seen(pages, backend), expected, "{width:?} {pages}");
            }
        }
    }
}

/// Reads a page before and after a call of contract 2, and gives what the second read took.
const AROUND: &str = r#"
  (data (PTR.const 0) "\02") (data (PTR.const 32) "run")
  (func $read (drop (i32.load (PTR.const 131072))))
  (func (export "run") (param i32) (result i32) (local $before i64)
    (drop (i32.load (PTR.const 0)))
    (call $read)
    (if (i32.lt_s (call $c (PTR.const 0) (PTR.const 32) (i32.const 3) (i32.const 0) (i64.const 100000000)) (i32.const 0))
      (then (call $panic (i32.const 0))))
    (local.set $before (call $spent))
    (call $read)
    (i64.store (PTR.const 65536) (i64.sub (call $spent) (local.get $before)))
    (i32.const 8))"#;

/// The warm pages are those of the whole tree: a callee's make its caller's cold, one for one. The next call begins anew.
#[test]
fn callees_make_their_callers_pages_cold() {
    everywhere(&warm_pages_max(8), |vm, width| {
        let took = |pages: usize| {
            let walk: Vec<_> = (0..pages).map(|page| (page, false)).collect();
            let mut session = fresh(vm);
            deploy(&mut session, 1, &module(width, AROUND));
            deploy(&mut session, 2, &walking(width, &walk));
            let took = [(); 2].map(|()| session.call_raw(id(1), "run", [], LIMIT).unwrap().data);
            assert_eq!(took[0], took[1]);
            u64::from_le_bytes(took[0][..].try_into().unwrap())
        };
        let warm = took(0);
        assert_eq!((took(1), took(7)), (warm, warm));
        let cold = took(8) - warm - schedule().page_again;
        assert!(cold < 100, "{cold}");
        assert_eq!(took(12), took(8));
    });
}
