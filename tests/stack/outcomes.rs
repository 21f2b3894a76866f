//! What comes of the deepest recursions.

use crostata::{Backend, Config, Error, Outcome, Protocol, Session, SessionData, VM};

use super::measured::{COUNTER_BYTES, Depths, NATIVE_BYTES, QUARTER_BYTES};
use super::shapes::{Shape, shapes};
use crate::fixtures::{BACKENDS, Narrow, Wide, Width, deploy, ephemeral, fresh, id, reverted};

/// More gas than any of these calls can use.
const UNBOUNDED: u64 = 1 << 50;

/// Contracts of a call stack as deep as it may be.
const CONTRACTS: u8 = 64;

/// A call that must run out of stack: gas, frames started, debug messages, bytes of the host's stack.
fn exhausted(
    session: &mut Session,
    depths: &Depths,
    function: &str,
    argument: &[u8],
) -> (u64, usize, usize, usize) {
    depths.restart();
    let called = session.call_raw(id(0), function, argument, UNBOUNDED);
    if let Err(Error::Fatal(fatal)) = &called {
        panic!("{fatal}, {} bytes deep", depths.bytes());
    }
    let failed = reverted(called);
    assert_eq!(failed.failure.code, Outcome::StackExhausted);
    let receipt = failed.receipt;
    (
        receipt.gas_spent,
        receipt.call_tree.len(),
        depths.seen(),
        depths.bytes(),
    )
}

/// The shape's recursion inside one contract, and over a call stack of contracts as deep as it may be with one, few and many levels
/// in each: what was seen of gas and frames, and the most that the host's stack held of each kind.
fn run(backend: Backend, width: Width, shape: &Shape) -> (Vec<(u64, usize, usize)>, usize, usize) {
    println!("{backend:?} {width:?} {}", shape.name);
    run_in(fresh(&ephemeral(backend)), width, shape)
}

fn run_in(
    mut session: Session,
    width: Width,
    shape: &Shape,
) -> (Vec<(u64, usize, usize)>, usize, usize) {
    let code = shape.code(width);
    for number in 0..CONTRACTS {
        deploy(&mut session, number, &code);
    }
    let depths = Depths::of(&mut session);
    let (gas, frames, levels, inside) = exhausted(&mut session, &depths, "deep", &[]);
    let mut seen = vec![(gas, frames, levels)];
    let mut across = 0;
    // With the second every contract of a full call stack uses its share of the counter.
    for each in [0, levels * 5 / 8 / usize::from(CONTRACTS), levels / 6] {
        let argument = (each as u32).to_le_bytes();
        let (gas, frames, levels, bytes) = exhausted(&mut session, &depths, "both", &argument);
        seen.push((gas, frames, levels));
        across = across.max(bytes);
    }
    (seen, inside, across)
}

/// P8: recursions end at the same depth with the same gas in profiled sessions, where functions hold more across calls.
#[test]
fn profiled_recursions_end_alike() {
    let (backend, width) = (BACKENDS[0], Narrow);
    for shape in shapes() {
        let (seen, ..) = run(backend, width, &shape);
        let data = SessionData::builder().profiled();
        let session = ephemeral(backend).session(data).unwrap();
        let (profiled, inside, across) = run_in(session, width, &shape);
        println!("{} profiled: {inside} bytes, across {across}", shape.name);
        assert_eq!(profiled, seen, "{}", shape.name);
        assert!(inside < NATIVE_BYTES / 2, "{}: {inside}", shape.name);
    }
}

