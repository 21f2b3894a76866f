//! Queries: P1 (nothing that depends on a clock becomes a block), P6 (what queries take is bounded and fair) and P7 (no query, and no client that
//! comes or goes, takes a block or the process down).

#[path = "../fixtures/mod.rs"]
mod fixtures;

mod answers;
mod scene;
