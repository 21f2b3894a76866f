//! A commit until it is durable.

use std::time::Duration;

use crate::common::World;
use crate::floor::Floor;
use crate::report::{Report, alternate, timed};

pub fn commit_1000(report: &Report) {
    commit(report, "durable_1000_pages", 1_000, 2.0);
}

pub fn commit_1(report: &Report) {
    commit(report, "durable_1_page", 1, 1.5);
}

/// The pages lie 64 KiB apart. The commit is removed again, which is not timed.
fn commit(report: &Report, name: &str, pages: u32, wanted: f64) {
    let world = World::filled();
    let mut floor = Floor::new(world.vm.root_dir().parent().unwrap(), pages as usize * 4096);
    let mut value = 0;
    let ours = || {
        value += 2;
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
