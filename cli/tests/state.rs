//! What authors do with a store, by the real command: what one command commits the next one sees (P3), a failed call changes nothing
//! (P2), what is proven is verified without the store (P4).

mod common;

use common::{Project, artifact};
use serde_json::json;

/// P2, P3: a call's effect is there for the next process; a query's and a failed call's are not.
#[test]
fn calls_stay_and_queries_and_failures_do_not() {
    let project = Project::with_counter();
    let read = || project.json(["query", "counter", "read_value", "--json"])["result_hex"].clone();
    assert_eq!(read(), "0xfc00000000000000");
    project.good(["query", "counter", "increment"]);
    assert_eq!(read(), "0xfc00000000000000");
    let called = project.json(["call", "counter", "increment", "--json"]);
    assert_eq!(called["outcome"], "success");
    assert_eq!(read(), "0xfd00000000000000");
    let failed = project.run([
        "call",
        "counter",
        "increment",
        "--gas-limit",
        "10",
        "--json",
    ]);
    assert_eq!(failed.code, 1, "{failed:#?}");
    let failed: serde_json::Value = serde_json::from_str(&failed.out).unwrap();
    assert_eq!(
        (&failed["outcome"], &failed["failure"]["code"]),
        (&json!("reverted"), &json!("OutOfGas"))
    );
    assert_eq!(read(), "0xfd00000000000000");
    let commits = &project.json(["inspect", "--json"])["commits"];
    assert_eq!(commits.as_array().unwrap().len(), 2, "{commits:#}");
    assert_eq!(commits[1]["id"], called["commit"]["id"]);
}

/// The result is alone on standard output, so that scripts can use it.
#[test]
fn results_are_alone_on_standard_output() {
    let project = Project::new();
    let run = project.good(["deploy", &artifact("counter")]);
    let id = run.out.trim();
    assert_eq!((id.len(), run.out.lines().count()), (64, 1), "{run:#?}");
    let value = project.good(["query", id, "read_value"]).out;
    assert_eq!(value.lines().count(), 1, "{value}");
}

/// A limit that was not given is the smallest that the call needs.
#[test]
fn the_gas_limit_is_what_the_call_needs() {
    let project = Project::with_counter();
    let called = project.json(["call", "counter", "increment", "--json"]);
    let limit = called["gas_limit"].as_u64().unwrap();
    let with = |limit: u64| {
        let limit = limit.to_string();
        project
            .run(["query", "counter", "increment", "--gas-limit", &limit])
            .code
    };
    assert_eq!((with(limit), with(limit - 1)), (0, 1));
}

/// Two children of one commit: both are there, the tree shows it, and finalising one drops the other.
#[test]
fn commits_branch_and_become_final() {
    let project = Project::with_counter();
    let first = project.json(["inspect", "--json"])["commits"][0]["id"].clone();
    let first = first.as_str().unwrap();
    project.good(["call", "counter", "increment", "--at", first]);
    let nonce = artifact("counter");
    let second = project.json([
        "deploy",
        &nonce,
        "--nonce",
        "7",
        "--at",
        &first[..10],
        "--json",
    ]);
    assert_eq!(second["commit"]["parent"], first);
    let text = project.good(["inspect"]).out;
    assert_eq!(text.matches("├─").count(), 2, "{text}");
    let id = second["commit"]["id"].as_str().unwrap();
    project.good(["finalise", id]);
    let commits = project.json(["inspect", "commits", "--json"])["commits"].clone();
    assert_eq!(commits.as_array().unwrap().len(), 1);
    assert_eq!(
        (&commits[0]["id"], &commits[0]["final"]),
        (&json!(id), &json!(true))
    );
}

