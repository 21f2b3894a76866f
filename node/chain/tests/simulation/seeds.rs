//! Anything happening to anybody, at any time, chosen by a seed: one history all the same, and the chain goes on when it is over.
//!
//! `CROSTATA_SEEDS=1000` runs so many, `CROSTATA_SEEDS=1000..2000` others, `CROSTATA_SEED=17` that one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use std::{fmt, thread};

use commonware_p2p::simulated::Link;
use commonware_runtime::{Clock, Runner, Supervisor};
use commonware_utils::Probability;
use crostata::store::files::{Fault, Unsynced};
use rand::{Rng, RngExt as _};

use crate::world::{Agreed, FOLLOWER, LINK, NODES, World, runner};

/// How many seeds are run where nobody says so.
const SEEDS: u64 = 12;
/// Within how many operations the engine's disk fails, where it does: starting takes some hundred.
const ENGINE_OPERATIONS: u64 = 2_000;
/// How many things happen.
const EVENTS: usize = 14;

#[test]
fn whatever_happens_there_is_one_history() {
    let seeds = Seeds::chosen();
    let next = AtomicU64::new(seeds.first);
    let failed = Mutex::new(BTreeSet::new());
    // Each in a thread of its own name: what it prints says which seed it was.
    let work = || {
        while let Some(seed) = seeds.take(&next) {
            let name = format!("CROSTATA_SEED={seed}");
            let ran = thread::Builder::new().name(name).spawn(move || run(seed));
            if ran.unwrap().join().is_err() {
                failed.lock().unwrap().insert(seed);
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        (0..threads).for_each(|_| drop(scope.spawn(work)));
    });
    let failed = failed.into_inner().unwrap();
    println!("seeds {seeds}: {} failed", failed.len());
    assert!(
        failed.is_empty(),
        "of the seeds {seeds} these failed: {failed:?}; one again: CROSTATA_SEED={} cargo test --workspace --test simulation whatever",
        failed.iter().next().unwrap()
    );
}

/// What happened can be had again: the same seed is the same history also where anything happens, to the last message and the last byte on an engine's disk.
#[test]
fn the_same_seed_is_the_same_history_whatever_happens() {
    for seed in [3, 4] {
        let (first, again) = thread::scope(|scope| {
            let first = scope.spawn(|| run(seed));
            (first.join().unwrap(), run(seed))
        });
        assert_eq!(first, again, "CROSTATA_SEED={seed}");
    }
    assert_ne!(run(3), run(4));
}

/// Seeds one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seeds {
    first: u64,
    end: u64,
}

impl Seeds {
    /// What the environment says, or a few.
    fn chosen() -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        let chosen = match (variable("CROSTATA_SEED"), variable("CROSTATA_SEEDS")) {
            (Some(one), _) => one.parse().ok().map(Self::one),
            (None, Some(some)) => Self::parse(&some),
            (None, None) => Some(Self {
                first: 0,
                end: SEEDS,
            }),
        };
        chosen.expect("CROSTATA_SEED is a number, CROSTATA_SEEDS a number of seeds or a range, as in 1000..2000")
    }

    fn one(seed: u64) -> Self {
        let (first, end) = (seed, seed + 1);
        Self { first, end }
    }

    /// How many, or from where to where.
    fn parse(text: &str) -> Option<Self> {
        let (first, end) = text.split_once("..").unwrap_or(("0", text));
        let (first, end) = (first.parse().ok()?, end.parse().ok()?);
        (first < end).then_some(Self { first, end })
    }

    /// The next one that nobody has taken.
    fn take(&self, next: &AtomicU64) -> Option<u64> {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        (seed < self.end).then_some(seed)
    }
}

impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.first, self.end)
    }
}

/// What a seed comes to.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    /// All that happened, in a number.
    audit: String,
    blocks: BTreeMap<u64, Agreed>,
    /// What is on the engines' disks, in a number.
    disks: u64,
}

