//! What a network of four validators does on this machine: `cargo bench --workspace --bench cluster`, in `node/`.
//!
//! The validators are processes on loopback, each with its own directory, and share the machine with whoever brings transfers. Beside what the network
//! does stands what one VM does with the same transfers, in blocks as long, in the same run: the least that each validator has to do.
//!
//! 1. *First block*: from starting the first process of a new network until a block is final on each validator. Several networks.
//! 2. *Transfers*: signed, brought over HTTP as fast as they are taken, counted when they are final.
//! 3. *Stopped*: one validator of four is killed under that load. Blocks a second before and after, and the longest time without a block.
//! 4. *Caught up*: the others go on for a thousand blocks and more, then it is started again. From starting its process until it has made final what was
//!    final when it was started; the load goes on.
//! 5. *Killed under load*, several times; then every transfer that was taken is final, and all blocks and roots are the same on all validators.
//!
//! It fails if anything is lost or differs, and never for a time.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crostata_machine::SecretKey;
use crostata_node::client::Client;
use crostata_node::config::{Config, PaceConfig};
use crostata_node::hex::Secret;
use crostata_node::http::answers::BlockAnswer;
use crostata_node::load::{Haste, Load, Senders};
use crostata_node::local::{LocalNetwork, Plan, Running};

const VALIDATORS: usize = 4;
/// How many networks are started.
const STARTS: usize = 5;
/// How long the load is measured, in seconds.
const LOAD_SECONDS: u64 = 15;
/// How long blocks are counted, before a validator is killed and after.
const COUNTED: Duration = Duration::from_secs(15);
/// How many blocks the one that is killed has to catch up at least.
const BEHIND: u64 = 1_000;
/// How often one is killed and started again under load.
const KILLS: usize = 3;
/// How often it is looked what is final: the error of the times.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Nothing takes so long that works.
const LONG: Duration = Duration::from_secs(600);

fn main() {
    let mut starts: Vec<_> = (0..STARTS).map(|_| first_block()).collect();
    starts.sort_unstable();
    println!(
        "first block             {:.2} s after the start, final on all (median of {STARTS}, {:.2} to {:.2})",
        starts[STARTS / 2].as_secs_f64(),
        starts[0].as_secs_f64(),
        starts[STARTS - 1].as_secs_f64(),
    );
    transfers();
    catching_up();
    killed_under_load();
}

struct Cluster {
    network: LocalNetwork,
    running: Vec<Option<Running>>,
    directory: tempfile::TempDir,
}