/// What differs between two commits is told by contract and page; of a commit and itself nothing does.
#[test]
fn commits_are_compared() {
    let project = Project::with_counter();
    let first = project.json(["inspect", "--json"])["commits"][0]["id"].clone();
    let first = first.as_str().unwrap();
    project.good(["call", "counter", "increment"]);
    project.good(["deploy", &artifact("accounts"), "--label", "accounts"]);
    let diff = project.json(["inspect", "diff", first, "--json"]);
    let contracts = diff["contracts"].as_array().unwrap();
    let of = |label: &str| contracts.iter().find(|one| one["label"] == label).unwrap();
    assert_eq!(contracts.len(), 2, "{diff:#}");
    assert_eq!(of("counter")["pages"].as_array().unwrap().len(), 1);
    assert_eq!(of("accounts")["before"], json!(null));
    let text = project.good(["inspect", "diff", first]).out;
    assert!(text.contains("accounts         added"), "{text}");
    let same = project.json(["inspect", "diff", "newest", "newest", "--json"]);
    assert_eq!(same["contracts"], json!([]));
}

/// P4: what `prove` writes, `verify` proves in a folder without a store; against another root, or asked something else, it shows nothing.
#[test]
fn proofs_are_verified_without_the_store() {
    let project = Project::new();
    let deployed = project.json([
        "deploy",
        &artifact("accounts"),
        "--label",
        "accounts",
        "--json",
    ]);
    let id = deployed["contract"].as_str().unwrap();
    let commits = project.json(["inspect", "--json"]);
    let root = commits["commits"][0]["root"].as_str().unwrap();
    let elsewhere = Project::new();
    let file = elsewhere.path().join("a.proof");
    let out = file.to_str().unwrap();
    let verify = |root: &str, question: &[&str]| {
        let line = ["verify", "a.proof", "--root", root, "--contract", id];
        elsewhere.run(line.iter().chain(question))
    };

    project.good(["prove", "accounts", "--value", "terms.fee", "--out", out]);
    assert_eq!(verify(root, &["--value", "terms.fee"]).out, "25\n");
    assert_eq!(verify(&"0".repeat(64), &["--value", "terms.fee"]).code, 1);
    assert_eq!(verify(root, &["--value", "terms.none"]).code, 1);
    assert_eq!(verify(root, &[]).code, 1);

    let key = format!("0x{}", "07".repeat(32));
    project.good([
        "prove", "accounts", "--value", "balances", "--key", &key, "--out", out,
    ]);
    let absent = verify(root, &["--value", "balances", "--key", &key]);
    assert!(absent.out.starts_with("absent"), "{absent:#?}");

    project.good(["prove", "accounts", "--bytes", "0x0:8", "--out", out]);
    assert_eq!(
        verify(root, &["--bytes", "0:8"]).out,
        "0x0000000000000000\n"
    );

    project.good(["prove", "accounts", "--out", out]);
    let record: serde_json::Value = serde_json::from_str(&verify(root, &["--json"]).out).unwrap();
    assert_eq!(record["proven"]["contract"], id);
    let mut bytes = std::fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&file, bytes).unwrap();
    assert_eq!(verify(root, &[]).code, 1);
}

/// P3, P4: an exported state is imported under its id or root and under no other, and is the same state.
#[test]
fn states_travel_between_stores() {
    let project = Project::with_counter();
    project.good(["call", "counter", "increment"]);
    let id = project.good(["export", "state.crostata"]).out;
    let wrong = project.run([
        "import",
        "state.crostata",
        "--commit",
        &"12".repeat(32),
        "--store",
        "copy",
    ]);
    assert_eq!(wrong.code, 1, "{wrong:#?}");
    project.good([
        "import",
        "state.crostata",
        "--commit",
        id.trim(),
        "--store",
        "copy",
    ]);
    let read = ["query", "counter", "read_value"];
    let there = project.good(read.iter().chain(&["--store", "copy"]));
    assert_eq!(there.out, project.good(read).out);
    let mut bytes = std::fs::read(project.path().join("state.crostata")).unwrap();
    let last = bytes.len() - 100;
    bytes[last] ^= 1;
    project.write("state.crostata", bytes);
    let damaged = project.run([
        "import",
        "state.crostata",
        "--commit",
        id.trim(),
        "--store",
        "third",
    ]);
    assert_eq!(damaged.code, 1, "{damaged:#?}");
}

