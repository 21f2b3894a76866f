//! P7: a log whose checksums hold and whose contents lie gives a typed error, or opens: never a panic, an endless loop or gigabytes of memory.
//!
//! `tests/damage.rs` breaks checksums. Here lengths, counts, places, numbers, kinds and ids of frames are changed, frames are moved, taken away and brought
//! twice, and then everything is summed and numbered again. The fuzz target `log` does the same with a fuzzer's bytes.
//!
//! `CROSTATA_FORGED_LOGS` sets how many, `CROSTATA_FORGED_SEED` the first seed; a failure prints its own.

mod common;

#[path = "forged_log/forge.rs"]
mod forge;
#[path = "common/random.rs"]
mod random;
#[path = "forged_log/scene.rs"]
mod scene;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use common::{CELLS, code};
use forge::Log;
use random::Random;
use scene::{Outcome, branches, importing, open_and_use};

const LOGS: u64 = 1_000;

/// Memory that the test may use; it takes a tenth of that.
const MEMORY_BYTES_MAX: u64 = 512 << 20;

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// The most memory that the process had so far.
fn peak_memory_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.unwrap().split_whitespace().nth(1).unwrap();
    number.parse::<u64>().unwrap() << 10
}

/// Tells one to three lies in a log.
fn forged(log: &Log, seed: u64) -> Log {
    let mut random = Random::new(seed.wrapping_mul(0x5851_f42d_4c95_7f2d));
    let mut log = log.clone();
    for _ in 0..1 + random.below(3) {
        log.lie(&mut |end| random.below(end));
    }
    log
}

/// Nothing is lost by taking a log apart and putting it together, so that what is refused below is refused for the lie.
#[test]
fn a_log_put_together_again_is_whole() {
    let cells = code(CELLS);
    for (files, commits) in [(branches(&cells), 4), (importing(&cells), 0)] {
        let log = Log::parse(&files);
        let frames = log
            .segments
            .iter()
            .map(|segment| segment.frames.len())
            .sum::<usize>();
        assert!(frames > 3, "{frames}");
        assert_eq!(open_and_use(&log.encode(), true), Outcome::Whole);
        assert!(commits == 0 || log.segments.len() > 1);
    }
}

#[test]
fn forged_logs_give_typed_errors() {
    let cells = code(CELLS);
    let logs = [branches(&cells), importing(&cells)].map(|files| Log::parse(&files));
    let count = from_environment("CROSTATA_FORGED_LOGS").unwrap_or(LOGS);
    let first = from_environment("CROSTATA_FORGED_SEED").unwrap_or(0);
    let mut outcomes: BTreeMap<Outcome, u64> = BTreeMap::new();
    for seed in first..first + count {
        let log = &logs[usize::from(seed % 4 == 3)];
        let files = forged(log, seed).encode();
        match catch_unwind(AssertUnwindSafe(|| open_and_use(&files, true))) {
            Ok(outcome) => *outcomes.entry(outcome).or_default() += 1,
            Err(_) => panic!("replay with CROSTATA_FORGED_SEED={seed} CROSTATA_FORGED_LOGS=1"),
        }
    }
    let peak = peak_memory_bytes();
    println!("{peak} bytes of memory at most");
    assert!(peak < MEMORY_BYTES_MAX);
    println!("{count} forged logs from seed {first}: {outcomes:?}");
    let of = |outcome| outcomes.get(&outcome).copied().unwrap_or_default();
    assert!(count < 100 || of(Outcome::Refused) * 4 > count);
    assert!(count < 100 || of(Outcome::Unreadable) * 50 > count);
}

/// The fuzz targets have no compiler of text: what they deploy is what these tests do.
#[test]
fn the_cells_of_the_fuzz_targets_are_these() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/cells.wasm");
    assert!(std::fs::read(path).unwrap() == code(CELLS));
}
