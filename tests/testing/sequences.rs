//! Campaigns: a property that does not hold is broken by the shortest sequence that breaks it, the same for the same seed, kept, and told
//! as a test that compiles.

use std::path::Path;

use crostata::contract_bytecode;
use crostata::testing::properties::{Campaign, Found};
use crostata::testing::{Chain, ContractId, InProcess, accounts, amounts, nothing, properties};

use super::lock::{never_taken, set_up_a_lock};

const LEDGER: &[u8] = contract_bytecode!("ledger");

fn lock_campaign() -> Campaign<InProcess, ContractId> {
    properties("nothing is ever taken", set_up_a_lock)
        .callers(["alice", "bob"])
        .call("lock", "open", nothing())
        .call("lock", "put", amounts())
        .call("lock", "take", nothing())
        .call("lock", "close", nothing())
        .advance(1..100)
        .invariant("never taken", never_taken)
        .cases(200)
        .unsaved()
}

fn functions(found: &Found) -> Vec<String> {
    found.steps.iter().map(|step| step.line()).collect()
}

/// The shortest sequence is found, with the smallest amount, and told with its seed and trace.
#[test]
fn a_broken_invariant_is_told_by_the_shortest_sequence() {
    let found = lock_campaign().try_run().unwrap_err();
    assert_eq!(
        functions(&found),
        [
            "alice: lock.open()",
            "alice: lock.put(1000_u64)",
            "alice: lock.take()"
        ]
    );
    assert!(found.steps_before > 3, "{}", found.steps_before);
    for part in [
        "`nothing is ever taken` does not hold: invariant `never taken`",
        "somebody took",
        "tests/testing/lock.rs",
        "CROSTATA_TEST_SEED=0x",
        "lock::take",
    ] {
        assert!(found.text.contains(part), "{part} in {}", found.text);
    }
    let again = lock_campaign().try_run().unwrap_err();
    assert_eq!(found, again, "the same seed finds the same");
}

/// The test that is printed is Rust: it is compiled here, and fails as the sequence does.
#[test]
fn the_reproduction_is_the_file_that_is_compiled() {
    let found = lock_campaign().try_run().unwrap_err();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testing/reproduced.rs");
    let head = "// Written by `the_reproduction_is_the_file_that_is_compiled` under CROSTATA_WRITE_VECTORS=1.\n";
    let text = found.reproduction.replace(
        "#[test]\n",
        "#[test]\n#[should_panic(expected = \"somebody took\")]\n",
    );
    let text = format!("{head}{text}\n");
    if std::env::var_os("CROSTATA_WRITE_VECTORS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

mod reproduced {
    use crostata::testing::Chain;
    include!("reproduced.rs");
}

/// What was found once is tried first, also when the seed would not find it again; a damaged file is told.
#[test]
fn failing_sequences_are_kept_and_tried_first() {
    let folder = tempfile::tempdir().unwrap();
    let campaign = || lock_campaign().saved_in(folder.path());
    let found = campaign().try_run().unwrap_err();
    let file = folder.path().join("nothing_is_ever_taken.json");
    assert!(found.text.contains(&format!("saved in {}", file.display())));
    // One sequence of one step finds nothing by itself.
    let again = campaign().cases(1).steps(1).try_run().unwrap_err();
    assert_eq!((again.steps_before, &again.steps), (0, &found.steps));
    std::fs::write(&file, "[[{\"Call\": 3}]]").unwrap();
    let text = std::panic::catch_unwind(|| campaign().try_run()).unwrap_err();
    let text = text.downcast::<String>().unwrap();
    assert!(
        text.contains("has no saved sequences") && text.contains("remove it"),
        "{text}"
    );
}

/// A property that holds: every sequence is tried, from the same state, and what invariants do to the chain does not stay.
#[test]
fn what_holds_is_tried_and_counted() {
    let set_up = |chain: &mut Chain| {
        let (alice, bob) = (chain.account("alice"), chain.account("bob"));
        let ledger = chain
            .deploy(LEDGER)
            .label("ledger")
            .init(&(alice.id(), 1_000u64))
            .send();
        (ledger, [alice.id(), bob.id()])
    };
    let names = ["alice", "bob"];
    let report = properties("tokens are neither made nor lost", set_up)
        .callers(names)
        .call_weighted(
            3,
            "ledger",
            "transfer",
            (accounts(names), accounts(names), amounts()),
        )
        .invariant(
            "supply",
            |chain: &mut Chain, (ledger, all): &(ContractId, [ContractId; 2])| {
                let held = all.map(|account| {
                    chain
                        .call::<_, u64>(*ledger, "balance_of", &account)
                        .value()
                });
                // Undone, or the supply would grow.
                chain
                    .call::<_, ()>(*ledger, "mint", &(all[0], 5u64))
                    .expect_success();
                match held.iter().sum::<u64>() {
                    1_000 => Ok(()),
                    sum => Err(format!("accounts hold {sum}")),
                }
            },
        )
        .cases(20)
        .unsaved()
        .run();
    assert_eq!(report.sequences, 20);
    assert!(report.calls > 100, "{report}");
    assert!(
        report.reverted > 0 && report.reverted < report.calls,
        "some transfers succeed, some do not: {report}"
    );
}

/// Reverts are failures for who says so, and what can not start always is: a campaign that calls nothing real finds nothing.
#[test]
fn calls_that_fail_are_failures_where_they_should_be() {
    let failing = || {
        properties("calls succeed", set_up_a_lock)
            .call_weighted(9, "lock", "open", nothing())
            .call("lock", "fail", nothing())
            .unsaved()
    };
    assert!(failing().run().reverted > 0);
    let found = failing().reverts_are_failures().try_run().unwrap_err();
    assert_eq!(functions(&found), ["nobody: lock.fail()"]);
    assert!(found.reason.contains("in lock::fail"), "{}", found.reason);
    let wrong = properties("a wrong name", set_up_a_lock)
        .call("lock", "opne", nothing())
        .unsaved();
    let wrong = wrong.try_run().unwrap_err();
    assert!(
        wrong.reason.contains("exports no function `opne`"),
        "{}",
        wrong.reason
    );
}

/// Every method that a contract's schema names is called, with arguments that it can read: none of the calls fails for want of an argument.
#[test]
fn a_schema_says_what_can_be_called() {
    let token = contract_bytecode!("token");
    let set_up = move |chain: &mut Chain| {
        let alice = chain.account("alice");
        chain.account("bob");
        let deploy = chain.deploy(token).label("token");
        deploy.init(&(alice.id(), 1_000u64)).send()
    };
    let report = properties("the owner stays", set_up)
        .callers(["alice", "bob"])
        .every_method("token", token)
        .invariant("owner", |chain: &mut Chain, token: &ContractId| {
            let owner: ContractId = chain.call(*token, "owner", &()).value();
            assert_eq!(owner, chain.labelled("alice"));
        })
        .cases(10)
        .unsaved()
        .run();
    assert!(
        report.reverted > 0 && report.reverted < report.calls,
        "{report}"
    );
    let found = properties("nobody mints", set_up)
        .callers(["alice", "bob"])
        .every_method("token", token)
        .invariant("supply", |chain: &mut Chain, token: &ContractId| {
            let supply: u64 = chain.call(*token, "supply", &()).value();
            assert!(supply <= 1_000, "there are {supply}");
        })
        .unsaved();
    let found = found.try_run().unwrap_err();
    assert_eq!(found.steps.len(), 1, "{found}");
    assert!(
        found.steps[0]
            .line()
            .starts_with("alice: token.mint(to: 0x"),
        "{found}"
    );
}
