//! Validators, their links and disks, and what must hold of all of them at every moment: one history.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use commonware_cryptography::Signer as _;
use commonware_cryptography::ed25519::{PrivateKey, PublicKey};
use commonware_macros::select;
use commonware_p2p::simulated::{self, Link, Network, Oracle};
use commonware_runtime::{Clock, Handle, Quota, Spawner, Supervisor, deterministic};
use commonware_utils::channel::oneshot;
use commonware_utils::ordered::Set;
use commonware_utils::{NZU32, NZUsize, TryCollect as _, probability};
use crostata::store::files::{Fault, FaultyFiles, Files, MemoryFiles, Unsynced};
use crostata::{Config, LogConfig, Protocol, Root, VM};
use crostata_chain::{
    Alarms, Channels, Explanation, FinalBlock, Inbox, Keys, Marshal, NotExplained, Settings,
    SharedPool, Snapshots, StateSync, Stores, SubmitError, Validator, message_bytes_max, scheme,
};

use crostata_machine::{
    Account, BANK, BANK_CODE, Block, BlockDigest, Draft, Genesis, Machine, Pool, PoolLimits, Rules,
    Sealed, SecretKey, Transaction, TransactionDigest, VmMachine,
};

use crate::ground::Ground;
use crate::panics;

pub const VALIDATORS: usize = 4;
/// Validators, and one more who follows.
pub const NODES: usize = 5;
pub const FOLLOWER: usize = 4;
pub const GAS: u64 = 2_000_000;
pub const RICH: u64 = 1_000_000_000_000_000;

pub const LINK: Link = Link {
    latency: Duration::from_millis(20),
    jitter: Duration::from_millis(5),
    success_rate: probability!(1.0),
};

/// What a block must be on every validator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreed {
    pub digest: BlockDigest,
    pub root: Root,
    pub transactions: usize,
}

/// The one history.
#[derive(Clone, Default)]
pub struct History(Arc<Mutex<BTreeMap<u64, Agreed>>>);

impl History {
    /// Whatever any validator makes final at a height all of them do.
    fn add(&self, node: usize, block: &FinalBlock) {
        let header = block.block.header();
        let agreed = Agreed {
            digest: block.block.digest(),
            root: header.state_root,
            transactions: block.block.transactions().len(),
        };
        let mut blocks = self.0.lock().unwrap();
        let known = *blocks.entry(header.height).or_insert(agreed);
        assert_eq!(
            known, agreed,
            "validator {node} diverged at {}",
            header.height
        );
    }

    pub fn blocks(&self) -> BTreeMap<u64, Agreed> {
        self.0.lock().unwrap().clone()
    }

    pub fn transactions(&self) -> usize {
        self.blocks().values().map(|block| block.transactions).sum()
    }
}

/// A validator: what stays when it crashes, and what runs.
pub struct Node {
    pub key: PrivateKey,
    /// The VM's disk.
    pub disk: MemoryFiles,
    /// The engine's.
    pub engine_disk: MemoryFiles,
    pub alarms: Alarms,
    /// Whether its disk was replaced by an older one.
    pub replaced: bool,
    /// How slow its processor and the VM's disk are.
    pub held_up: Duration,
    /// How long it takes until something is on the engine's disk.
    pub sync: Duration,
    pub running: Option<Running>,
}

pub struct Running {
    pub machine: Arc<VmMachine>,
    pub pool: SharedPool,
    pub disks: Disks,
    pub inbox: Arc<dyn Submit>,
    marshal: Marshal,
    handle: Handle<()>,
    sync: StateSync,
    ended: Arc<AtomicBool>,
}

impl Running {
    /// Whether a part of it has ended: the whole is not one any more.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }
}

/// What a validator is started over.
#[derive(Clone)]
pub struct Disks {
    pub vm: FaultyFiles,
    pub engine: FaultyFiles,
    /// At which operations they fail, if they do.
    vm_fails_at: Option<u64>,
    engine_fails_at: Option<u64>,
}

