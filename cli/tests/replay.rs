//! A capsule does a call again anywhere, bit by bit (P1), and a changed one is an error (P7).

mod common;

use common::{Project, artifact};
use crostata::testing::InProcess;
use crostata_testing::{CAPSULES, Chain, contract};
use serde_json::{Value, json};

/// P1: a failing call and one that succeeds come to the same receipts in a folder that has no store, with a trace.
#[test]
fn calls_are_replayed_without_the_store() {
    let project = Project::with_counter();
    let good = project.json([
        "call",
        "counter",
        "increment",
        "--capsule",
        "good.capsule",
        "--json",
    ]);
    let line = [
        "call",
        "counter",
        "increment",
        "--gas-limit",
        "250000",
        "--capsule",
        "bad.capsule",
        "--json",
    ];
    let bad = project.json(line);
    assert_eq!(bad["outcome"], "reverted");
    let elsewhere = Project::new();
    for (file, called) in [("good.capsule", good), ("bad.capsule", bad)] {
        std::fs::copy(project.path().join(file), elsewhere.path().join(file)).unwrap();
        let replayed = elsewhere.json(["replay", file, "--json"]);
        let receipt = &replayed["receipts"][0];
        for field in ["outcome", "digest", "gas_spent", "gas_limit"] {
            assert_eq!(receipt[field], called[field], "{field}: {replayed:#}");
        }
        assert_eq!(receipt["function"], "increment");
        let text = elsewhere.good(["replay", file, "--trace", "-vvvv"]).out;
        assert!(text.contains("increment("), "{text}");
        elsewhere.good(["replay", file, "--out", "pictures"]);
        let read = |name: &str| {
            std::fs::read_to_string(elsewhere.path().join("pictures").join(name)).unwrap()
        };
        let stacks = read("stacks.txt");
        let gas = stacks
            .lines()
            .map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap());
        assert_eq!(Some(gas.sum()), called["gas_spent"].as_u64(), "{stacks}");
        assert!(read("flame.svg").contains("<svg") && read("heat.svg").contains("<svg"));
    }
    let dear = elsewhere.run(["replay", "good.capsule", "--gas-max", "10"]);
    assert_eq!(dear.code, 1, "{dear:#?}");
}

/// P7: every changed byte and every cut is told, and nothing is replayed.
#[test]
fn changed_capsules_are_told() {
    let project = Project::with_counter();
    project.good(["call", "counter", "increment", "--capsule", "c"]);
    let bytes = std::fs::read(project.path().join("c")).unwrap();
    let file = project.path().join("changed");
    let replay = || {
        let run = project.run(["replay", "changed", "--json"]);
        assert_eq!(run.code, 1, "{run:#?}");
        let value: Value = serde_json::from_str(&run.error).unwrap();
        assert_eq!(value["error"]["name"], json!("capsule"), "{run:#?}");
        value["error"]["message"].as_str().unwrap().to_owned()
    };
    for at in [9, 60, bytes.len() / 2, bytes.len() - 1] {
        let mut other = bytes.clone();
        other[at] ^= 4;
        std::fs::write(&file, other).unwrap();
        let message = replay();
        assert!(message.contains("was changed or cut"), "{at}: {message}");
    }
    std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    assert!(replay().contains("was changed or cut"));
    std::fs::write(&file, std::fs::read(artifact("counter")).unwrap()).unwrap();
    assert!(replay().contains("no replay capsule"));
}

const FAILING: &str = "fails_where_it_is_saved";

/// Fails when the environment asks for capsules; another test runs it so.
#[test]
fn fails_where_it_is_saved() {
    if std::env::var_os(CAPSULES).is_none() {
        return;
    }
    let mut chain = Chain::<InProcess>::new();
    let code = contract!("../tests/fixtures/vault/vault.wasm");
    let vault = chain.deploy(code).label("the vault").send();
    let pay = |chain: &mut Chain<InProcess>, amount: u64| {
        let paid = chain.call::<_, Result<u64, ()>>(vault, "pay", &amount);
        paid.expect_success();
    };
    pay(&mut chain, 60);
    pay(&mut chain, 70);
}

/// What a failing test saved can be taken elsewhere as a folder: its names and source lines come along.
#[test]
fn a_failing_test_is_read_as_where_it_failed() {
    let project = Project::new();
    let own = std::env::current_exe().unwrap();
    let output = std::process::Command::new(own)
        .args(["--exact", FAILING, "--nocapture"])
        .env(CAPSULES, project.path().join("failed"))
        .output()
        .unwrap();
    assert!(!output.status.success(), "{output:?}");
    std::fs::rename(project.path().join("failed"), project.path().join("moved")).unwrap();
    let file = format!("moved/{FAILING}.capsule");
    let text = project.good(["replay", &file, "--trace"]).out;
    assert!(text.contains("the_vault::pay"), "{text}");
    assert!(text.contains("at vault/src/lib.rs:"), "{text}");
    project.good(["replay", &file, "--out", "pictures"]);
    let page = std::fs::read_to_string(project.path().join("pictures/coverage.lcov")).unwrap();
    assert!(page.contains("vault/src/lib.rs"), "{page}");
    let elsewhere = ["replay", &file, "--trace", "--debug", "nowhere"];
    let text = project.good(elsewhere).out;
    assert!(!text.contains("vault/src/lib.rs:"), "{text}");
}
