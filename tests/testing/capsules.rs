//! A failing test can be taken elsewhere: its chain is saved as one file, which does it again to the last bit.

use std::fs;
use std::process::Command;

use crostata::testing::{CAPSULES, Chain};
use crostata::{Capsule, Config, Verifier, contract_bytecode};

const OWN_NAME: &str = "capsules::a_failing_test_is_saved_and_done_again";

/// Deploys, mocks, moves time, undoes, and fails.
fn fail() {
    let mut chain = Chain::new();
    let counter = chain.deploy(contract_bytecode!("counter")).send();
    let asking = chain.deploy(contract_bytecode!("host_query")).send();
    let _asked = chain.mock_query_raw("reversed", 77u64, |argument| {
        Ok(argument.iter().rev().copied().collect())
    });
    chain.block().height(7);
    let before = chain.savepoint();
    chain
        .call::<_, ()>(counter, "increment", &())
        .expect_success();
    chain.rollback(before);
    let argument = ("reversed".to_owned(), vec![1u8, 2, 3]);
    let reversed = chain.call::<_, Vec<u8>>(asking, "ask", &argument);
    assert_eq!(reversed.value(), [3, 2, 1]);
    let nobody = chain.call::<_, ()>(counter, "no such function", &());
    assert!(!nobody.is_success());
    chain
        .call::<_, i64>(counter, "read_value", &())
        .expect_revert("something else");
}

#[test]
fn a_failing_test_is_saved_and_done_again() {
    if std::env::var_os(CAPSULES).is_some() {
        return fail();
    }
    let folder = tempfile::tempdir().unwrap();
    let own = std::env::current_exe().unwrap();
    let output = Command::new(own)
        .args(["--exact", OWN_NAME, "--nocapture"])
        .env(CAPSULES, folder.path())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let file = folder
        .path()
        .join(format!("{}.capsule", OWN_NAME.replace("::", ".")));
    assert!(
        told.contains(&format!("crostata replay {}", file.display())),
        "{told}"
    );

    let capsule = Capsule::decode(&fs::read(file).unwrap()).unwrap();
    let verifier = Verifier::new(Config::default()).unwrap().watched();
    let replayed = verifier.replay(capsule).unwrap();
    let last = replayed.traces.last().unwrap().as_ref().unwrap();
    assert_eq!(last.frames[0].function, "read_value");
    assert_eq!(replayed.receipts.len(), 6);
    let outcomes: Vec<bool> = replayed
        .receipts
        .iter()
        .map(|receipt| receipt.digest().is_some())
        .collect();
    assert_eq!(outcomes, [false, false, true, true, false, true]);
}
