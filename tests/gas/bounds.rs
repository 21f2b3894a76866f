//! Depth, stack and re-entry.

use crostata::{
    Backend, Config, ContractId, Error, Outcome, Protocol, Refusal, Rejected, Session, VM,
};

use crate::fixtures::{
    BACKENDS, LIMIT, WIDTHS, Width, deploy, ephemeral, fresh, id, module, reverted,
};

/// Contracts that call the contract whose id is their argument's first 32 bytes, function `next`, with the rest of the
/// argument, and give the code of a failure, or the callee's result; without an argument, `next` gives nothing.
fn passing(width: Width, policy: Option<u8>) -> Vec<u8> {
    let section = policy.map_or(String::new(), |policy| {
        format!("(@custom \"crostata.reentry\" \"\\{policy:02x}\")")
    });
    let body = format!(
        r#"{section}
        (data (PTR.const 0) "next")
        (func (export "next") (param $len i32) (result i32) (local $code i32)
          (if (i32.eqz (local.get $len)) (then (return (i32.const 0))))
          (memory.copy (PTR.const 32) (PTR.const 65536) (PTR.const 32))
          (memory.copy (PTR.const 65536) (PTR.const 65568) (PTR.const 65504))
          (local.set $code (call $c (PTR.const 32) (PTR.const 0) (i32.const 4)
            (i32.sub (local.get $len) (i32.const 32)) (i64.const 0)))
          (if (i32.ge_s (local.get $code) (i32.const 0)) (then (return (local.get $code))))
          (i32.store (PTR.const 65536) (local.get $code))
          (i32.const 4))"#
    );
    module(width, &body)
}

/// The code at the end of a path of calls, 0 if all succeeded.
fn pass(session: &mut Session, first: u8, path: &[u8]) -> i32 {
    let argument: Vec<u8> = path
        .iter()
        .flat_map(|number| id(*number).to_bytes())
        .collect();
    let receipt = session
        .call_raw(id(first), "next", argument, LIMIT)
        .unwrap();
    receipt.data.try_into().map_or(0, i32::from_le_bytes)
}

/// Re-entry as the policy in the code says: 0 by anybody, 1 by itself, 2 by nobody; without the section, by anybody.
#[test]
fn reentry_policies() {
    let vm = VM::ephemeral().unwrap();
    let refused = i32::MIN;
    for width in WIDTHS {
        for (policy, by_itself, by_others) in [
            (None, 0, 0),
            (Some(0), 0, 0),
            (Some(1), 0, refused),
            (Some(2), refused, refused),
        ] {
            let mut session = fresh(&vm);
            deploy(&mut session, 1, &passing(width, policy));
            deploy(&mut session, 2, &passing(width, None));
            assert_eq!(pass(&mut session, 1, &[1]), by_itself, "{policy:?}");
            assert_eq!(pass(&mut session, 1, &[2, 1]), by_others, "{policy:?}");
            // One after the other is no re-entry, also when the contract was refused before.
            assert_eq!(pass(&mut session, 2, &[1]), 0);
            assert_eq!(pass(&mut session, 1, &[2]), 0);
            assert_eq!(pass(&mut session, 1, &[2, 2]), 0);
            // By itself, inside of what another one let in.
            let inside = if by_others == 0 { by_itself } else { refused };
            assert_eq!(pass(&mut session, 1, &[2, 1, 1]), inside, "{policy:?}");
        }
    }
}

/// Calls itself as often as it can, and gives how often that was.
const DIVING: &str = r#"
  (func $next (export "dive") (param i32) (result i32) (local $code i32)
    (call $self_id)
    (memory.copy (PTR.const 32) (PTR.const 65536) (PTR.const 32))
    (local.set $code (call $c (PTR.const 32) (PTR.const 0) (i32.const 4) (i32.const 0) (i64.const 0)))
    (i32.store (PTR.const 65536)
      (if (result i32) (i32.lt_s (local.get $code) (i32.const 0))
        (then (i32.const 1))
        (else (i32.add (i32.load (PTR.const 65536)) (i32.const 1)))))
    (i32.const 4))
  (data (PTR.const 0) "dive")"#;

