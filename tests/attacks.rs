//! P1, P6, P7: every attack of `benches/hostile`, with little gas: no call is fatal or spends more than its limit, both
//! backends agree on gas, outcomes and root, and the session goes on.

#[path = "../benches/hostile/attacks/mod.rs"]
mod attacks;
mod common;

use attacks::run::{prepare, steps};
use attacks::{Listed, World, arithmetic, calls, deployments, host, memory};
use common::{CELLS, code, load, reverted, store, with_id};
use crostata::{Backend, Config, Outcome, Root, Session, SessionData, VM};

/// Gas for each attack.
const BUDGET_GAS: u64 = 3_000_000;

/// Gas of an innocent call, and of deploying what it calls.
const LIMIT: u64 = 10_000_000;

/// What must be the same on both backends.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    gas: u64,
    steps: u64,
    succeeded: u64,
    rejected: u64,
    root: Root,
}

fn backends() -> [VM; 2] {
    [Backend::BUILT[0], Backend::BUILT[Backend::BUILT.len() - 1]].map(|backend| {
        let config = Config {
            backend,
            ..Config::default()
        };
        VM::ephemeral_with_config(config).unwrap()
    })
}

fn attack(name: &str, vm: &VM, world: &World) -> Seen {
    let base = prepare(vm, world);
    let mut session = vm.session(SessionData::builder().base(base)).unwrap();
    let outcome = steps(&mut session, world, BUDGET_GAS, || false);
    let outcome = outcome.unwrap_or_else(|error| panic!("{name} stops the node: {error}"));
    assert_eq!(outcome.overspent, 0, "{name}");
    assert!(
        outcome.gas >= BUDGET_GAS || outcome.steps == world.steps_max,
        "{name}"
    );
    goes_on(&mut session);
    Seen {
        gas: outcome.gas,
        steps: outcome.steps,
        succeeded: outcome.succeeded,
        rejected: outcome.rejected,
        root: session.root().unwrap(),
    }
}

/// Somebody else's contract does what it did.
fn goes_on(session: &mut Session) {
    let data = with_id(u64::MAX);
    let cells = session.deploy(code(CELLS), data, LIMIT).unwrap();
    store(session, cells, 8, 7);
    assert_eq!(load(session, cells, 8), 7);
    session.savepoint().unwrap();
}

fn all_of(attacks: &[Listed]) {
    for (name, world) in attacks {
        let world = world();
        let [native, portable] = backends().map(|vm| attack(name, &vm, &world));
        assert_eq!(native, portable, "{name}");
    }
}

#[test]
fn attacks_on_memory() {
    all_of(memory::ATTACKS);
}

#[test]
fn attacks_by_calls() {
    all_of(calls::ATTACKS);
}

#[test]
fn attacks_by_imports() {
    all_of(host::ATTACKS);
}

#[test]
fn attacks_by_computing() {
    all_of(arithmetic::ATTACKS);
}

#[test]
fn attacks_by_deploying() {
    all_of(deployments::ATTACKS);
}

/// P6: a body of the greatest length does not run to its end on gas for a few operators.
#[test]
fn straight_code_does_not_overrun_its_gas() {
    let line = "(local.set 0 (i32.mul (local.get 0) (i32.const 5)))".repeat(8_000);
    let text = format!(
        r#"(module (memory (export "memory") 2) (global (export "A") i32 (i32.const 65536))
          (func (export "go") (param i32) (result i32) {line} (unreachable)))"#
    );
    for vm in backends() {
        let mut session = vm.session(SessionData::builder()).unwrap();
        let contract = session.deploy(code(&text), with_id(1), LIMIT).unwrap();
        let failure = reverted(session.call_raw(contract, "go", [], 20_300)).failure;
        assert_eq!(failure.code, Outcome::OutOfGas);
        let failure = reverted(session.call_raw(contract, "go", [], LIMIT)).failure;
        assert_eq!(failure.code, Outcome::Unreachable);
    }
}
