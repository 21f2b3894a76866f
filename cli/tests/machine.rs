//! The machine in a process of its own does what the one in the test's process does: one suite runs on both (P1). What goes wrong between the
//! processes is an error that says what to do (P7).

mod common;

use std::process::Command;
use std::sync::Arc;

use common::{Project, artifact};
use crostata::testing::InProcess;
use crostata_testing::machine::{Answers, Base, Machine, MachineError, Request};
use crostata_testing::{Chain, Outcome, Remote};

const COMMAND: &str = "CROSTATA";
const SUITE: &str = "suite_on_remote";

fn code(name: &str) -> Vec<u8> {
    std::fs::read(artifact(name)).unwrap()
}

/// Everything that tests do with a chain; gives what happened, to be compared.
fn suite<M: Machine + 'static>() -> Vec<String> {
    let mut told = Vec::new();
    let mut chain = Chain::<M>::new();
    let counter = chain.deploy(code("counter")).label("counter").send();
    let before = chain.savepoint();
    let called = chain.call::<_, ()>(counter, "increment", &());
    called.expect_success();
    told.push(called.gas_spent().to_string());
    assert_eq!(
        chain.call::<_, i64>(counter, "read_value", &()).value(),
        0xfd
    );
    chain.rollback(before);
    assert_eq!(
        chain.call::<_, i64>(counter, "read_value", &()).value(),
        0xfc
    );
    let ledger = chain
        .deploy(code("reverting_events"))
        .label("events")
        .send();
    let failed = chain.call_raw(ledger, "nothing", []);
    failed.expect_rejected("nothing");
    let alice = chain.account("alice");
    let called = chain.call_as::<_, i64>(&alice, counter, "read_value", &());
    assert_eq!(called.value(), 0xfc);
    told.push(called.gas_spent().to_string());
    chain.set_gas_limit(100);
    let poor = chain.call::<_, ()>(counter, "increment", &());
    poor.expect_outcome(Outcome::OutOfGas);
    told.push(format!("{:?}", poor.gas_spent()));
    told
}

/// A host query that the test answers while the call runs, at a price; and requests that can not be.
fn queries<M: Machine + 'static>() -> Vec<String> {
    let mut chain = Chain::<M>::new();
    let asking = chain.deploy(code("host_query")).send();
    let asked = chain.mock_query_raw("reversed", 77u64, |argument| match argument {
        [] => Err("there is nothing to turn round".into()),
        bytes => Ok(bytes.iter().rev().copied().collect()),
    });
    let name = "reversed".to_owned();
    let called = chain.call::<_, Vec<u8>>(asking, "ask", &(name.clone(), vec![1u8, 2, 3]));
    assert_eq!((called.value(), asked.times()), (vec![3, 2, 1], 1));
    let refused = chain.call::<_, Vec<u8>>(asking, "ask", &(name, Vec::<u8>::new()));
    assert!(!refused.is_success());
    let root = chain.root();
    let unknown = chain.ask(Request::Rollback { savepoint: 9 });
    vec![
        format!("{:?}", called.gas_spent()),
        format!("{root:?}"),
        format!("{unknown:?}"),
    ]
}

fn all<M: Machine + 'static>() -> String {
    let told = [suite::<M>(), queries::<M>()].concat();
    told.join("\n")
}

/// Runs a test of this program again with the command named.
fn again(test: &str, command: &str) -> (bool, String) {
    let own = std::env::current_exe().unwrap();
    let mut run = Command::new(own);
    run.args(["--exact", test, "--nocapture", "--include-ignored"])
        .env(COMMAND, command);
    let output = run.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

/// P1: the same outcomes, gas and errors, in this process and in one of its own.
#[test]
fn both_machines_do_the_same() {
    let (passed, text) = again(SUITE, env!("CARGO_BIN_EXE_crostata"));
    assert!(passed, "{text}");
    for line in all::<InProcess>().lines() {
        assert!(text.contains(line), "{line}\nis not in\n{text}");
    }
}

/// Many chains on many threads share one process, and each has its own state.
#[test]
fn suite_on_remote() {
    if std::env::var_os(COMMAND).is_none() {
        return;
    }
    let threads: Vec<_> = (0..8).map(|_| std::thread::spawn(all::<Remote>)).collect();
    let told: Vec<String> = threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect();
    assert!(told.iter().all(|one| *one == told[0]), "{told:#?}");
    println!("{}", told[0]);
}

/// Prints the error of a machine that does not start.
#[test]
fn start_error() {
    if std::env::var_os(COMMAND).is_some() {
        struct None;
        impl Answers for None {
            fn answer(&self, _: &str, _: &[u8]) -> Result<Vec<u8>, String> {
                Err(String::new())
            }
        }
        match Remote::start(&Base::Empty, Arc::new(None)) {
            Err(MachineError::Start { reason }) => println!("reason: {reason}"),
            other => panic!("{other:?}"),
        }
    }
}

/// P7: a command that is not there, or is another program, is an error that says how to install it.
#[test]
fn what_is_no_machine_is_told() {
    for command in ["/no/such/crostata", "true", "yes"] {
        let (passed, text) = again("start_error", command);
        assert!(passed, "{text}");
        assert!(
            text.contains("reason: ") && text.contains("cargo install --path cli"),
            "{text}"
        );
    }
}

/// P7: bytes that are no messages end the machine with an error, and it never panics.
#[test]
fn nonsense_ends_the_machine() {
    use std::io::Write;
    use std::process::Stdio;
    let project = Project::new();
    for bytes in [
        &b"\xff\xff\xff\xff"[..],
        b"\x09\0\0\x00123456789",
        b"\x10\0\0\0\x01",
        b"",
    ] {
        let mut command = project.command();
        command
            .arg("machine")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(bytes).unwrap();
        let output = child.wait_with_output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!error.contains("panicked"), "{error}");
        assert_eq!(
            output.status.code(),
            Some(i32::from(!bytes.is_empty())),
            "{error}"
        );
    }
}
