//! Random histories of several processes, each of which dies or whose disk fails.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crostata::store::files::{Fault, MemoryFiles, Unsynced};

use crate::model::Writes;
use crate::process::{Disk, Step, Told, check_and_go_on, run};
use crate::random::Random;

const HISTORIES: u64 = 150;
const PAGES: [u32; 8] = [0, 1, 2, 3, 15, 33, 40, 47];

impl Random {
    fn writes(&mut self) -> Vec<Writes> {
        let contract = 1 + self.below(3);
        let pages = (0..1 + self.below(3)).map(|_| (self.among(&PAGES), self.below(4) as u32));
        let pages = pages.collect();
        vec![Writes { contract, pages }]
    }

    fn step(&mut self) -> Step {
        let any = self.next() >> 1;
        let number = self.among(&[u64::MAX, u64::MAX, any]);
        match self.below(18) {
            0..6 => Step::Commit(number, self.writes()),
            6 => Step::Seal(number, self.writes()),
            7 | 8 => Step::Store(number),
            9..12 => Step::Finalise(number),
            12 => Step::Delete(number),
            13 => Step::Checkpoint,
            14 | 15 => Step::Hold(number),
            16 => Step::Peek(any, 1 + self.below(3), self.among(&PAGES)),
            _ => Step::Release(number),
        }
    }

    /// As above, with most of it in sessions.
    fn step_of_sessions(&mut self) -> Step {
        let any = self.next() >> 1;
        match self.below(12) {
            0 | 1 => Step::Hold(u64::MAX),
            2..5 => Step::Peek(any, 1 + self.below(3), self.among(&PAGES)),
            5 | 6 => Step::End(any),
            7 => Step::Finalise(u64::MAX),
            8 => Step::Checkpoint,
            _ => self.step(),
        }
    }

    fn unsynced(&mut self) -> Unsynced {
        match self.below(6) {
            0 => Unsynced::Lost,
            1 => Unsynced::Kept,
            _ => Unsynced::Torn(self.next()),
        }
    }
}

/// Whether the disk failed.
fn history(seed: u64) -> u64 {
    let mut random = Random::new(seed);
    let mut told = Told::nothing();
    let mut files = MemoryFiles::new();
    let mut faults = 0;
    for _ in 0..1 + random.below(3) {
        let steps: Vec<Step> = (0..4 + random.below(8)).map(|_| random.step()).collect();
        let faults_to_choose = [
            Fault::Cut,
            Fault::Cut,
            Fault::Io,
            Fault::NoSpace,
            Fault::Short,
        ];
        let fault = random.among(&faults_to_choose);
        let disk = Disk::failing(&files, random.below(60), fault);
        run(&disk, &steps, &mut told);
        faults += u64::from(disk.has_failed());
        files = disk.crash(random.unsynced());
    }
    check_and_go_on(&files, &told);
    faults
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn random_histories_lose_nothing_that_was_acknowledged() {
    let histories = from_environment("CROSTATA_FAULT_HISTORIES").unwrap_or(HISTORIES);
    let first = from_environment("CROSTATA_FAULT_SEED").unwrap_or(0);
    let mut faults = 0;
    for seed in first..first + histories {
        match catch_unwind(AssertUnwindSafe(|| history(seed))) {
            Ok(count) => faults += count,
            Err(_) => panic!("replay with CROSTATA_FAULT_SEED={seed} CROSTATA_FAULT_HISTORIES=1"),
        }
    }
    println!("seeds {first} and {histories} more, {faults} faults");
    assert!(histories < 100 || faults > histories / 2, "{faults}");
}

/// Long histories on a disk that works, with sessions over states of all ages.
#[test]
fn sessions_outlive_what_they_are_based_on() {
    for seed in 0..20 {
        let mut random = Random::new(seed);
        let disk = Disk::sound(&MemoryFiles::new());
        let mut told = Told::nothing();
        for _ in 0..2 {
            let steps: Vec<Step> = (0..200).map(|_| random.step_of_sessions()).collect();
            assert!(run(&disk, &steps, &mut told), "seed {seed}");
        }
        check_and_go_on(&disk.crash(Unsynced::Lost), &told);
    }
}