/// Every shape on both backends: the same gas and frames, and the counter stands for no more than a quarter of the native
/// stack. (The portable backend keeps the contracts' frames on a stack of its own, as large, that nobody can look at;
/// `room_for_three_counters` holds it to its end.)
fn hold(width: Width) {
    let (mut worst_inside, mut worst_across, mut fullest) = (0, 0, 0);
    for shape in shapes() {
        let (seen, inside, across) = run(BACKENDS[0], width, &shape);
        let (other, ..) = run(BACKENDS[1], width, &shape);
        assert_eq!(seen, other, "{} {width:?}", shape.name);
        println!(
            "{:>29} {width:?}: {} levels, {:.2} bytes per byte of the counter; across {} contracts {across} bytes",
            shape.name,
            seen[0].2,
            inside as f64 / COUNTER_BYTES as f64,
            seen[2].1,
        );
        assert!(inside < QUARTER_BYTES, "{} {width:?}: {inside}", shape.name);
        worst_inside = worst_inside.max(inside);
        worst_across = worst_across.max(across);
        fullest = fullest.max(seen[2].1);
    }
    println!(
        "{width:?}: worst {:.2} per byte of the counter, a quarter is {:.2}; across contracts {worst_across} bytes of {NATIVE_BYTES}",
        worst_inside as f64 / COUNTER_BYTES as f64,
        QUARTER_BYTES as f64 / COUNTER_BYTES as f64,
    );
    assert!(worst_across < NATIVE_BYTES * 3 / 4, "{worst_across}");
    assert_eq!(fullest, usize::from(CONTRACTS), "no call stack was full");
    let is_native = BACKENDS[0] == Backend::Native;
    assert!(
        !is_native || worst_inside > COUNTER_BYTES / 2,
        "nothing was measured"
    );
}

#[test]
fn narrow_contracts_never_reach_the_end_of_the_native_stack() {
    hold(Narrow);
}

#[test]
fn wide_contracts_never_reach_the_end_of_the_native_stack() {
    hold(Wide);
}

/// The same calls from a thread with next to no stack, and from one with plenty.
#[test]
fn the_thread_does_not_matter() {
    let run_on = |stack_bytes: usize, backend| {
        let thread = std::thread::Builder::new().stack_size(stack_bytes);
        let running = thread.spawn(move || {
            let all = shapes();
            let chosen = all.iter().filter(|shape| shape.name.contains("parameters"));
            chosen
                .map(|shape| run(backend, Narrow, shape).0)
                .collect::<Vec<_>>()
        });
        running.unwrap().join().unwrap()
    };
    for backend in BACKENDS {
        assert_eq!(
            run_on(128 << 10, backend),
            run_on(64 << 20, backend),
            "{backend:?}"
        );
    }
}

/// With the highest counter that an engine accepts, almost three times that of the protocol, the counter still ends every recursion.
#[test]
fn room_for_three_counters() {
    let mut protocol = Protocol::default();
    protocol.limits.call_depth_max = 1;
    let mut accepted = |height: u32| {
        protocol.code.stack_height_limit = height;
        let config = |backend| Config {
            backend,
            protocols: vec![protocol.clone()],
            ..Config::default()
        };
        let opened = Backend::BUILT
            .iter()
            .map(|backend| VM::ephemeral_with_config(config(*backend)));
        opened.collect::<Result<Vec<_>, _>>()
    };
    let highest = (NATIVE_BYTES - (64 << 10)) / 4;
    assert!(accepted(highest as u32 + 1).is_err());
    for vm in accepted(highest as u32).unwrap() {
        for width in [Narrow, Wide] {
            for shape in shapes() {
                println!("{width:?} {}", shape.name);
                let data = SessionData::builder();
                // Code of queries, which looks at the clock.
                let query = data.clone().interrupted_after(1);
                let is_chosen =
                    ["bare", "stores in a loop", "f64 parameters"].contains(&shape.name);
                for data in [Some(data), is_chosen.then_some(query)]
                    .into_iter()
                    .flatten()
                {
                    let mut session = vm.session(data).unwrap();
                    deploy(&mut session, 0, &shape.code(width));
                    let depths = Depths::of(&mut session);
                    exhausted(&mut session, &depths, "deep", &[]);
                }
            }
        }
    }
}
