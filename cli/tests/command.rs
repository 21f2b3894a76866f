//! What holds for every subcommand (P7): wrong use gets an error with exit code 2 (1 where the thing itself failed) that says what to do, in text
//! and JSON, and never a panic; help has examples; nothing that others chose reaches a terminal raw.

mod common;

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use common::{Project, Run, artifact, repository};

const SUBCOMMANDS: &[&str] = &[
    "new",
    "build",
    "test",
    "trace",
    "replay",
    "profile",
    "gas",
    "check",
    "deploy",
    "call",
    "query",
    "finalise",
    "inspect",
    "prove",
    "verify",
    "verify-store",
    "doctor",
    "export",
    "import",
    "completions",
];

/// Wrong uses: exit code, arguments.
const WRONG: &[(i32, &[&str])] = &[
    (2, &["new"]),
    (2, &["new", "No Name"]),
    (2, &["new", "text", "--sdk", "nowhere"]),
    (2, &["new", "state"]),
    (2, &["new", "static"]),
    (2, &["build"]),
    (2, &["build", "nowhere"]),
    (2, &["build", "text.txt"]),
    (2, &["build", ".", "."]),
    (2, &["test"]),
    (2, &["test", "--folder", "nowhere"]),
    (2, &["test", "one", "two"]),
    (2, &["trace", "counter"]),
    (2, &["trace", "nobody", "increment"]),
    (1, &["trace", "counter", "nothing"]),
    (2, &["trace", "counter", "increment", "--store", "nowhere"]),
    (2, &["profile", "counter"]),
    (2, &["profile", "counter", "increment", "--at", "final"]),
    (1, &["profile", "counter", "increment", "--out", "text.txt"]),
    (1, &["profile", "counter", "nothing"]),
    (2, &["gas"]),
    (2, &["gas", "--tolerance", "2"]),
    (2, &["gas", "--check", "--tolerance", "much"]),
    (2, &["gas", "--check", "--snapshot", "text.txt"]),
    (2, &["replay"]),
    (2, &["replay", "missing"]),
    (1, &["replay", "text.txt"]),
    (2, &["replay", "text.txt", "-v"]),
    (2, &["check"]),
    (2, &["check", "missing.wasm"]),
    (2, &["check", "text.txt"]),
    (1, &["check", "cut.wasm"]),
    (2, &["deploy"]),
    (2, &["deploy", "missing.wasm"]),
    (2, &["deploy", "COUNTER", "--label", "no good"]),
    (2, &["deploy", "COUNTER", "--owner", "0xzz"]),
    (2, &["deploy", "COUNTER", "--id", "0x12"]),
    (2, &["deploy", "COUNTER", "5"]),
    (2, &["deploy", "text.txt"]),
    (
        2,
        &["deploy", "COUNTER", "--label", "a", "--labels", "no/such/l"],
    ),
    (2, &["deploy", "COUNTER", "--at", "77777777"]),
    (1, &["deploy", "COUNTER"]),
    (1, &["deploy", "cut.wasm"]),
    (1, &["deploy", "COUNTER", "--hex", "0x00", "--nonce", "3"]),
    (2, &["call"]),
    (2, &["call", "counter"]),
    (2, &["call", "nobody", "increment"]),
    (1, &["call", "counter", "nothing"]),
    (2, &["call", "counter", "increment", "--gas-limit", "much"]),
    (2, &["call", "counter", "increment", "--hex", "0x0"]),
    (2, &["call", "counter", "increment", "--datum", "height"]),
    (2, &["call", "counter", "increment", "--at", "final"]),
    (2, &["call", "counter", "increment", "--store", "nowhere"]),
    (2, &["query", "counter", "read_value", "--at", "xyz"]),
    (2, &["query", "counter", "read_value", "--datum", "=5"]),
    (
        2,
        &["query", "counter", "read_value", "--store", "text.txt"],
    ),
    (
        2,
        &["query", "counter", "read_value", "--labels", "text.txt"],
    ),
    (
        1,
        &[
            "query",
            "1212121212121212121212121212121212121212121212121212121212121212",
            "f",
        ],
    ),
    (2, &["finalise", "--store", "nowhere"]),
    (2, &["finalise", "12"]),
    (2, &["finalise", "newest", "newest"]),
    (2, &["inspect", "nothing"]),
    (2, &["inspect", "--store", "nowhere"]),
    (2, &["inspect", "contract"]),
    (2, &["inspect", "contract", "nobody"]),
    (
        1,
        &[
            "inspect",
            "contract",
            "1212121212121212121212121212121212121212121212121212121212121212",
        ],
    ),
    (2, &["prove", "counter"]),
    (2, &["prove", "counter", "--out", "p", "--bytes", "12"]),
    (
        1,
        &["prove", "counter", "--out", "p", "--bytes", "99999999999:8"],
    ),
    (1, &["prove", "counter", "--out", "p", "--value", "supply"]),
    (2, &["prove", "counter", "--out", "p", "--key", "5"]),
    (1, &["prove", "counter", "--out", "no/such/folder/p"]),
    (2, &["verify"]),
    (
        2,
        &["verify", "text.txt", "--root", "12", "--contract", "12"],
    ),
    (
        2,
        &["verify", "missing", "--root", ROOT, "--contract", ROOT],
    ),
    (
        1,
        &["verify", "text.txt", "--root", ROOT, "--contract", ROOT],
    ),
    (2, &["doctor", "one", "two"]),
    (2, &["doctor", "--settings", "nowhere"]),
    (2, &["doctor", "--settings", "text.txt"]),
    (2, &["verify-store", "--store", "nowhere"]),
    (2, &["verify-store", "state"]),
    (2, &["verify-store", "--store", "text.txt"]),
    (2, &["export"]),
    (2, &["export", "e", "--store", "nowhere"]),
    (2, &["export", "e", "--at", "12345678"]),
    (1, &["export", "no/such/folder/e"]),
    (2, &["import", "text.txt"]),
    (2, &["import", "text.txt", "--root", "12"]),
    (2, &["import", "missing", "--root", ROOT]),
    (1, &["import", "text.txt", "--root", ROOT, "--store", "new"]),
    (2, &["completions"]),
    (2, &["completions", "csh"]),
    (2, &["completions", "bash", "zsh"]),
    (2, &["nothing"]),
];

