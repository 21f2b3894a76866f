//! What an operator relies on: after warming up, the first call loads, reads and compiles nothing; what was not made ready is said; and nothing of it
//! changes a result (P1).

use std::ops::ControlFlow;
use std::path::Path;

use crostata::{
    Commit, Config, ContractData, ContractId, LookupError, ProofError, SessionData, VM, WarmUp,
    WarmUpError, WarmUpReport, Warmed, code_hash, contract_bytecode,
};

const LIMIT: u64 = 100_000_000;
const COUNTER: ContractId = ContractId::from_bytes([1; 32]);
const ACCOUNTS: ContractId = ContractId::from_bytes([2; 32]);
const NOBODY: ContractId = ContractId::from_bytes([3; 32]);

/// A store with two contracts, one of which has many pages.
fn store(directory: &Path) -> Commit {
    let vm = VM::new(directory).unwrap();
    let mut session = vm.session(SessionData::default()).unwrap();
    let codes: [(ContractId, &[u8]); 2] = [
        (COUNTER, contract_bytecode!("counter")),
        (ACCOUNTS, contract_bytecode!("accounts")),
    ];
    for (id, code) in codes {
        let data = ContractData::builder().contract_id(id);
        session.deploy(code, data, LIMIT).unwrap();
    }
    for account in 0..2_000u32 {
        let mut name = [0; 32];
        name[..4].copy_from_slice(&account.to_le_bytes());
        session
            .call::<_, ()>(ACCOUNTS, "mint", &(name, 1u64), LIMIT)
            .unwrap();
    }
    session.commit().unwrap()
}

fn warm(vm: &VM, commit: Commit, wanted: &WarmUp) -> WarmUpReport {
    vm.warm_up(commit, wanted, |_| ControlFlow::Continue(()))
        .unwrap()
}

fn pages_of(vm: &VM, commit: Commit, contract: ContractId) -> u64 {
    vm.contract_pages(commit, contract).unwrap().len() as u64
}

/// A call to each contract; gas, to compare.
fn calls(vm: &VM, commit: Commit, query: bool) -> u64 {
    let data = SessionData::builder().base(commit);
    let data = if query {
        data.interrupted_after(1_000_000)
    } else {
        data
    };
    let mut session = vm.session(data).unwrap();
    let read = session
        .call::<_, i64>(COUNTER, "read_value", &(), LIMIT)
        .unwrap();
    let mint = session
        .call::<_, ()>(ACCOUNTS, "mint", &([9u8; 32], 1u64), LIMIT)
        .unwrap();
    read.gas_spent + mint.gas_spent
}

/// What the next calls have to fetch: pages, and code from the disk or the compiler.
fn fetched(vm: &VM, run: impl FnOnce()) -> (u64, u64) {
    let count = || {
        let counters = vm.counters();
        let code = counters.artifacts.compiled + counters.artifacts.disk_hits;
        (counters.images.pages_loaded, code)
    };
    let before = count();
    run();
    let after = count();
    (after.0 - before.0, after.1 - before.1)
}

/// P1: cold or warm, calls come to the same; warm, they fetch nothing, queries included if they were asked for.
#[test]
fn warm_calls_fetch_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let commit = store(directory.path());
    let mut gas = Vec::new();
    let vm = VM::new(directory.path()).unwrap();
    let (pages, code) = fetched(&vm, || gas.push(calls(&vm, commit, false)));
    assert!(pages > 0 && code > 0, "cold: {pages} pages, {code} codes");
    drop(vm);

    let vm = VM::new(directory.path()).unwrap();
    let report = warm(&vm, commit, &WarmUp::contracts([COUNTER, ACCOUNTS]));
    assert!(report.is_complete(), "{report:?}");
    let all = pages_of(&vm, commit, COUNTER) + pages_of(&vm, commit, ACCOUNTS);
    assert_eq!(
        report
            .warmed
            .iter()
            .map(|one| one.pages_loaded)
            .sum::<u64>(),
        all
    );
    assert_eq!(report.loaded_bytes, vm.counters().images.loaded_bytes);
    assert!(
        !vm.pin(code_hash(contract_bytecode!("counter"))),
        "pinned by warming up"
    );
    assert_eq!(
        fetched(&vm, || {
            warm(&vm, commit, &WarmUp::pinned());
        }),
        (0, 0)
    );
    let (pages, code) = fetched(&vm, || gas.push(calls(&vm, commit, false)));
    // Pages of zeros are in no tree: they cost no reading, and count as loaded when they are first mapped.
    assert_eq!(code, 0);
    assert!(pages < 64, "{pages}");
    let (_, code) = fetched(&vm, || gas.push(calls(&vm, commit, true)));
    assert!(code > 0, "queries run code of their own");
    drop(vm);

    let vm = VM::new(directory.path()).unwrap();
    warm(
        &vm,
        commit,
        &WarmUp::contracts([COUNTER, ACCOUNTS]).for_queries(),
    );
    let (_, code) = fetched(&vm, || gas.push(calls(&vm, commit, true)));
    assert_eq!(code, 0);
    gas.dedup();
    assert_eq!(gas.len(), 1, "{gas:?}");
}

