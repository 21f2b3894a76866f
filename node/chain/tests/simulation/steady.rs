//! Validators that nothing happens to.

use std::time::Duration;

use commonware_runtime::{Clock, Runner};

use crate::world::{World, runner};

fn run(seed: u64) -> (String, Vec<(u64, String)>) {
    runner(seed, Duration::from_secs(300)).start(|context| async move {
        let mut world = World::new(context).await;
        world.start_all().await;
        world.reach(&[0, 1, 2, 3], 2).await;
        world.submit_transfers(30);
        while world.history.transactions() < 30 {
            world.context.sleep(Duration::from_millis(50)).await;
        }
        let top = world.top();
        world.reach(&[0, 1, 2, 3], top + 3).await;
        world.assert_agreed(&[0, 1, 2, 3]).await;
        let blocks = world.history.blocks();
        let blocks = blocks
            .iter()
            .map(|(height, block)| (*height, block.digest.to_string()));
        (world.context.auditor().state(), blocks.collect())
    })
}

/// P1: four validators make blocks with transfers final, and have equal roots.
#[test]
fn four_validators_agree() {
    let (_, blocks) = run(1);
    assert!(blocks.len() >= 5, "{blocks:?}");
}

/// The same seed gives the same history, to the last message; another seed another one.
#[test]
fn the_same_seed_is_the_same_history() {
    let first = run(7);
    assert_eq!(run(7), first);
    assert_ne!(run(8).0, first.0);
}
