//! A commit until it is durable.

use std::time::Duration;

use crate::common::World;
use crate::floor::Floor;
use crate::report::{Report, alternate, median, timed};

pub fn commit_1000(report: &Report) {
    commit(report, "durable_1000_pages", 1_000, 2.0);
}

pub fn commit_1000_growing(report: &Report) {
    let world = World::filled();
    let times = (0..9).map(|round| once(&world, 1_000, 2 * round)).collect();
    let note = "in files that no segment had before";
    report.figure("growing_1000_pages", "us", median(times), note);
}

pub fn commit_1(report: &Report) {
    commit(report, "durable_1_page", 1, 1.5);
}

/// Commits in a log that has had so many that its segments take the files of earlier ones, as in any that is not new.
const ROUNDS_BEFORE: u8 = 40;

/// The pages lie 64 KiB apart. The commit is removed again, which is not timed.
fn commit(report: &Report, name: &str, pages: u32, wanted: f64) {
    let world = World::filled();
    let mut floor = Floor::new(world.vm.root_dir().parent().unwrap(), pages as usize * 4096);
    let mut value = 0;
    for round in 0..ROUNDS_BEFORE {
        once(&world, 1_000, round);
    }
    let ours = || {
        value = u8::wrapping_add(value, 2);
        once(&world, pages, value)
    };
    let (ours, limit) = alternate(61, ours, || floor.round());
    report.ratio(name, "us", ours, limit, wanted);
    std::fs::remove_file(world.vm.root_dir().parent().unwrap().join("floor")).unwrap();
}

fn once(world: &World, pages: u32, value: u8) -> Duration {
    let mut session = world.written(pages, value | 2);
    let (elapsed, commit) = timed(|| session.commit().unwrap());
    drop(session);
    world.vm.delete_commit(commit).unwrap();
    elapsed
}
