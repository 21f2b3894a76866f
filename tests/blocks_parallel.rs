//! P1: every promise of `blocks.rs` holds for blocks that are executed in parallel.

use std::num::NonZeroUsize;

use crostata::Execution;

/// How the blocks of these tests are executed.
const EXECUTION: Execution = Execution::Parallel {
    threads: NonZeroUsize::new(3).unwrap(),
};

mod fixtures;

#[path = "blocks/context.rs"]
mod context;
#[path = "blocks/queries.rs"]
mod queries;
#[path = "common/random.rs"]
mod random;
#[path = "blocks/random.rs"]
mod random_blocks;
#[path = "blocks/sealing.rs"]
mod sealing;
#[path = "blocks/streams.rs"]
mod streams;
#[path = "blocks/transactions.rs"]
mod transactions;
#[path = "blocks/world.rs"]
mod world;
