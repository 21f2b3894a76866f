//! P5: importing and exporting take memory for a chunk and what was written since a checkpoint, not for the state. Alone
//! in its file, since the memory is that of the process.

mod common;

use std::io::{self, Read};

use common::*;
use crostata::{Config, LogConfig, VM};

/// Writes to as many pages as its argument says, behind its first three Wasm pages.
const FILLER: &str = r#"(module
  (memory (export "memory") 1027)
  (global (export "A") i32 (i32.const 65536))
  (func (export "fill") (param i32) (result i32) (local $page i32) (local $end i32)
    (local.set $page (i32.const 48))
    (local.set $end (i32.add (i32.const 48) (i32.load (i32.const 65536))))
    (loop $next
      (i32.store (i32.shl (local.get $page) (i32.const 12)) (local.get $page))
      (local.set $page (i32.add (local.get $page) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $page) (local.get $end))))
    (i32.const 0)))"#;

const PAGES: u32 = 16_384;
const STATE_BYTES: u64 = PAGES as u64 * 4096;

/// Memory of this process that is not in files, in bytes.
fn anonymous_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.map_or(0, |kib| kib.parse::<u64>().unwrap() * 1024)
}

/// Reads on, and notes how much memory the process had.
struct Watched<R> {
    input: R,
    most: u64,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.most = self.most.max(anonymous_bytes());
        self.input.read(buffer)
    }
}

fn config() -> Config {
    let log = LogConfig {
        checkpoint_bytes: 4 << 20,
        node_cache_bytes: 2 << 20,
        ..LogConfig::default()
    };
    Config {
        log,
        ..Config::default()
    }
}

#[test]
fn an_import_takes_memory_for_a_chunk() {
    let path = tempfile::tempdir().unwrap();
    let file = path.path().join("state");
    let commit = {
        let vm = VM::ephemeral_with_config(config()).unwrap();
        let mut session = fresh(&vm);
        let filler = session.deploy(code(FILLER), with_id(1), LIMIT).unwrap();
        session
            .call_raw(filler, "fill", words(&[PAGES]), LIMIT * 100)
            .unwrap();
        let commit = session.commit().unwrap();
        drop(session);
        let out = std::fs::File::create(&file).unwrap();
        vm.export(commit).unwrap().write_to(out).unwrap();
        commit
    };
    let written = std::fs::metadata(&file).unwrap().len();
    assert!((STATE_BYTES..STATE_BYTES * 101 / 100).contains(&written));
    let other = VM::ephemeral_with_config(config()).unwrap();
    let before = anonymous_bytes();
    let mut input = Watched {
        input: std::fs::File::open(&file).unwrap(),
        most: 0,
    };
    assert_eq!(other.import_from(commit, &mut input).unwrap(), commit);
    let more = input.most.saturating_sub(before);
    assert!(more < STATE_BYTES / 4, "{more} bytes more than before");
    let mut again = Vec::new();
    other.export(commit).unwrap().write_to(&mut again).unwrap();
    assert!(again == std::fs::read(&file).unwrap());
}
