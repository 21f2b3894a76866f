//! A profile's totals are the gas that the call really costs, in every file of it (P8: it changes nothing).

mod common;

use common::{Project, artifact};

/// P8: profiled or not, the call costs the same; nothing is committed; the pictures and tables are written.
#[test]
fn a_profile_adds_up() {
    let project = Project::new();
    project.good(["deploy", &artifact("accounts"), "--label", "accounts"]);
    let before = project.good(["inspect", "--json"]).out;
    let queried = project.json(["query", "accounts", "sum", "0", "3", "--json"]);
    let profiled = project.json(["profile", "accounts", "sum", "0", "3", "--json"]);
    assert_eq!(profiled["gas_spent"], queried["gas_spent"], "{profiled:#}");
    assert_eq!(project.good(["inspect", "--json"]).out, before);
    let read =
        |name: &str| std::fs::read_to_string(project.path().join("profile").join(name)).unwrap();
    let stacks = read("stacks.txt");
    let sums = stacks
        .lines()
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap());
    assert_eq!(Some(sums.sum()), queried["gas_spent"].as_u64(), "{stacks}");
    let gas: serde_json::Value = serde_json::from_str(&read("gas.json")).unwrap();
    assert_eq!(gas[0]["gas"]["sum"], queried["gas_spent"], "{gas:#}");
    for name in ["flame.svg", "heat.svg"] {
        assert!(read(name).contains("<svg"), "{name}");
    }
}

/// P8: a trace of a call that fails is the result, with exit code 1, and has the same gas as the call.
#[test]
fn traces_show_calls() {
    let project = Project::new();
    project.good(["deploy", &artifact("counter"), "--label", "counter"]);
    let called = project.json(["query", "counter", "increment", "--json"]);
    let traced = project.json(["trace", "counter", "increment", "--json"]);
    let frame = &traced["frames"][0];
    assert_eq!(frame["gas_spent"], called["gas_spent"]);
    let parts = ["gas_instructions", "gas_host", "gas_memory", "gas_calls"];
    let sum: u64 = parts.iter().map(|part| frame[part].as_u64().unwrap()).sum();
    assert_eq!(Some(sum), called["gas_spent"].as_u64());
    let failed = project.run([
        "trace",
        "counter",
        "increment",
        "--gas-limit",
        "200000",
        "-v",
    ]);
    assert_eq!(failed.code, 1, "{failed:#?}");
    assert!(failed.out.contains("out of gas"), "{failed:#?}");
}
