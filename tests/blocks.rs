//! P1: what a block comes to follows from its transactions in their order, whatever was tried and undone between, who listens, and when
//! it is committed. P2: a transaction happens wholly or not at all.
//! P8: listening to a block changes nothing of it.
//!
//! `CROSTATA_BLOCKS_SEED` and `CROSTATA_BLOCKS_CASES` replay a case, or try others.

use crostata::Execution;

/// How the blocks of these tests are executed; `blocks_parallel.rs` says otherwise.
const EXECUTION: Execution = Execution::Serial;

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