fn run(seed: u64) -> Outcome {
    runner(seed, Duration::from_secs(3_600)).start(|context| async move {
        let mut random = context.child("events");
        let mut world = World::new(context).await;
        world.start_all().await;
        for _ in 0..EVENTS {
            happen(&mut world, &mut random).await;
            world.assert_sound().await;
            let wait = Duration::from_millis(random.random_range(0..3_000));
            world.context.sleep(wait).await;
        }
        heal(&mut world).await;
        let all: Vec<usize> = (0..NODES).collect();
        world.reach(&all, world.top() + 3).await;
        world.assert_agreed(&all).await;
        Outcome {
            audit: world.context.auditor().state(),
            blocks: world.history.blocks(),
            disks: world.crash_all().await,
        }
    })
}

fn unsynced(random: &mut impl Rng) -> Unsynced {
    match random.random_range(0..4) {
        0 => Unsynced::Lost,
        1 => Unsynced::Kept,
        _ => Unsynced::Torn(random.random()),
    }
}

async fn happen(world: &mut World, random: &mut impl Rng) {
    let node = random.random_range(0..NODES);
    let runs = world.nodes[node].running.is_some();
    match (random.random_range(0..10), runs) {
        (0 | 1, true) => world.crash(node, unsynced(random)).await,
        (0..5, false) if node != FOLLOWER => start(world, node, random).await,
        (0..5, false) => follow(world, random).await,
        (2, true) => world.cut_off(node).await,
        (3, _) => world.join(node).await,
        (4, _) => world.link_all(&link(random)).await,
        (5, true) if node != FOLLOWER => {
            world.crash(node, unsynced(random)).await;
            start(world, node, random).await;
        }
        _ => world.submit_transfers(random.random_range(1..12)),
    }
}

/// Starts a validator, perhaps a slow one, perhaps on a disk that will fail: the VM's, the engine's, or both.
async fn start(world: &mut World, node: usize, random: &mut impl Rng) {
    world.nodes[node].alarms = Default::default();
    world.nodes[node].held_up = match random.random_range(0..3) {
        0 => Duration::from_millis(random.random_range(0..200)),
        _ => Duration::ZERO,
    };
    world.nodes[node].sync = match random.random_range(0..4) {
        0 => Duration::from_millis(random.random_range(0..60)),
        _ => Duration::ZERO,
    };
    let mut disks = world.disks(node);
    if let Some(fault) = fault(random) {
        // Not while it opens: a machine that does not open is not started.
        disks = disks.vm_failing(random.random_range(200..1_000), fault);
    }
    if let Some(fault) = fault(random) {
        disks = disks.engine_failing(random.random_range(0..ENGINE_OPERATIONS), fault);
    }
    world.start_as(node, disks, |machine| machine).await;
}

fn fault(random: &mut impl Rng) -> Option<Fault> {
    match random.random_range(0..8) {
        0 => Some(Fault::Io),
        1 => Some(Fault::Cut),
        2 => Some(Fault::NoSpace),
        3 => Some(Fault::Short),
        _ => None,
    }
}

/// Has the follower follow: by what is on its disk, or by state sync, which may be interrupted.
async fn follow(world: &mut World, random: &mut impl Rng) {
    let within = Duration::from_millis(random.random_range(100..4_000));
    match world.has_state(FOLLOWER) {
        true => world.start(FOLLOWER).await,
        false => drop(world.start_by_sync(FOLLOWER, within).await),
    }
}

fn link(random: &mut impl Rng) -> Link {
    Link {
        latency: Duration::from_millis(random.random_range(1..150)),
        jitter: Duration::from_millis(random.random_range(0..80)),
        success_rate: Probability::new(random.random_range(85..101), 100).unwrap(),
    }
}

/// Everybody runs on a disk that works, and hears everybody.
async fn heal(world: &mut World) {
    world.link_all(&LINK).await;
    for node in 0..NODES {
        let running = world.nodes[node].running.as_ref();
        if running.is_some_and(|running| !running.disks.work()) {
            world.crash(node, Unsynced::Lost).await;
        }
        world.nodes[node].alarms = Default::default();
        world.nodes[node].held_up = Duration::ZERO;
        world.nodes[node].sync = Duration::ZERO;
    }
    for node in (0..FOLLOWER).chain([FOLLOWER]) {
        match world.nodes[node].running {
            Some(_) => {}
            None if node == FOLLOWER && !world.has_state(node) => {
                assert!(world.start_by_sync(node, Duration::from_secs(300)).await);
            }
            None => world.start(node).await,
        }
    }
}
