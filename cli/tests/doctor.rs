//! What an operator relies on: `doctor` says with its exit code whether a node can start, and with its words why not.

mod common;

use common::Project;
use serde_json::Value;

/// The settings that the command prints are settings that it takes; with them a finding per subject comes, and nothing is left behind.
#[test]
fn the_example_is_where_to_begin() {
    let project = Project::new();
    let example = project.good(["doctor", "--example"]).out;
    project.write("node.toml", &example);
    let run = project.run(["doctor", "--settings", "node.toml", "--json"]);
    let report: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(run.code, i32::from(report["level"] == "error"), "{run:#?}");
    let subjects = report["findings"].as_array().unwrap();
    let contracts = subjects.iter().find(|one| one["subject"] == "contracts");
    assert_eq!(contracts.unwrap()["level"], "ok");
    assert_eq!(project.path().read_dir().unwrap().count(), 1);
    let text = project.run(["doctor", "--settings", "node.toml"]).out;
    // The disk is measured anew, and may be judged otherwise.
    let shown = subjects
        .iter()
        .filter(|one| one["subject"] != "durable writes");
    for one in shown {
        let line = format!(
            "{:<7}  {}",
            one["level"].as_str().unwrap(),
            one["subject"].as_str().unwrap()
        );
        assert!(text.contains(&line), "{line}\n{text}");
    }
}

/// Settings that are wrong are wrong input, and every line that is wrong is told.
#[test]
fn wrong_settings_are_told_with_their_lines() {
    let project = Project::new();
    let text = "[store]\nbackend = \"jit\"\n\n[log]\nslack = 4\n";
    project.write("node.toml", text);
    let run = project.run(["doctor", "--settings", "node.toml"]);
    assert_eq!(run.code, 2, "{run:#?}");
    assert!(
        run.error.contains("line 2: `store.backend` wants"),
        "{run:#?}"
    );
    assert!(
        run.error
            .contains("line 5: there is no setting `log.slack`"),
        "{run:#?}"
    );
    assert!(run.out.is_empty());
    assert_eq!(project.run(["doctor", "--settings", "none.toml"]).code, 2);
}

/// A store that a node has open is no error, and is told; settings that no machine can keep are one.
#[test]
fn a_store_in_use_and_too_little_memory() {
    let project = Project::with_counter();
    let vm = crostata::VM::new(project.path().join("state")).unwrap();
    let run = project.run(["doctor", "state", "--json"]);
    let report: Value = serde_json::from_str(&run.out).unwrap();
    let store = |report: &Value| {
        let findings = report["findings"].as_array().unwrap();
        findings
            .iter()
            .find(|one| one["subject"] == "store")
            .unwrap()
            .clone()
    };
    let found = store(&report);
    assert_eq!(found["level"], "warning");
    assert!(
        found["found"]
            .as_str()
            .unwrap()
            .contains(&std::process::id().to_string())
    );
    drop(vm);
    std::fs::write(
        project.path().join("node.toml"),
        "[store]\nimage_cache_bytes = \"16 TiB\"\n",
    )
    .unwrap();
    let run = project.run(["doctor", "state", "--settings", "node.toml", "--json"]);
    assert_eq!(run.code, 1, "{run:#?}");
    let report: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(store(&report)["level"], "ok");
}
