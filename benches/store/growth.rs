//! What must not grow with the state: root and commit with the contracts, a first call with uncommitted-to-base pages.

use std::time::Duration;

use crostata::{Config, ContractId, Protocol, SessionData, VM, contract_bytecode};

use crate::common::{COUNTER, DRIVER, TARGET, World, call, deploy, numbers};
use crate::report::{Report, alternate, timed};

const MANY: u32 = 10_000;
const FEW: u32 = 10;
const OVERLAY_PAGES: u32 = 100_000;

pub fn root(report: &Report) {
    let time = |world: &World| {
        let mut session = world.session();
        call(&mut session, COUNTER, "increment", &[]);
        timed(|| session.root().unwrap()).0
    };
    compare(report, "root_10000_contracts", time);
}

pub fn commit(report: &Report) {
    let time = |world: &World| {
        let mut session = world.session();
        call(&mut session, COUNTER, "increment", &[]);
        let (elapsed, commit) = timed(|| session.commit().unwrap());
        drop(session);
        world.vm.delete_commit(commit).unwrap();
        elapsed
    };
    compare(report, "commit_10000_contracts", time);
}

/// One page changed, among many contracts and among few.
fn compare(report: &Report, name: &str, time: impl Fn(&World) -> Duration) {
    let (many, few) = (World::counters(MANY), World::counters(FEW));
    let (ours, limit) = alternate(301, || time(&many), || time(&few));
    report.ratio(name, "us", ours, limit, 1.5);
}

/// Session and first call, over a commit that is not final: of the contract whose pages it all brought, and of
/// another.
pub fn overlay(report: &Report) {
    let mut protocol = Protocol::default();
    protocol.limits.memory_wasm_pages_max = 16_384;
    let config = Config {
        protocols: vec![protocol],
        ..Config::default()
    };
    let vm = VM::ephemeral_with_config(config).unwrap();
    let mut session = vm.session(SessionData::builder()).unwrap();
    deploy(&mut session, contract_bytecode!("bench"), DRIVER);
    deploy(&mut session, contract_bytecode!("bench"), TARGET);
    let base = session.commit().unwrap();
    vm.finalize_commit(base).unwrap();
    call(
        &mut session,
        TARGET,
        "fill",
        &numbers(&[OVERLAY_PAGES * 4096, 1]),
    );
    let over = session.commit().unwrap();
    drop(session);
    let time = |contract: ContractId| {
        let begin = || {
            let mut session = vm.session(SessionData::builder().base(over)).unwrap();
            call(&mut session, contract, "increment", &[]);
            session
        };
        timed(begin).0
    };
    let (ours, limit) = alternate(301, || time(TARGET), || time(DRIVER));
    report.ratio("overlay_100000_pages", "us", ours, limit, 2.0);
}
