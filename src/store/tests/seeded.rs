//! P3: random histories, cut again and again at random operations, lose nothing that was synced.
//!
//! Each history is made of its seed, which a failure prints. `CROSTATA_STORE_HISTORIES` sets how
//! many there are.

use super::keeper::{Keeper, Step, Told, check_and_go_on, run};
use super::*;
use crate::random::Random;
use crate::store::files::{Fault, Unsynced};

const HISTORIES: u64 = 400;

impl Random {
    fn step(&mut self) -> Step {
        match self.below(12) {
            0..6 => {
                let first = self.below(20) as u32;
                let len = 1 + self.below(5) as u32;
                Step::Put {
                    keys: (first..first + len).collect(),
                    vouched: self.below(2) == 0,
                }
            }
            6..8 => Step::Sync,
            8 => Step::Checkpoint,
            9 => Step::Compact,
            10 => Step::Lease,
            _ => Step::Release,
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

/// Up to four processes work on the same files; each but the last dies, or its disk fails.
fn history(seed: u64) {
    let mut random = Random::new(seed);
    let mut told = Told::new();
    let mut files = MemoryFiles::new();
    for _ in 0..1 + random.below(4) {
        let steps: Vec<Step> = (0..1 + random.below(30)).map(|_| random.step()).collect();
        let at = random.below(120);
        let fault = match random.below(4) {
            0 => Fault::Io,
            1 => Fault::NoSpace,
            _ => Fault::Cut,
        };
        let failing = faulty(&files, FaultyFiles::failing(at, fault));
        run(&failing, &steps, &mut told);
        if !failing.is_cut() && random.below(2) == 0 {
            run(&failing, &steps, &mut told);
        }
        files = failing.crash(random.unsynced());
    }
    check_and_go_on(&files, &told);
}

#[test]
fn random_histories_lose_nothing_that_was_synced() {
    let histories = std::env::var("CROSTATA_STORE_HISTORIES");
    let histories = histories.map_or(HISTORIES, |text| text.parse().unwrap());
    for seed in 0..histories {
        let done = std::panic::catch_unwind(|| history(seed));
        assert!(done.is_ok(), "history with seed {seed}");
    }
}

#[test]
fn random_histories_are_not_all_short() {
    let (mut segments, mut recycled) = (0, 0);
    for seed in 0..20 {
        let mut random = Random::new(seed);
        let files = MemoryFiles::new();
        let faulty = faulty(&files, FaultyFiles::new());
        let steps: Vec<Step> = (0..30).map(|_| random.step()).collect();
        assert!(run(&faulty, &steps, &mut Told::new()));
        let (keeper, _) = Keeper::open(&faulty).unwrap();
        let numbers = keeper.store.segments().into_iter();
        for segment in numbers {
            segments += 1;
            let header = keeper.store.segments.header(segment.number).unwrap();
            recycled += usize::from(header.recycled);
        }
    }
    assert!(segments > 40 && recycled > 10, "{recycled} of {segments}");
}