const ROOT: &str = "1212121212121212121212121212121212121212121212121212121212121212";

fn project() -> Project {
    let project = Project::with_counter();
    let counter = std::fs::read(artifact("counter")).unwrap();
    project.write("cut.wasm", &counter[..counter.len() / 2]);
    project.write("text.txt", "this is text\n".repeat(20));
    project
}

fn wrong(project: &Project, arguments: &[&str], json: bool) -> Run {
    let counter = artifact("counter");
    let arguments = arguments.iter().map(|argument| match *argument {
        "COUNTER" => counter.as_str(),
        argument => argument,
    });
    project.run(arguments.chain(json.then_some("--json")))
}

/// P7: every wrong use has its exit code and says what to do; as JSON too; and it changes nothing.
#[test]
fn wrong_use_is_told() {
    let project = project();
    let before = project.good(["inspect", "--json"]).out;
    for (code, arguments) in WRONG {
        let run = wrong(&project, arguments, false);
        assert_eq!(run.code, *code, "{run:#?}");
        let text = format!("{}{}", run.error, run.out);
        assert!(
            !text.contains("panicked") && !text.contains("RUST_BACKTRACE"),
            "{run:#?}"
        );
        assert!(!text.contains('\u{1b}'), "{run:#?}");
        let tells = text.contains("error:") || text.contains("rejected:");
        assert!(tells, "{run:#?}");
        let run = wrong(&project, arguments, true);
        assert_eq!(run.code, *code, "{run:#?}");
        let told = if run.error.is_empty() {
            &run.out
        } else {
            &run.error
        };
        let value: serde_json::Value =
            serde_json::from_str(told).unwrap_or_else(|_| panic!("{run:#?}"));
        let is_error = value["error"]["name"].is_string() && value["error"]["message"].is_string();
        assert!(is_error || value["accepted"] == false, "{run:#?}");
    }
    for subcommand in SUBCOMMANDS {
        let uses = WRONG
            .iter()
            .filter(|(_, arguments)| arguments[0] == *subcommand);
        assert!(uses.count() >= 3, "{subcommand}");
    }
    assert_eq!(project.good(["inspect", "--json"]).out, before);
}

/// Whoever does not know a subcommand finds out with `--help`, examples included.
#[test]
fn help_has_examples() {
    let project = Project::new();
    for subcommand in SUBCOMMANDS {
        let run = project.good([subcommand, "--help"]);
        assert!(run.out.contains("Examples:\n  crostata "), "{run:#?}");
        assert!(run.out.contains("--json"), "{run:#?}");
    }
    let all = project.good(["--help"]).out;
    for subcommand in SUBCOMMANDS {
        assert!(all.contains(&format!("\n  {subcommand} ")), "{all}");
    }
}

/// A module that would be rejected is told by rule, offset and section.
#[test]
fn rejections_name_rule_and_offset() {
    let project = Project::new();
    let invalid = repository().join("contracts/invalid");
    let mut rules = std::collections::BTreeSet::new();
    for entry in std::fs::read_dir(invalid).unwrap() {
        let path = entry.unwrap().path();
        let module = wat::parse_file(&path).unwrap();
        let file = project.path().join("invalid.wasm");
        std::fs::write(&file, &module).unwrap();
        let run = project.run(["check", "invalid.wasm", "--json"]);
        assert_eq!(run.code, 1, "{}: {run:#?}", path.display());
        let value: serde_json::Value = serde_json::from_str(&run.out).unwrap();
        let offset = value["offset"].as_u64().unwrap();
        assert!(
            offset <= module.len() as u64,
            "{}: {value:#}",
            path.display()
        );
        rules.insert(value["rule"].as_str().unwrap().to_owned());
    }
    assert!(rules.len() > 20, "{rules:?}");
}