impl Disks {
    /// The same, but the VM's fails at an operation.
    pub fn vm_failing(self, number: u64, fault: Fault) -> Self {
        let vm = copy(
            &self.vm.crash(Unsynced::Kept),
            FaultyFiles::failing(number, fault),
        );
        Self { vm, ..self }
    }

    /// The same, but the engine's fails at an operation.
    pub fn engine_failing(self, number: u64, fault: Fault) -> Self {
        let engine = self.engine.crash(Unsynced::Kept);
        Self {
            engine: copy(&engine, FaultyFiles::failing(number, fault)),
            engine_fails_at: Some(number),
            ..self
        }
    }

    /// Whether neither will fail.
    pub fn work(&self) -> bool {
        self.vm_fails_at.is_none() && self.engine_fails_at.is_none()
    }

    /// Whether the engine's disk has failed.
    pub fn engine_has_failed(&self) -> bool {
        let operations = self.engine.operations();
        self.engine_fails_at
            .is_some_and(|number| operations > number)
    }
}

/// Where a client's transaction comes in.
pub trait Submit: Send + Sync {
    fn submit(&self, transaction: &Transaction) -> Result<TransactionDigest, SubmitError>;
}

impl<M: Machine> Submit for Inbox<M> {
    fn submit(&self, transaction: &Transaction) -> Result<TransactionDigest, SubmitError> {
        Self::submit(self, transaction)
    }
}