fn dive(session: &mut Session, contract: ContractId) -> u32 {
    let receipt = session.call_raw(contract, "dive", [], LIMIT).unwrap();
    u32::from_le_bytes(receipt.data.try_into().unwrap())
}

/// The call stack holds as many frames as the protocol says, the first included; the call after the last fails for its
/// caller, who goes on.
#[test]
fn call_depth() {
    for backend in BACKENDS {
        for depth in [1, 2, 64] {
            let mut protocol = Protocol::default();
            assert_eq!(protocol.limits.call_depth_max, 64);
            protocol.limits.call_depth_max = depth;
            let config = Config {
                backend,
                protocols: vec![protocol],
                ..Config::default()
            };
            let vm = VM::ephemeral_with_config(config).unwrap();
            for width in WIDTHS {
                let mut session = fresh(&vm);
                let contract = deploy(&mut session, 1, &module(width, DIVING));
                assert_eq!(u64::from(dive(&mut session, contract)), depth);
            }
        }
    }
}

/// Different contracts in one tree are bounded too, and a refusal for that reason leaves the ones there are usable.
#[test]
fn instances_in_a_tree() {
    let mut protocol = Protocol::default();
    protocol.limits.instances_max = 3;
    let config = Config {
        protocols: vec![protocol],
        ..Config::default()
    };
    let vm = VM::ephemeral_with_config(config).unwrap();
    let mut session = fresh(&vm);
    for number in 1..=4 {
        deploy(&mut session, number, &passing(Width::Narrow, None));
    }
    assert_eq!(pass(&mut session, 1, &[2, 3, 1, 2]), 0);
    assert_eq!(pass(&mut session, 1, &[2, 3, 4]), i32::MIN);
    assert_eq!(pass(&mut session, 4, &[2, 3]), 0);
}

/// `deep` recurses through frames with many live values until the stack is exhausted; `both` recurses `levels` (the
/// argument) deep and then calls itself, as deep as calls go, so that each frame of the call stack is full; where no further
/// call is possible, it exhausts what is left of the stack.
const DEEP: &str = r#"
  (data (PTR.const 0) "both")
  (func $deep (param i64 i64 i64 i64 i64 i64 i64 i64) (result i64)
    (i64.add (i64.mul (local.get 0) (local.get 1)) (i64.add (i64.xor (local.get 2) (local.get 3))
      (i64.add (i64.mul (local.get 4) (local.get 5)) (i64.add (i64.xor (local.get 6) (local.get 7))
      (call $deep (local.get 1) (local.get 2) (local.get 3) (local.get 4)
                  (local.get 5) (local.get 6) (local.get 7) (i64.add (local.get 0) (i64.const 1))))))))
  (func (export "deep") (param i32) (result i32)
    (i32.wrap_i64 (call $deep (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4)
                              (i64.const 5) (i64.const 6) (i64.const 7) (i64.const 8))))
  (func $call (param $levels i32) (result i32)
    (call $self_id)
    (memory.copy (PTR.const 32) (PTR.const 65536) (PTR.const 32))
    (i32.store (PTR.const 65536) (local.get $levels))
    (call $c (PTR.const 32) (PTR.const 0) (i32.const 4) (i32.const 4) (i64.const 0)))
  (func $exhaust
    (drop (call $deep (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4)
                      (i64.const 5) (i64.const 6) (i64.const 7) (i64.const 8))))
  (func $down (param $left i32) (param $levels i32) (param i64 i64 i64 i64 i64 i64) (result i64)
    (if (i32.eqz (local.get $left)) (then
      (if (i32.lt_s (call $call (local.get $levels)) (i32.const 0)) (then (call $exhaust)))
      (return (local.get 2))))
    (i64.add (i64.mul (local.get 2) (local.get 3)) (i64.add (i64.xor (local.get 4) (local.get 5))
      (i64.add (i64.mul (local.get 6) (local.get 7))
      (call $down (i32.sub (local.get $left) (i32.const 1)) (local.get $levels)
        (local.get 3) (local.get 4) (local.get 5) (local.get 6) (local.get 7)
        (i64.add (local.get 2) (i64.const 1)))))))
  (func (export "both") (param i32) (result i32)
    (i32.wrap_i64 (i64.and (i64.const 1) (call $down (i32.load (PTR.const 65536)) (i32.load (PTR.const 65536))
      (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6)))))"#;

