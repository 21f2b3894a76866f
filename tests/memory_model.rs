//! P1, P2, P4: memories under random nested calls, failures, savepoints and commits, against plain bytes.
//!
//! Every case is run in several lanes at once: one session that stays, sessions over commits that are dropped and opened
//! again, sessions with more contracts than stay mapped, on either backend. What they tell of a call, gas
//! included, must be the same to the last bit (P1), what their contracts hold must be what the model says (P2), and
//! bytes alone decide roots (P4). Several worlds live on one VM at a time and over the same commits; none sees
//! what another writes.
//!
//! `CROSTATA_MODEL_SEED` and `CROSTATA_MODEL_CASES` replay a case, or try others.

mod fixtures;

#[path = "memory_model/bytes.rs"]
mod bytes;
#[path = "memory_model/crowd.rs"]
mod crowd;
#[path = "memory_model/generate.rs"]
mod generate;
#[path = "memory_model/lane.rs"]
mod lane;
#[path = "memory_model/minimise.rs"]
mod minimise;
#[path = "memory_model/model.rs"]
mod model;
#[path = "memory_model/mover.rs"]
mod mover;
#[path = "common/proofs.rs"]
mod proofs;
#[path = "common/random.rs"]
mod random;
#[path = "memory_model/world.rs"]
mod world;

use crostata::Backend;
use fixtures::{BACKENDS, Narrow, Wide, Width};
use generate::Shape;
use lane::Track;
use lane::Way::{Committing, Crowded, Steady};
use minimise::hold;
use world::Stage;

const FIRST: Backend = BACKENDS[0];
const SECOND: Backend = BACKENDS[1];

/// Bytes that an image cache keeps: enough for all, and next to nothing.
const CACHES: [u64; 2] = [512 << 20, 1 << 16];

fn shape(widths: [Width; 2]) -> Shape {
    Shape {
        widths,
        giant: false,
    }
}

/// Contracts of one session that stays, of one over commits, and of another backend.
fn three_lanes(shape: Shape) -> Stage {
    let tracks = vec![
        Track::new(FIRST, Steady, shape, CACHES[0], 0),
        Track::new(FIRST, Committing, shape, CACHES[1], 0),
        Track::new(SECOND, Committing, shape, CACHES[0], 0),
    ];
    Stage::new(tracks, shape)
}

#[test]
fn narrow_memories_are_as_the_model_says() {
    let counts = hold(&three_lanes(shape([Narrow, Narrow])), 1_000, 24, 60);
    assert!(counts.steps > 10_000, "{counts:?}");
}

#[test]
fn wide_memories_are_as_the_model_says() {
    let counts = hold(&three_lanes(shape([Wide, Wide])), 2_000, 24, 60);
    assert!(counts.steps > 10_000, "{counts:?}");
}

#[test]
fn mixed_memories_are_as_the_model_says() {
    let shape = shape([Narrow, Wide]);
    let tracks = vec![
        Track::new(SECOND, Steady, shape, CACHES[0], 0),
        Track::new(FIRST, Steady, shape, CACHES[0], 0),
        Track::new(FIRST, Committing, shape, CACHES[1], 0),
    ];
    let counts = hold(&Stage::new(tracks, shape), 3_000, 24, 60);
    assert!(counts.steps > 10_000, "{counts:?}");
}

/// Memories that are unmapped when others are used, and mapped again, with savepoints open.
#[test]
fn parked_memories_are_as_the_model_says() {
    const IDLE: u16 = 600;
    let shape = shape([Narrow, Wide]);
    let tracks = vec![
        Track::new(FIRST, Steady, shape, CACHES[0], IDLE),
        Track::new(FIRST, Crowded, shape, CACHES[0], IDLE),
    ];
    let counts = hold(&Stage::new(tracks, shape), 4_000, 6, 80);
    assert!(counts.steps > 2_000, "{counts:?}");
}

/// Memories about 4 GiB and 4 TiB large: the last page spills into the first, and regions move under running frames.
#[test]
fn giant_memories_are_as_the_model_says() {
    let shape = Shape {
        widths: [Narrow, Wide],
        giant: true,
    };
    let tracks = vec![
        Track::new(FIRST, Steady, shape, CACHES[0], 0),
        Track::new(SECOND, Committing, shape, CACHES[1], 0),
    ];
    let counts = hold(&Stage::new(tracks, shape), 5_000, 12, 60);
    assert!(counts.steps > 4_000, "{counts:?}");
}
