//! A test that runs itself again, in a process that may have less.

use std::process::Command;

/// Set for the process that may have less.
const LIMITED: &str = "CROSTATA_TEST_LIMITED";

/// In the process that may have less, does what is to be done there; else starts one under `ulimit` with these words, which runs the test of
/// this name, and checks that it passes.
#[track_caller]
pub fn under_ulimit(limit: &str, test: &str, run: impl FnOnce()) {
    if std::env::var_os(LIMITED).is_some() {
        return run();
    }
    let limited = Command::new("sh")
        .arg("-c")
        .arg(format!("ulimit {limit} && exec timeout 120 \"$0\" \"$@\""))
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test])
        .env(LIMITED, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&limited.stdout);
    assert!(limited.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
}