/// A session with a deep contract.
fn deep(backend: Backend, width: Width) -> Session {
    let mut session = fresh(&ephemeral(backend));
    deploy(&mut session, 1, &module(width, DEEP));
    session
}

/// Endless recursion is a failure with its own code, not the end of the process, and the contract works afterwards.
#[test]
fn endless_recursion() {
    for backend in BACKENDS {
        for width in WIDTHS {
            let mut session = deep(backend, width);
            for _ in 0..3 {
                let failed = reverted(session.call_raw(id(1), "deep", [], LIMIT));
                assert_eq!(failed.failure.code, Outcome::StackExhausted);
            }
        }
    }
}

/// The deepest recursion in each frame of the deepest call stack: no depth of recursion takes the process down, and
/// backends agree on gas and on how many calls there were.
#[test]
fn deep_recursion_in_each_frame_of_a_deep_call_stack() {
    for width in WIDTHS {
        let mut sessions = BACKENDS.map(|backend| deep(backend, width));
        for levels in [0u32, 1, 5, 8, 10, 14, 20, 100, 1_000, 2_000, 3_000] {
            let seen = sessions.each_mut().map(|session| {
                let limit = 1 << 40;
                let called = session.call_raw(id(1), "both", levels.to_le_bytes(), limit);
                match called {
                    Ok(receipt) => (Outcome::Success, receipt.gas_spent, receipt.call_tree.len()),
                    Err(error) => {
                        let failed = reverted::<()>(Err(error));
                        let (spent, calls) =
                            (failed.receipt.gas_spent, failed.receipt.call_tree.len());
                        (failed.failure.code, spent, calls)
                    }
                }
            });
            assert_eq!(seen[0], seen[1], "{width:?} {levels}");
            assert!(levels > 5 || seen[0].2 == 64, "{levels}: {:?}", seen[0]);
            assert_ne!(seen[0].0, Outcome::Success);
        }
    }
}

/// The same on threads with small stacks of their own.
#[test]
fn deep_calls_on_a_small_thread() {
    for backend in BACKENDS {
        let thread = std::thread::Builder::new().stack_size(256 << 10);
        let running = thread.spawn(move || {
            let mut session = deep(backend, Width::Narrow);
            reverted(session.call_raw(id(1), "both", 10u32.to_le_bytes(), 1 << 40));
            reverted(session.call_raw(id(1), "deep", [], LIMIT))
                .failure
                .code
        });
        assert_eq!(running.unwrap().join().unwrap(), Outcome::StackExhausted);
    }
}

/// What the host may not call is rejected before anything runs, and says why.
#[test]
fn refusals_of_the_hosts_calls() {
    let vm = VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    let init = "(func (export \"init\") (param i32) (result i32) (i32.const 0))";
    let contract = deploy(&mut session, 1, &module(Width::Narrow, init));
    let before = session.root().unwrap();
    let mut refusal = |contract, function: &str, argument: &[u8]| match session
        .call_raw(contract, function, argument, LIMIT)
    {
        Err(Error::Rejected(Rejected::Call(refusal))) => refusal,
        other => panic!("{other:?}"),
    };
    let none = refusal(id(9), "run", &[]);
    assert_eq!(none, Refusal::NoContract { contract: id(9) });
    assert!(matches!(
        refusal(contract, "run", &[]),
        Refusal::NoFunction { .. }
    ));
    assert!(matches!(
        refusal(contract, "memory", &[]),
        Refusal::NoFunction { .. }
    ));
    assert_eq!(refusal(contract, "init", &[]), Refusal::Init { contract });
    let long = refusal(contract, "init", &[0; 65_537]);
    assert_eq!(long, Refusal::ArgumentTooLong { len_bytes: 65_537 });
    assert_eq!(session.root().unwrap(), before);
}