impl Cluster {
    /// Starts a new network, and waits for nothing.
    fn start(pace: PaceConfig) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let plan = Plan {
            pace,
            followers: 0,
            ..Plan::new(directory.path(), VALIDATORS)
        };
        let mut cluster = Self {
            network: plan.network().unwrap(),
            running: Vec::new(),
            directory,
        };
        cluster.running.resize_with(VALIDATORS, || None);
        (0..VALIDATORS).for_each(|node| cluster.start_node(node));
        cluster
    }

    fn start_node(&mut self, node: usize) {
        let program = Path::new(env!("CARGO_BIN_EXE_crostata-node"));
        let started = self.network.nodes[node].start_as(program).unwrap();
        self.running[node] = Some(started);
    }

    fn kill(&mut self, node: usize) {
        self.running[node].take().unwrap().kill().unwrap();
    }

    fn client(&self, node: usize) -> Client {
        Client::new(&self.network.nodes[node].url).unwrap()
    }

    fn keys(&self) -> Vec<SecretKey> {
        let key = |path| {
            let text = std::fs::read_to_string(path).unwrap();
            SecretKey::from_bytes(&text.parse::<Secret>().unwrap().to_bytes())
        };
        self.network.clients.iter().map(key).collect()
    }

    fn height(&self, node: usize) -> u64 {
        self.client(node).status().map_or(0, |status| status.height)
    }

    /// Waits until a height is final on a node, which may not answer yet.
    fn reach(&self, node: usize, height: u64) {
        let client = self.client(node);
        let begun = Instant::now();
        while client.status().map_or(0, |status| status.height) < height {
            assert!(
                begun.elapsed() < LONG,
                "validator {node} does not reach {height}"
            );
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Waits until nothing waits; then every account's transfers that were taken are final on all, blocks have as many, and all is the same on all. Gives the
    /// number of transfers.
    fn assert_nothing_lost(&self) -> u64 {
        let taken = self.keys().iter().map(|key| self.assert_final(key)).sum();
        let top = self.height(0);
        let blocks = self.blocks(0, top);
        let in_blocks: usize = blocks.iter().map(|block| block.transactions.len()).sum();
        assert_eq!(
            in_blocks as u64, taken,
            "transfers are lost, or there twice"
        );
        for node in 1..VALIDATORS {
            self.reach(node, top);
            for (ours, first) in self.blocks(node, top).iter().zip(&blocks) {
                let roots =
                    |block: &BlockAnswer| (block.digest, block.state_root, block.receipts_root);
                assert_eq!(roots(ours), roots(first), "block {}", first.height);
            }
        }
        taken
    }

    /// Waits until all that an account has brought is final on all.
    fn assert_final(&self, key: &SecretKey) -> u64 {
        let account = key.account();
        let begun = Instant::now();
        loop {
            let said = (0..VALIDATORS).map(|node| self.client(node).account(&account).unwrap());
            let said: Vec<_> = said.collect();
            let taken = said.iter().map(|account| account.next_nonce).max().unwrap();
            if said.iter().all(|account| account.nonce == taken) {
                return taken;
            }
            assert!(begun.elapsed() < LONG, "what waits is not made final");
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// All blocks of a node, up to a height.
    fn blocks(&self, node: usize, top: u64) -> Vec<BlockAnswer> {
        let client = self.client(node);
        let mut blocks: Vec<BlockAnswer> = Vec::new();
        while (blocks.len() as u64) < top {
            let more = client.blocks(blocks.len() as u64 + 1).unwrap();
            assert!(!more.is_empty(), "validator {node} has a gap");
            blocks.extend(more);
        }
        blocks.truncate(usize::try_from(top).unwrap());
        let heights = blocks.iter().map(|block| block.height);
        assert!(heights.eq(1..=top), "validator {node} has a gap");
        blocks
    }
}

/// From starting a new network until each validator has a final block.
fn first_block() -> Duration {
    let begun = Instant::now();
    let cluster = Cluster::start(PaceConfig::default());
    (0..VALIDATORS).for_each(|node| cluster.reach(node, 1));
    begun.elapsed()
}

fn transfers() {
    let cluster = Cluster::start(PaceConfig::default());
    (0..VALIDATORS).for_each(|node| cluster.reach(node, 1));
    let load = Load {
        urls: urls(&cluster, VALIDATORS),
        keys: cluster.keys(),
        seconds: LOAD_SECONDS,
    };
    let genesis = Config::read(&cluster.network.nodes[0].config).unwrap();
    let alone = cluster.directory.path().join("alone");
    let measured = load.measure(&genesis.genesis().unwrap(), &alone).unwrap();
    println!("{measured}");
    cluster.assert_nothing_lost();
}

fn urls(cluster: &Cluster, nodes: usize) -> Vec<String> {
    let nodes = cluster.network.nodes.iter().take(nodes);
    nodes.map(|node| node.url.clone()).collect()
}

/// What a validator that is not there costs, and how long it takes to have all that it missed.
fn catching_up() {
    let pace = PaceConfig {
        idle_max_ms: 50,
        ..PaceConfig::default()
    };
    let mut cluster = Cluster::start(pace);
    (0..VALIDATORS).for_each(|node| cluster.reach(node, 1));
    let haste = Haste {
        batch: 4,
        pause: Duration::from_millis(100),
    };
    let last = VALIDATORS - 1;
    let senders = Senders::start(&urls(&cluster, last), &cluster.keys(), haste).unwrap();
    let before = Counted::now(&cluster);
    cluster.kill(last);
    let known = cluster.height(0);
    let after = Counted::now(&cluster);
    println!("with four validators    {before}");
    println!("with one of them killed {after}");
    cluster.reach(0, known + BEHIND);
    let begun = Instant::now();
    cluster.start_node(last);
    let top = cluster.height(0);
    cluster.reach(last, top);
    let took = begun.elapsed();
    senders.stop().unwrap();
    let behind = top - known;
    let transfers = cluster.assert_nothing_lost();
    println!(
        "caught up               {behind} blocks in {:.1} s; {transfers} transfers of the run are final, nothing lost, roots equal",
        took.as_secs_f64()
    );
}

/// Blocks within some time.
struct Counted {
    blocks: u64,
    took: Duration,
    longest: Duration,
}

impl Counted {
    fn now(cluster: &Cluster) -> Self {
        let client = cluster.client(0);
        let height = || client.status().unwrap().height;
        let begun = Instant::now();
        let first = height();
        let (mut last, mut seen, mut longest) = (first, begun, Duration::ZERO);
        while begun.elapsed() < COUNTED {
            let now = height();
            if now > last {
                longest = longest.max(seen.elapsed());
                (last, seen) = (now, Instant::now());
            }
            thread::sleep(LOOK_EVERY);
        }
        Self {
            blocks: last - first,
            took: begun.elapsed(),
            longest: longest.max(seen.elapsed()),
        }
    }
}

impl std::fmt::Display for Counted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rate = self.blocks as f64 / self.took.as_secs_f64();
        let longest = self.longest.as_secs_f64();
        write!(f, "{rate:.1} blocks/s, at most {longest:.2} s without one")
    }
}

/// Validators are killed and started again while transfers come as fast as they are taken.
fn killed_under_load() {
    let mut cluster = Cluster::start(PaceConfig::default());
    (0..VALIDATORS).for_each(|node| cluster.reach(node, 1));
    let last = VALIDATORS - 1;
    let senders = Senders::start(&urls(&cluster, last), &cluster.keys(), Haste::default()).unwrap();
    for _ in 0..KILLS {
        thread::sleep(Duration::from_secs(4));
        cluster.kill(last);
        thread::sleep(Duration::from_secs(4));
        cluster.start_node(last);
        cluster.reach(last, cluster.height(0));
    }
    senders.stop().unwrap();
    let transfers = cluster.assert_nothing_lost();
    println!(
        "killed under load       {KILLS} times: {transfers} transfers taken, all final once, {} blocks, roots equal on all",
        cluster.height(0)
    );
}
