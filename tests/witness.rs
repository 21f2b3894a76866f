//! P1: what a session comes to follows from its witness alone: the same root and receipts without any directory, on both backends.
//! P4, P7: a witness that lacks something, has too much, or was changed is a typed error, and never another result.
//! P8: a session that is recorded does what it does otherwise.
//!
//! `CROSTATA_WITNESS_SEED` and `CROSTATA_WITNESS_CASES` replay a case, or try others.

mod fixtures;

#[path = "witness/blocks.rs"]
mod blocks;
#[path = "witness/damage.rs"]
mod damage;
#[path = "common/random.rs"]
mod random;
#[path = "witness/scenes.rs"]
mod scenes;
#[path = "witness/world.rs"]
mod world;