/// Changes a byte of the counter's code in the log.
fn damage(project: &Project) {
    let entries = std::fs::read_dir(project.path().join("state")).unwrap();
    let mut paths = entries.map(|entry| entry.unwrap().path());
    let is_log = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with("log-");
    let log = paths
        .find(|path| path.file_name().is_some_and(is_log))
        .unwrap();
    let mut bytes = std::fs::read(&log).unwrap();
    let code = std::fs::read(artifact("counter")).unwrap();
    let at = bytes.windows(64).position(|window| window == &code[..64]);
    bytes[at.unwrap() + 20] ^= 1;
    std::fs::write(&log, bytes).unwrap();
}

/// P7: damage below later commits is exit code 1, with file and offset; the latest write alone, which a crash may have cut, is told.
#[test]
fn damage_is_found() {
    let project = Project::with_counter();
    let clean = project.json(["verify-store", "--json"]);
    let told = (&clean["clean"], &clean["commits"], &clean["dropped_tail"]);
    assert_eq!(told, (&json!(true), &json!(1), &json!(null)));
    project.good(["call", "counter", "increment"]);
    project.good(["call", "counter", "increment"]);
    damage(&project);
    let run = project.run(["verify-store", "--json"]);
    assert_eq!(run.code, 1, "{run:#?}");
    assert!(
        format!("{}{}", run.out, run.error).contains("log-"),
        "{run:#?}"
    );

    let project = Project::with_counter();
    damage(&project);
    let tail = &project.json(["verify-store", "--json"])["dropped_tail"];
    assert!(
        tail["bytes"].as_u64().is_some_and(|bytes| bytes > 600),
        "{tail:#}"
    );
}

/// The picture of a memory shows pages in use; contracts of a commit are listed with their labels.
#[test]
fn contracts_are_shown() {
    let project = Project::with_counter();
    let listed = project.json(["inspect", "contracts", "--json"]);
    assert_eq!(listed["contracts"][0]["label"], "counter");
    let one = project.json(["inspect", "contract", "counter", "--json"]);
    assert!(
        !one["pages_in_use"].as_array().unwrap().is_empty(),
        "{one:#}"
    );
    let text = project.good(["inspect", "contract", "counter"]).out;
    assert!(text.contains("exports   increment read_value"), "{text}");
    assert!(
        text.lines()
            .any(|line| line.trim_start().starts_with("0x0000000000  s")),
        "{text}"
    );
    let artifacts = project.json(["inspect", "artifacts", "--json"]);
    assert_eq!(
        artifacts["artifacts"].as_array().unwrap().len(),
        1,
        "{artifacts:#}"
    );
}

/// A chain with rules of its own: what is deployed and called runs under them, and a store that was made so is opened with them only.
#[test]
fn contracts_run_under_the_rules_that_are_named() {
    let project = Project::new();
    let text = project.good(["inspect", "protocol"]).out;
    let dear = text.replace(
        "gas.instance_base = 100000\n",
        "gas.instance_base = 101000\n",
    );
    assert_ne!(dear, text);
    project.write("dear.txt", &dear);
    let own = project.good(["inspect", "protocol", "--protocol", "dear.txt"]);
    assert_eq!(own.out, dear);
    let code = artifact("counter");
    let named = ["--protocol", "dear.txt"];
    project.good(["deploy", &code, "--label", "counter", named[0], named[1]]);
    let call = ["query", "counter", "read_value", "--json"];
    let unknown = project.run(call);
    assert!(
        unknown.code != 0 && unknown.error.contains("--protocol FILE"),
        "{unknown:#?}"
    );
    let dear = project.json(call.into_iter().chain(named));
    let ordinary = Project::with_counter();
    let cheap = ordinary.json(call);
    let gas = |value: &serde_json::Value| value["gas_spent"].as_u64().unwrap();
    assert_eq!(gas(&dear), gas(&cheap) + 1_000);
    project.write("junk.txt", "gas.call_base 4");
    let junk = project.run(["check", &code, "--protocol", "junk.txt"]);
    assert!(junk.code == 2 && junk.error.contains("line 1"), "{junk:#?}");
}
