//! A validator, from its configuration to its end.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use commonware_cryptography::Signer as _;
use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::authenticated::lookup::Oracle;
use commonware_runtime::tokio::{self as engine, Context};
use commonware_runtime::{Clock as _, Runner as _, Supervisor as _};
use commonware_utils::ordered::Set;
use crostata::{OpenVmError, Protocol, VM};
use crostata_chain::{
    Alarm, Alarms, Arrived, FinalBlock, JoinError, Keys, Pace, Settings, SharedPool, Snapshots,
    StartError, StateSync, Stores, Validator, scheme,
};
use crostata_machine::{Genesis, OpenError, Pool, PoolLimits, VmMachine};
use tokio::net::TcpListener;

use crate::config::{Config, ConfigError};
use crate::http::{self, Api, Parts};
use crate::network::{Addresses, Connections, connect};
use crate::receipts::{Limits, Receipts};
use crate::recent::Recent;

/// Threads that poll. The VM has others.
const WORKER_THREADS: usize = 2;
/// Threads for work that takes long: the VM's, and the disk's.
const BLOCKING_THREADS: usize = 64;
/// How long a node that stops may look for where it differs.
const EXPLAIN_TIMEOUT: Duration = Duration::from_secs(60);
/// How often it is looked whether the node must stop.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Why a node does not run, or no more.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// What it was told makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data directory can not be made.
    #[error("the data directory: {0}")]
    Directory(#[source] io::Error),
    /// The VM's state can not be opened.
    #[error("the state can not be opened: {0}")]
    Vm(#[from] OpenVmError),
    /// The machine can not be opened.
    #[error(transparent)]
    Machine(#[from] OpenError),
    /// The state of the others does not arrive.
    #[error("state sync: {0}")]
    Join(#[from] JoinError),
    /// It has nobody to follow, or its state is not the chain's.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The receipts of the latest blocks can not be read.
    #[error("the store of receipts: {0}")]
    Receipts(#[from] commonware_storage::archive::Error),
    /// It can not listen for clients.
    #[error("HTTP at {address}: {source}")]
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Clients can not be served.
    #[error("HTTP: {0}")]
    Http(#[from] http::StartError),
    /// It must not go on.
    #[error("{0}")]
    Alarm(String),
    /// A part of it ended, which no part does.
    #[error("a part of the node has ended")]
    Ended,
}

/// Runs a node until `stop` ends.
///
/// # Errors
/// [`NodeError`], also when the node stops by itself because it must not go on.
pub fn run<F: Future<Output = ()> + Send>(
    config: Config,
    stop: impl FnOnce() -> F + Send,
) -> Result<(), NodeError> {
    let genesis = config.genesis()?;
    let engine_directory = engine_directory(&config);
    fs::create_dir_all(&engine_directory).map_err(NodeError::Directory)?;
    let vm = Arc::new(open(&config, &genesis)?);
    let runtime = engine::Config::new()
        .with_storage_directory(engine_directory)
        .with_worker_threads(WORKER_THREADS)
        .with_max_blocking_threads(BLOCKING_THREADS);
    engine::Runner::new(runtime).start(|context| async move {
        let node = Node::start(context.child("node"), config, genesis, vm).await?;
        node.until(&context, stop()).await
    })
}

fn engine_directory(config: &Config) -> PathBuf {
    config.data_directory.join("engine")
}

async fn open_receipts(
    context: &Context,
    config: &Config,
) -> Result<Receipts, commonware_storage::archive::Error> {
    let limits = Limits {
        directory: engine_directory(config),
        blocks_max: config.http.recent_blocks_max as u64,
        bytes_max: config.http.receipts_bytes_max,
    };
    Receipts::open(context.child("receipts"), limits).await
}

fn open(config: &Config, genesis: &Genesis) -> Result<VM, OpenVmError> {
    let vm = crostata::Config {
        protocols: vec![genesis.protocol.clone()],
        ..crostata::Config::default()
    };
    VM::with_config(config.data_directory.join("state"), vm)
}

/// A node that runs.
struct Node {
    machine: Arc<VmMachine>,
    protocols: Vec<Protocol>,
    keys: Keys,
    alarms: Alarms,
    receipts: Receipts,
    parts: Vec<commonware_runtime::Handle<()>>,
    /// Says where a state differs.
    sync: StateSync,
    serving: tokio::task::JoinHandle<()>,
}

impl Node {
    async fn start(
        context: Context,
        config: Config,
        genesis: Genesis,
        vm: Arc<VM>,
    ) -> Result<Self, NodeError> {
        let keys = keys(&config)?;
        let listener = listen(&config).await?;
        let connections = connections(&context, &config, &genesis)?;
        let Connections {
            channels,
            sync,
            oracle,
            part,
        } = connections;
        let snapshots = Snapshots::default();
        let mut sync = StateSync::start(
            context.child("sync"),
            keys.key.public_key(),
            sync,
            oracle.clone(),
            oracle.clone(),
            snapshots.clone(),
            FETCH_TIMEOUT,
        );
        let arrived = join(&context, &config, &genesis, &keys, &vm, &mut sync).await?;
        let machine = open_machine(vm, &genesis).await?;
        let recent = Recent::new(config.http.recent_blocks_max);
        let pool = Pool::new(genesis.rules.clone(), PoolLimits::default());
        let alarms = Alarms::default();
        let receipts = open_receipts(&context, &config).await?;
        let (told, keeping) = (recent.clone(), receipts.clone());
        let stores = Stores {
            machine: machine.clone(),
            genesis: machine.genesis().clone(),
            chain: machine.chain(),
            rules: Arc::new(genesis.rules),
            pool: SharedPool::new(pool),
            alarms: alarms.clone(),
            listener: Arc::new(move |block: FinalBlock| {
                let block = Arc::new(block);
                keeping.keep(&block);
                told.add(block);
            }),
            snapshots,
        };
        let settings = settings(&config, arrived);
        let validator = start_validator(&context, stores, &keys, channels, oracle, settings);
        let validator = validator.await?;
        let api = Api::new(Parts {
            machine: machine.clone(),
            inbox: validator.inbox,
            marshal: validator.marshal,
            recent,
            receipts: receipts.clone(),
            alarms: alarms.clone(),
            keys: keys.clone(),
            limits: config.http.clone(),
        })?;
        let serving = tokio::spawn(http::serve(listener, api, config.http));
        let mut parts = validator.parts;
        parts.push(part);
        Ok(Self {
            machine,
            protocols: vec![genesis.protocol],
            keys,
            alarms,
            receipts,
            parts,
            sync,
            serving,
        })
    }

    async fn until(
        mut self,
        context: &Context,
        stop: impl Future<Output = ()>,
    ) -> Result<(), NodeError> {
        let ended = futures::future::select_all(&mut self.parts);
        let alarm = tokio::select! {
            () = stop => {
                self.receipts.flush().await;
                return Ok(());
            }
            _ = ended => return Err(NodeError::Ended),
            _ = &mut self.sync.part => return Err(NodeError::Ended),
            _ = &mut self.serving => return Err(NodeError::Ended),
            alarm = final_alarm(context, &self.alarms) => alarm,
        };
        let explained = self.explain(context, &alarm).await;
        let explained = explained.map_or(String::new(), |why| format!("; {why}"));
        Err(NodeError::Alarm(format!("{alarm}{explained}")))
    }

    /// Where the state of a node that diverged differs from that of its peers.
    async fn explain(&mut self, context: &Context, alarm: &Alarm) -> Option<String> {
        let block = alarm.diverged_at()?.clone();
        let (machine, ours) = (self.machine.clone(), self.machine.vm().clone());
        let truth = crostata::Config {
            protocols: self.protocols.clone(),
            ..crostata::Config::default()
        };
        let truth = Arc::new(VM::ephemeral_with_config(truth).ok()?);
        let scheme = scheme(&machine.chain(), &self.keys);
        let me = self.keys.key.public_key();
        let peers = self.keys.committee.iter().filter(|key| **key != me);
        let peers = peers.cloned().collect();
        let context = context.child("explain");
        let explaining = self
            .sync
            .explain(context, machine, ours, truth, scheme, peers, block);
        let explained = tokio::time::timeout(EXPLAIN_TIMEOUT, explaining).await;
        match explained.ok()? {
            Ok(explanation) => Some(explanation.to_string()),
            Err(error) => Some(error.to_string()),
        }
    }
}

async fn start_validator(
    context: &Context,
    stores: Stores<VmMachine>,
    keys: &Keys,
    channels: crostata_chain::Channels<
        commonware_p2p::authenticated::lookup::Sender<PublicKey, Context>,
        commonware_p2p::authenticated::lookup::Receiver<PublicKey>,
    >,
    oracle: Oracle<PublicKey>,
    settings: Settings,
) -> Result<Validator<VmMachine>, StartError> {
    let context = context.child("validator");
    Validator::start(
        context,
        stores,
        keys,
        channels,
        oracle.clone(),
        oracle,
        settings,
    )
    .await
}

/// How long a peer may take to answer.
const FETCH_TIMEOUT: Duration = Duration::from_secs(1);

fn keys(config: &Config) -> Result<Keys, ConfigError> {
    let nodes = config.nodes()?.into_iter();
    let committee = nodes.filter_map(|(key, _, validator)| validator.then_some(key));
    let committee = Set::from_iter_dedup(committee);
    let key = config.key()?;
    Ok(Keys { committee, key })
}

fn settings(config: &Config, arrived: Option<Arrived>) -> Settings {
    Settings {
        fetch_timeout: FETCH_TIMEOUT,
        pace: Pace {
            block_min: Duration::from_millis(config.pace.block_min_ms),
            idle_max: Duration::from_millis(config.pace.idle_max_ms),
            ..Pace::default()
        },
        snapshot_every: config.network.snapshot_every,
        floor: arrived.map(|arrived| arrived.finalization),
        ..Settings::new("chain")
    }
}

fn connections(
    context: &Context,
    config: &Config,
    genesis: &Genesis,
) -> Result<Connections, ConfigError> {
    let nodes = config.nodes()?.into_iter();
    let addresses = Addresses {
        key: config.key()?,
        listen: config.network.listen,
        nodes: nodes.map(|(key, address, _)| (key, address)).collect(),
    };
    let rules = Arc::new(genesis.rules.clone());
    Ok(connect(context, &genesis.chain(), &rules, addresses))
}

async fn listen(config: &Config) -> Result<TcpListener, NodeError> {
    let address = config.http.listen;
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| NodeError::Listen { address, source })
}

/// Gets a state from the others, where this node has none and does not begin with them.
///
/// A validator begins with the others: when a chain starts nobody has a state that could be served.
async fn join(
    context: &Context,
    config: &Config,
    genesis: &Genesis,
    keys: &Keys,
    vm: &Arc<VM>,
    sync: &mut StateSync,
) -> Result<Option<Arrived>, NodeError> {
    let me = keys.key.public_key();
    let votes = keys.committee.position(&me).is_some();
    if vm.finalized().is_some() || votes || !config.network.state_sync {
        return Ok(None);
    }
    let peers = config.nodes()?.into_iter();
    let peers = peers.filter_map(|(key, _, validator)| (validator && key != me).then_some(key));
    let scheme = scheme(&genesis.chain(), keys);
    let joining = sync.join(context.child("join"), vm.clone(), scheme, peers.collect());
    let arrived = joining.await?;
    tracing::info!(
        height = arrived.header.height,
        "the state of the others has arrived"
    );
    Ok(Some(arrived))
}

async fn open_machine(vm: Arc<VM>, genesis: &Genesis) -> Result<Arc<VmMachine>, NodeError> {
    let genesis = genesis.clone();
    let opened = tokio::task::spawn_blocking(move || VmMachine::open(vm, &genesis));
    let opened = opened.await.map_err(|_| NodeError::Ended)?;
    Ok(Arc::new(opened?))
}

/// Waits for an alarm that the node must stop for.
async fn final_alarm(context: &Context, alarms: &Alarms) -> Alarm {
    loop {
        let raised = alarms.raised();
        if let Some(alarm) = raised.into_iter().find(Alarm::is_final) {
            return alarm;
        }
        context.sleep(LOOK_EVERY).await;
    }
}