/// P6: the budget holds, and so does the cache's; what is left is said.
#[test]
fn budgets_hold() {
    let directory = tempfile::tempdir().unwrap();
    let commit = store(directory.path());
    let open = |image_cache_bytes| {
        let config = Config {
            image_cache_bytes,
            ..Config::default()
        };
        VM::with_config(directory.path(), config).unwrap()
    };
    let vm = open(1 << 30);
    let all = pages_of(&vm, commit, ACCOUNTS);
    assert!(all > 10, "{all}");
    let some = WarmUp::contracts([ACCOUNTS]).budget_bytes(3 * 4096 + 4095);
    let report = warm(&vm, commit, &some);
    assert_eq!(report.loaded_bytes, 3 * 4096);
    assert_eq!(
        (report.warmed[0].pages_loaded, report.warmed[0].pages_left),
        (3, all - 3)
    );
    assert!(!report.is_complete());
    // What is loaded already takes nothing of the budget.
    let report = warm(&vm, commit, &some);
    assert_eq!(
        (report.warmed[0].pages_loaded, report.loaded_bytes),
        (6, 3 * 4096)
    );
    drop(vm);

    // A memory counts for a page beside those that are loaded.
    let vm = open(6 * 4096);
    let report = warm(&vm, commit, &WarmUp::contracts([ACCOUNTS, COUNTER]));
    assert_eq!(report.warmed.len(), 2, "the code of both is ready");
    assert_eq!(
        (report.warmed[0].pages_loaded, report.warmed[1].pages_loaded),
        (5, 0)
    );
    let images = vm.counters().images;
    assert_eq!((images.loaded_bytes, images.evicted), (5 * 4096, 0));
}

/// What is not there is said, who listens may stop it, and a commit that is not retained is an error.
#[test]
fn what_was_not_done_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let commit = store(directory.path());
    let vm = VM::new(directory.path()).unwrap();
    let wanted = WarmUp::contracts([NOBODY, COUNTER, ACCOUNTS]);
    let report = warm(&vm, commit, &wanted);
    assert_eq!(report.missing, [NOBODY]);
    assert_eq!(report.warmed.len(), 2);
    assert!(!report.is_complete() && !report.stopped);

    let mut heard: Vec<Warmed> = Vec::new();
    let stop = |one: &Warmed| {
        heard.push(*one);
        ControlFlow::Break(())
    };
    let report = vm.warm_up(commit, &wanted, stop).unwrap();
    assert!(report.stopped);
    assert_eq!(report.warmed, heard);
    assert_eq!(
        (heard[0].contract, heard[0].number, heard[0].total),
        (COUNTER, 2, 3)
    );

    let gone = vm.warm_up([9; 32], &wanted, |_| ControlFlow::Continue(()));
    let gone = gone.unwrap_err();
    assert!(
        matches!(
            gone,
            WarmUpError::Commit(ProofError::Commit(LookupError::Unknown(_)))
        ),
        "{gone:?}"
    );
    assert!(
        warm(&vm, commit, &WarmUp::pinned().budget_bytes(0))
            .warmed
            .len()
            == 2
    );
}
