//! P1, P3, P5: a day of blocks in minutes. A node executes small blocks of a mixed workload, on forks and through reorganisations, undoes and drops
//! some, commits late, finalises, is closed or cut off and opened again, while other threads query any commit that is retained. At the end every root and root of
//! receipts is that of a plain run, a session and a commit per block; and neither memory nor disk have grown since the first quarter.
//!
//! The test runs a short one. The long one, of as many blocks as a day has at one every ten seconds:
//!
//! ```sh
//! CROSTATA_SIMULATION_BLOCKS=8640 cargo test --release --test simulation -- --nocapture
//! ```
//!
//! `CROSTATA_SIMULATION_SEED` gives another day.

#[path = "../fixtures/mod.rs"]
mod fixtures;
mod node;
mod plain;
#[path = "../common/random.rs"]
mod random;
mod readers;
mod usage;
mod world;

use std::env;
use std::time::Instant;

use node::Node;
use usage::Usage;

/// Blocks of the short simulation.
const SHORT: u64 = 320;

fn number(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[test]
fn a_day_of_blocks_is_a_plain_run() {
    let seed = number("CROSTATA_SIMULATION_SEED", 1);
    let blocks = number("CROSTATA_SIMULATION_BLOCKS", SHORT);
    println!("seed {seed}, {blocks} blocks");
    let begin = Instant::now();
    let mut node = Node::new(seed);
    let readers = readers::start(&node, 2);
    node.run(blocks / 4);
    let quarter = Usage::of(&node);
    println!("after a quarter: {quarter}");
    node.run(blocks - blocks / 4);
    let end = Usage::of(&node);
    println!("at the end: {end}");
    let asked = readers.stop();
    println!(
        "{}; {} queries, {begin:.0?}",
        node.told,
        asked,
        begin = begin.elapsed()
    );
    assert!(asked > blocks / 10, "{asked} queries of {blocks} blocks");
    node.told.assert_mixed();

    let begin = Instant::now();
    plain::assert_same(seed, &node.canonical);
    println!("a plain run has the same roots: {:.0?}", begin.elapsed());
    node.assert_sound();
    end.assert_no_more_than(&quarter);
}
