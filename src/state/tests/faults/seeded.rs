//! P3: random histories of commits, cut again and again at random operations of the disk, lose nothing that was
//! acknowledged, and find what was not wholly or not at all.
//!
//! `CROSTATA_FAULT_HISTORIES` sets how many there are, `CROSTATA_FAULT_SEED` the first seed; a failure prints its own.

use super::process::{Step, Told, change, check_and_go_on, run};
use super::*;

const HISTORIES: u64 = 10_000;

fn step(random: &mut Random) -> Step {
    let kind = random.below(20);
    let mut changes = || {
        let count = 1 + random.below(2);
        let mut changes: Vec<_> = (0..count).map(|_| change(random)).collect();
        changes.dedup_by_key(|change| change.contract);
        changes
    };
    match kind {
        0..6 => {
            let changes = changes();
            Step::Commit(base(random), changes, random.below(2) as u8)
        }
        6..8 => {
            let changes = changes();
            Step::Seal(random.next(), changes, random.below(2) as u8)
        }
        8..11 => Step::Store(random.next()),
        11..14 => Step::Finalise(random.next()),
        14 => Step::Delete(random.next()),
        15..17 => Step::Checkpoint,
        17 | 18 => Step::Hold(random.next()),
        _ => Step::Release(random.next()),
    }
}

/// Most often the youngest commit.
fn base(random: &mut Random) -> u64 {
    match random.below(3) {
        0 => random.next() >> 1,
        _ => u64::MAX,
    }
}

fn unsynced(random: &mut Random) -> Unsynced {
    match random.below(6) {
        0 => Unsynced::Lost,
        1 => Unsynced::Kept,
        _ => Unsynced::Torn(random.next()),
    }
}

/// What happened in a number of histories.
#[derive(Debug, Default)]
struct Counts {
    processes: u64,
    faults: u64,
    in_doubt: u64,
    commits: u64,
    segments: u64,
}

/// Up to four processes work on the same disk, which fails each of them but for some.
fn history(seed: u64, counts: &mut Counts) {
    let mut random = Random::new(seed);
    let mut told = Told::nothing();
    let mut files = MemoryFiles::new();
    for _ in 0..1 + random.below(4) {
        let steps: Vec<Step> = (0..3 + random.below(10))
            .map(|_| step(&mut random))
            .collect();
        let fault = random.among(&[
            Fault::Cut,
            Fault::Cut,
            Fault::Cut,
            Fault::Io,
            Fault::NoSpace,
            Fault::Short,
        ]);
        let mut disk = Disk::failing(&files, random.below(80), fault);
        disk.config = random.among(&[SMALL, SMALL, SMALLEST, LARGE]);
        run(&disk, &steps, &mut told);
        counts.processes += 1;
        counts.faults += u64::from(disk.has_failed());
        counts.in_doubt += u64::from(told.0.len() > 1);
        if !disk.files.is_cut() && random.below(2) == 0 {
            run(&disk, &steps, &mut told);
        }
        files = disk.crash(unsynced(&mut random));
    }
    check_and_go_on(&files, &told);
    let model = told.0.last().unwrap();
    counts.commits += model.commits.len() as u64;
    counts.segments += files.names().unwrap().len() as u64;
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn random_histories_lose_nothing_that_was_acknowledged() {
    let histories = from_environment("CROSTATA_FAULT_HISTORIES").unwrap_or(HISTORIES);
    let first = from_environment("CROSTATA_FAULT_SEED").unwrap_or(0);
    let mut counts = Counts::default();
    for seed in first..first + histories {
        let one = std::panic::AssertUnwindSafe(|| history(seed, &mut counts));
        let done = std::panic::catch_unwind(one);
        assert!(
            done.is_ok(),
            "replay with CROSTATA_FAULT_SEED={seed} CROSTATA_FAULT_HISTORIES=1"
        );
    }
    println!("seeds {first} and {histories} more: {counts:?}");
    if histories >= 1000 {
        assert!(counts.faults > histories, "{counts:?}");
        assert!(counts.in_doubt > histories / 10, "{counts:?}");
        assert!(counts.segments > 2 * histories, "{counts:?}");
    }
}
