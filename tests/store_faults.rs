//! P3: whatever the disk does at whatever operation of a VM, every acknowledged commit is there afterwards with the
//! right bytes, what was not acknowledged is there wholly or not at all, and the VM goes on.
//!
//! Short histories with a fault at every operation of the disk, and random ones. `src/state/tests` does the same below
//! the VM, without executing anything, with many thousand histories.
//!
//! `CROSTATA_FAULT_HISTORIES` sets how many random histories there are, `CROSTATA_FAULT_SEED` the first seed; a
//! failure prints its own. The longer run of both is
//! `CROSTATA_FAULT_HISTORIES=1000000 cargo test --release random_histories -- --nocapture`.

mod common;

#[path = "store_faults/directed.rs"]
mod directed;
#[path = "store_faults/model.rs"]
mod model;
#[path = "store_faults/process.rs"]
mod process;
#[path = "common/random.rs"]
mod random;
#[path = "store_faults/seeded.rs"]
mod seeded;