/// P7: names and messages of contracts can not make a terminal do anything.
#[test]
fn what_contracts_say_is_harmless() {
    let hostile = "\\1b[2J\\07\\0d\\e2\\80\\aegasp";
    let module = format!(
        r#"(module (import "env" "panic" (func $panic (param i32)))
            (memory (export "memory") 3) (global (export "A") i32 (i32.const 65536))
            (data $message (i32.const 8) "{hostile}")
            (func (export "f{hostile}") (param i32) (result i32)
                (memory.copy (i32.const 65536) (i32.const 8) (i32.const 14)) (call $panic (i32.const 14)) (i32.const 0)))"#
    );
    let project = Project::new();
    project.deploy_text(&module);
    let function = "f\u{1b}[2J\u{7}\r\u{202e}gasp";
    let lines: [&[&str]; 6] = [
        &["check", "h.wasm"],
        &["inspect", "contract", "h"],
        &["call", "h", function],
        &["call", "h", function, "--json"],
        &["call", "h", "g\u{1b}[2J"],
        &["call", "\u{1b}[2J", "g", "--json"],
    ];
    for line in lines {
        let run = project.run(line);
        let text = format!("{}{}", run.out, run.error);
        let raw = |character: char| {
            (character.is_control() && character != '\n') || character == '\u{202e}'
        };
        assert!(!text.contains(raw), "{run:#?}");
        assert!(text.contains("1b") || text.contains("2J"), "{run:#?}");
    }
}

/// P7: a contract's schema can not hide what an error says with a colour: its names are shown where a call is wrong.
#[test]
fn errors_have_no_colours_of_contracts() {
    // Version, re-entry, the contract's name, no types, a method `ESC[8mf` of no documentation and arguments, no events.
    let module = r#"(module (memory (export "memory") 3) (global (export "A") i32 (i32.const 65536))
        (func (export "f") (param i32) (result i32) (i32.const 0))
        (@custom "crostata.schema" "\01\02\01H\00\01\00\05\1b[8mf\00\00\00\00"))"#;
    let project = Project::new();
    project.deploy_text(module);
    let run = project.run(["call", "h", "g", "5"]);
    assert_eq!(run.code, 2, "{run:#?}");
    assert!(
        run.error.contains("\\u{1b}[8mf") && !run.error.contains('\u{1b}'),
        "{run:#?}"
    );
}

/// A wrong number of arguments is told before what any of them is, an argument by its name, and a proof of another kind by how to ask for it.
#[test]
fn wrong_arguments_have_names() {
    let project = Project::new();
    let ledger = artifact("ledger");
    let few = project.run(["deploy", &ledger, "5"]);
    assert!(few.error.contains("takes 2 arguments, not 1"), "{few:#?}");
    let holder = "07".repeat(32);
    let typed = project.run(["deploy", &ledger, &holder, "five"]);
    let told = typed.error.contains("`supply` must be u64, not \"five\"");
    assert!(told, "{typed:#?}");
    project.good(["deploy", &ledger, &holder, "5", "--label", "ledger"]);
    project.good(["prove", "ledger", "--bytes", "65536:8", "--out", "p"]);
    let kind = project.run([
        "verify",
        "p",
        "--root",
        ROOT,
        "--contract",
        ROOT,
        "--value",
        "supply",
    ]);
    assert!(kind.error.contains("--bytes ADDRESS:LENGTH"), "{kind:#?}");
    let label = project.run(["verify", "p", "--root", ROOT, "--contract", "ledger"]);
    assert!(
        label.error.contains("`ledger` is not a contract's id"),
        "{label:#?}"
    );
}

/// What was deployed is told, and so is that a call of a profile failed.
#[test]
fn failures_are_told_where_results_are_files() {
    let project = Project::with_counter();
    let run = project.run([
        "profile",
        "counter",
        "increment",
        "--gas-limit",
        "3",
        "--out",
        "profile",
    ]);
    assert_eq!(run.code, 1, "{run:#?}");
    assert!(run.error.contains("out of gas"), "{run:#?}");
}

/// Who stops reading ends the command quietly.
#[test]
fn a_broken_pipe_is_quiet() {
    let project = Project::new();
    let mut command = project.command();
    command.args(["completions", "bash"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut first = String::new();
    let mut out = BufReader::with_capacity(64, child.stdout.take().unwrap());
    out.read_line(&mut first).unwrap();
    drop(out);
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), error.as_str()), (Some(0), ""));
}

/// Completions name every subcommand, for each shell that the help names.
#[test]
fn completions_know_the_subcommands() {
    let project = Project::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = project.good(["completions", shell]).out;
        for subcommand in SUBCOMMANDS {
            assert!(script.contains(subcommand), "{shell}: {subcommand}");
        }
    }
}