/// Tells that a task has ended, however it does.
struct Ending(Arc<AtomicBool>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

type Sending = simulated::Sender<PublicKey, deterministic::Context>;
type Receiving = simulated::Receiver<PublicKey>;

pub struct World {
    pub context: deterministic::Context,
    pub oracle: Oracle<PublicKey, deterministic::Context>,
    pub genesis: Genesis,
    pub nodes: Vec<Node>,
    pub history: History,
    nonces: BTreeMap<u8, u64>,
}

/// The client that signs.
pub fn client(number: u8) -> SecretKey {
    SecretKey::from_bytes(&[number + 1; 32])
}

pub const CLIENTS: u8 = 3;

pub fn genesis() -> Genesis {
    Genesis {
        // The deterministic clock begins there.
        time_ms: 0,
        rules: Rules::default(),
        protocol: Protocol::default(),
        bank: BANK_CODE.into(),
        balances: (0..CLIENTS)
            .map(|number| (client(number).account(), RICH))
            .collect(),
        contracts: Vec::new(),
    }
}

/// Code is compiled once for all validators of all worlds.
static TEMPLATE: LazyLock<VM> =
    LazyLock::new(|| VM::with_files(Arc::new(MemoryFiles::new()), Config::default()).unwrap());

/// How many messages a second a validator sends to another one over a channel. Room for a burst of as many is taken at the start.
const QUOTA: Quota = Quota::per_second(NZU32!(512));

/// Puts a directory on a disk.
fn copy(directory: &MemoryFiles, disk: FaultyFiles) -> FaultyFiles {
    for name in directory.names().unwrap() {
        disk.put(&name, &directory.bytes(&name).unwrap_or_default());
    }
    disk
}

/// The runtime of a seed, for so much simulated time. A task that panics ends alone, as it would on a machine of its own.
pub fn runner(seed: u64, timeout: Duration) -> deterministic::Runner {
    panics::note();
    let config = deterministic::Config::new().with_seed(seed);
    let config = config.with_timeout(Some(timeout)).with_catch_panics(true);
    deterministic::Runner::new(config)
}

impl World {
    pub async fn new(context: deterministic::Context) -> Self {
        let genesis = genesis();
        let keys: Vec<_> = (0..NODES as u64).map(PrivateKey::from_seed).collect();
        let public: Vec<_> = keys.iter().map(|key| key.public_key()).collect();
        let rules = Arc::new(genesis.rules.clone());
        let config = simulated::Config {
            max_size: message_bytes_max(VALIDATORS as u32, &rules) as u32,
            max_peers_per_set: NZUsize!(NODES),
            disconnect_on_block: true,
            tracked_peer_sets: NZUsize!(1),
        };
        let network = context.child("network");
        let (network, oracle) = Network::new_with_peers(network, config, public).await;
        network.start();
        let nodes = keys.into_iter().map(|key| Node {
            key,
            disk: MemoryFiles::new(),
            engine_disk: MemoryFiles::new(),
            alarms: Alarms::default(),
            replaced: false,
            held_up: Duration::ZERO,
            sync: Duration::ZERO,
            running: None,
        });
        let world = Self {
            context,
            oracle,
            genesis,
            nodes: nodes.collect(),
            history: History::default(),
            nonces: BTreeMap::new(),
        };
        world.link_all(&LINK).await;
        world
    }

    pub async fn link_all(&self, link: &Link) {
        for from in 0..NODES {
            for to in 0..NODES {
                self.link(from, to, link).await;
            }
        }
    }

    pub async fn link(&self, from: usize, to: usize, link: &Link) {
        if from != to {
            let (from, to) = (self.public_key(from), self.public_key(to));
            let _ = self.oracle.remove_link(from.clone(), to.clone()).await;
            self.oracle.add_link(from, to, link.clone()).await.unwrap();
        }
    }

    /// Cuts a validator off from all others.
    pub async fn cut_off(&self, node: usize) {
        for other in (0..NODES).filter(|other| *other != node) {
            let (node, other) = (self.public_key(node), self.public_key(other));
            let _ = self.oracle.remove_link(node.clone(), other.clone()).await;
            let _ = self.oracle.remove_link(other, node).await;
        }
    }

    pub async fn join(&self, node: usize) {
        for other in (0..NODES).filter(|other| *other != node) {
            self.link(node, other, &LINK).await;
            self.link(other, node, &LINK).await;
        }
    }

    pub fn public_key(&self, node: usize) -> PublicKey {
        self.nodes[node].key.public_key()
    }

    pub async fn start_all(&mut self) {
        for node in 0..VALIDATORS {
            self.start(node).await;
        }
    }

    /// Starts a validator from what is on its disks.
    pub async fn start(&mut self, node: usize) {
        let disks = self.disks(node);
        let starts = self.start_as(node, disks, |machine| machine).await;
        assert!(starts, "validator {node} does not start");
    }

    /// What is on a validator's disks, on disks that work.
    pub fn disks(&self, node: usize) -> Disks {
        Disks {
            vm: copy(&self.nodes[node].disk, FaultyFiles::new()),
            engine: copy(&self.nodes[node].engine_disk, FaultyFiles::new()),
            vm_fails_at: None,
            engine_fails_at: None,
        }
    }

    /// Starts a validator over disks, with what becomes of its machine. One whose engine's disk fails meanwhile does not start.
    pub async fn start_as<M: Machine>(
        &mut self,
        node: usize,
        disks: Disks,
        make: impl FnOnce(Arc<VmMachine>) -> Arc<M>,
    ) -> bool {
        let vm = TEMPLATE.beside(Arc::new(disks.vm.clone()), LogConfig::default());
        let machine = Arc::new(VmMachine::open(Arc::new(vm.unwrap()), &self.genesis).unwrap());
        let made = make(machine.clone());
        let sync = self.sync(node).await;
        let settings = self.settings(node);
        self.run(node, machine, made, sync, disks, settings).await
    }

    /// What serves states, and gets one.
    async fn sync(&self, node: usize) -> (StateSync, Snapshots) {
        let context = self.context.child("sync").with_attribute("node", node);
        let control = self.oracle.control(self.public_key(node));
        let network = control.register(6, QUOTA).await.unwrap();
        let snapshots = Snapshots::in_chunks_of(16 << 10);
        let (me, peers) = (self.public_key(node), self.oracle.manager());
        let wait = Duration::from_secs(1);
        let sync = StateSync::start(
            context,
            me,
            network,
            control,
            peers,
            snapshots.clone(),
            wait,
        );
        (sync, snapshots)
    }

    fn settings(&self, node: usize) -> Settings {
        Settings {
            snapshot_every: 8,
            held_up: self.nodes[node].held_up,
            // Few, so that they overflow.
            waiting_max: NZUsize!(16),
            ..Settings::new(format!("validator-{node}"))
        }
    }

    fn keys(&self, node: usize) -> Keys {
        let committee = (0..VALIDATORS).map(|node| self.public_key(node));
        let committee: Set<PublicKey> = committee.try_collect().unwrap();
        let key = self.nodes[node].key.clone();
        Keys { committee, key }
    }

    /// Starts a node that has nothing, or not all of a state, from what the others serve; or gives up after some time, as if the power had gone.
    pub async fn start_by_sync(&mut self, node: usize, within: Duration) -> bool {
        let disks = self.disks(node);
        let vm = TEMPLATE.beside(Arc::new(disks.vm.clone()), LogConfig::default());
        let vm = Arc::new(vm.unwrap());
        let (mut sync, snapshots) = self.sync(node).await;
        let peers = (0..VALIDATORS).map(|node| self.public_key(node)).collect();
        let scheme = scheme(&self.genesis.chain(), &self.keys(node));
        let context = self.context.child("join").with_attribute("node", node);
        let arrived = select! {
            arrived = sync.join(context, vm.clone(), scheme, peers) => Some(arrived.unwrap()),
            _ = self.context.sleep(within) => None,
        };
        let Some(arrived) = arrived else {
            sync.part.abort();
            let _ = sync.part.await;
            self.nodes[node].disk = disks.vm.crash(Unsynced::Torn(node as u64));
            return false;
        };
        let machine = Arc::new(VmMachine::open(vm, &self.genesis).unwrap());
        assert_eq!(machine.finalized().digest, arrived.header.digest());
        assert_eq!(machine.finalized().height, arrived.header.height);
        let settings = Settings {
            floor: Some(arrived.finalization),
            ..self.settings(node)
        };
        let (made, sync) = (machine.clone(), (sync, snapshots));
        self.run(node, machine, made, sync, disks, settings).await
    }

    async fn run<M: Machine>(
        &mut self,
        node: usize,
        machine: Arc<VmMachine>,
        made: Arc<M>,
        (sync, snapshots): (StateSync, Snapshots),
        disks: Disks,
        settings: Settings,
    ) -> bool {
        let history = self.history.clone();
        let pool = Pool::new(self.genesis.rules.clone(), PoolLimits::default());
        let pool = SharedPool::new(pool);
        let stores = Stores {
            genesis: machine.genesis().clone(),
            chain: machine.chain(),
            rules: Arc::new(machine.rules().clone()),
            machine: made,
            pool: pool.clone(),
            alarms: self.nodes[node].alarms.clone(),
            listener: Arc::new(move |block: FinalBlock| history.add(node, &block)),
            snapshots,
        };
        let keys = self.keys(node);
        let control = self.oracle.control(self.public_key(node));
        let channels = self.channels(node).await;
        let manager = self.oracle.manager();
        let context = self.context.child("validator").with_attribute("node", node);
        let context = Ground::new(context, disks.engine.clone(), self.nodes[node].sync);
        let (started, inbox) = oneshot::channel();
        let ended = Arc::new(AtomicBool::new(false));
        let ending = Ending(ended.clone());
        let handle = context.spawn(move |context| async move {
            let _ending = ending;
            let starting =
                Validator::start(context, stores, &keys, channels, control, manager, settings);
            let validator = starting.await.unwrap();
            let inbox: Arc<dyn Submit> = Arc::new(validator.inbox);
            started.send((inbox, validator.marshal)).ok();
            let _ended = futures::future::select_all(validator.parts).await;
        });
        let Ok((inbox, marshal)) = inbox.await else {
            assert!(disks.engine_has_failed(), "{:#?}", panics::taken());
            panics::taken();
            let unsynced = Unsynced::Torn(node as u64);
            self.nodes[node].disk = disks.vm.crash(unsynced);
            self.nodes[node].engine_disk = disks.engine.crash(unsynced);
            sync.part.abort();
            return false;
        };
        self.nodes[node].running = Some(Running {
            machine,
            pool,
            disks,
            inbox,
            marshal,
            handle,
            sync,
            ended,
        });
        true
    }

    async fn channels(&self, node: usize) -> Channels<Sending, Receiving> {
        let control = self.oracle.control(self.public_key(node));
        let channel = async |number| control.register(number, QUOTA).await.unwrap();
        Channels {
            votes: channel(0).await,
            certificates: channel(1).await,
            resolver: channel(2).await,
            blocks: channel(3).await,
            backfill: channel(4).await,
            transactions: channel(5).await,
        }
    }

    /// Has a node that has stopped say where it differs.
    pub async fn explain<M: Machine<Handle = Sealed>>(
        &mut self,
        node: usize,
        make: impl FnOnce(Arc<VmMachine>) -> Arc<M>,
        block: &Block,
    ) -> Result<Explanation, NotExplained> {
        let peers = (0..VALIDATORS).filter(|other| *other != node);
        let peers = peers.map(|node| self.public_key(node)).collect();
        let scheme = scheme(&self.genesis.chain(), &self.keys(node));
        let context = self.context.child("explain");
        let truth = TEMPLATE.beside(Arc::new(MemoryFiles::new()), LogConfig::default());
        let truth = Arc::new(truth.unwrap());
        let running = self.nodes[node].running.as_mut().unwrap();
        let (machine, ours) = (make(running.machine.clone()), running.machine.vm().clone());
        let sync = &mut running.sync;
        let block = block.clone();
        sync.explain(context, machine, ours, truth, scheme, peers, block)
            .await
    }

    /// Whether a node that does not run has a final state on its disk.
    pub fn has_state(&self, node: usize) -> bool {
        let files = Arc::new(self.disks(node).vm);
        let vm = TEMPLATE.beside(files, LogConfig::default()).unwrap();
        vm.finalized().is_some()
    }

    /// Gives a transaction to one validator, as a client does.
    pub fn give(
        &self,
        node: usize,
        transaction: &Transaction,
    ) -> Result<TransactionDigest, SubmitError> {
        let running = self.nodes[node].running.as_ref().unwrap();
        running.inbox.submit(transaction)
    }

    /// The power goes at a validator: what its disk has not synced may be lost.
    pub async fn crash(&mut self, node: usize, unsynced: Unsynced) {
        self.assert_no_panic();
        let running = self.nodes[node].running.take().unwrap();
        running.handle.abort();
        running.sync.part.abort();
        let _ = (running.handle.await, running.sync.part.await);
        self.nodes[node].disk = running.disks.vm.crash(unsynced);
        self.nodes[node].engine_disk = running.disks.engine.crash(unsynced);
    }

    /// The power goes everywhere. What is on the engines' disks then, in a number. Not the VMs': each of their segments begins with a random number.
    pub async fn crash_all(&mut self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for node in 0..NODES {
            if self.nodes[node].running.is_some() {
                self.crash(node, Unsynced::Kept).await;
            }
            let disk = &self.nodes[node].engine_disk;
            for name in disk.names().unwrap() {
                (&name, disk.bytes(&name)).hash(&mut hasher);
            }
        }
        hasher.finish()
    }

    pub fn running(&self) -> impl Iterator<Item = (usize, &Running)> {
        let nodes = self.nodes.iter().enumerate();
        nodes.filter_map(|(number, node)| Some((number, node.running.as_ref()?)))
    }

    pub fn height(&self, node: usize) -> u64 {
        let running = self.nodes[node].running.as_ref().unwrap();
        running.machine.finalized().height
    }

    /// Waits until these validators have made a height final.
    pub async fn reach(&self, nodes: &[usize], height: u64) {
        for _ in 0..3_000 {
            if nodes.iter().all(|node| self.height(*node) >= height) {
                return;
            }
            self.assert_sound().await;
            self.context.sleep(Duration::from_millis(100)).await;
        }
        let heights: Vec<_> = nodes.iter().map(|node| self.height(*node)).collect();
        let alarms: Vec<_> = self.nodes.iter().map(|node| node.alarms.raised()).collect();
        panic!("the validators {nodes:?} are at {heights:?}, not {height}; {alarms:?}");
    }

    /// What holds at every moment. P3: nothing is acknowledged to the engine that is not durably final. Nothing panics, and no validator ends, but where the engine's disk
    /// fails: it has no other way to say so.
    pub async fn assert_sound(&self) {
        for (node, running) in self.running() {
            let may_end = running.disks.engine_has_failed();
            assert!(
                may_end || !running.has_ended(),
                "validator {node} has ended"
            );
        }
        self.assert_no_panic();
        let kept = |(node, running): &(usize, &Running)| {
            !self.nodes[*node].replaced && !running.has_ended()
        };
        for (node, running) in self.running().filter(kept) {
            if let Some(processed) = running.marshal.get_processed().await {
                let finalized = running.machine.finalized().height;
                assert!(processed.height().get() <= finalized, "validator {node}");
            }
        }
    }

    /// Nothing has panicked but where an engine's disk has failed.
    fn assert_no_panic(&self) {
        let panics = panics::taken();
        let mut running = self.running();
        let may = running.any(|(_, running)| running.disks.engine_has_failed());
        assert!(
            may || panics.is_empty(),
            "a part of a validator: {panics:#?}"
        );
    }

    /// The height that any validator has reached.
    pub fn top(&self) -> u64 {
        let heights = self
            .running()
            .map(|(_, running)| running.machine.finalized().height);
        heights.max().unwrap_or_default()
    }

    /// A transfer of a client to the next.
    pub fn transfer(&mut self, number: u8, amount: u64) -> Transaction {
        let nonce = self.nonces.entry(number).or_default();
        let to: Account = client((number + 1) % CLIENTS).account();
        let call = Draft::call(BANK, "transfer", &(to.to_bytes(), amount)).unwrap();
        let signed = call
            .with(*nonce, GAS, 1)
            .sign(&client(number), &self.genesis.chain());
        *nonce += 1;
        signed
    }

    /// Gives a transaction to every validator that runs.
    pub fn submit(&self, transaction: &Transaction) -> Vec<Result<TransactionDigest, SubmitError>> {
        let nodes = self.running();
        let given = nodes.map(|(_, node)| node.pool.add(&*node.machine, transaction));
        given.collect()
    }

    /// So many transfers, given to all.
    pub fn submit_transfers(&mut self, count: usize) {
        for number in 0..count {
            let transfer = self.transfer((number % CLIENTS as usize) as u8, 1 + number as u64);
            self.submit(&transfer);
        }
    }

    /// What is final at a height that a machine has made final: it is told a little later.
    async fn told(&self, height: u64) -> Agreed {
        for _ in 0..10_000 {
            if let Some(agreed) = self.history.blocks().get(&height) {
                return *agreed;
            }
            self.context.sleep(Duration::from_millis(1)).await;
        }
        panic!("nobody is told of height {height}");
    }

    /// All validators that run are at one state; tokens were neither made nor lost.
    pub async fn assert_agreed(&self, nodes: &[usize]) {
        self.assert_sound().await;
        for node in nodes {
            let running = self.nodes[*node].running.as_ref().unwrap();
            let finalized = running.machine.finalized();
            if finalized.height > 0 {
                let agreed = self.told(finalized.height).await;
                assert_eq!(
                    (finalized.digest, finalized.state_root),
                    (agreed.digest, agreed.root)
                );
            }
            let vm = running.machine.vm();
            let mut session = vm
                .session(crostata::SessionData::builder().base(vm.finalized().unwrap()))
                .unwrap();
            let supply: u64 = session
                .call(BANK, "supply", &(), 1_000_000_000)
                .unwrap()
                .data;
            assert_eq!(supply, RICH * u64::from(CLIENTS));
        }
    }
}
