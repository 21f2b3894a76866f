//! A validator, put together: network channels, marshal, simplex, the application and the finaliser, over any runtime.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use commonware_broadcast::buffered;
use commonware_consensus::Reporters;
use commonware_consensus::marshal::core::{Actor, Mailbox};
use commonware_consensus::marshal::standard::{Inline, Standard};
use commonware_consensus::marshal::{self, Start, resolver};
use commonware_consensus::simplex::config::{ForwardPolicy, SkipBudget, SkipPolicy};
use commonware_consensus::simplex::elector::RoundRobin;
use commonware_consensus::simplex::types::Finalization;
use commonware_consensus::simplex::{self, Engine, Floor};
use commonware_consensus::types::{Epoch, FixedEpocher, ViewDelta};
use commonware_cryptography::certificate::{ConstantProvider, Verifier as _};
use commonware_cryptography::ed25519::{PrivateKey, PublicKey};
use commonware_cryptography::{Digested, Sha256, Signer as _};
use commonware_p2p::{Blocker, Provider, Receiver, Sender};
use commonware_parallel::Sequential;
use commonware_runtime::buffer::paged::CacheRef;
use commonware_runtime::{Clock, Handle, Metrics, Spawner, Storage};
use commonware_storage::archive::{Archive as _, Identifier, immutable};
use commonware_utils::ordered::Set;
use commonware_utils::{NZDuration, NZU16, NZU64, NZUsize};
use crostata::Root;
use crostata_machine::{Block, BlockDigest, ChainId, Header, Machine, Rules};
use rand::CryptoRng;

use crate::alarm::Alarms;
use crate::application::Application;
use crate::block::{ChainBlock, Digest, engine_digest};
use crate::finaliser::{Finaliser, Finalising, Listener};
use crate::gossip::{self, Inbox};
use crate::offload::Worker;
use crate::own::Watch;
use crate::pace::Pace;
use crate::shared::SharedPool;
use crate::sync::{CHUNK_BYTES_MAX, Snapshots};

/// How votes are signed: each validator with its ed25519 key.
pub type Scheme = simplex::scheme::ed25519::Scheme;

/// Asks marshal for blocks and certificates.
pub type Marshal = Mailbox<Scheme, Standard<ChainBlock>>;

type Finalizations<E> = immutable::Archive<E, Digest, Finalization<Scheme, Digest>>;
type Blocks<E> = immutable::Archive<E, Digest, Arc<ChainBlock>>;

/// The most decided blocks that wait for being made final.
pub const MAX_PENDING: NonZeroUsize = NZUsize!(16);

/// All of the chain is one epoch: validators do not change.
const EPOCH: Epoch = Epoch::zero();

/// For how many views behind what is final things are remembered.
const RETENTION: ViewDelta = ViewDelta::new(64);
/// After what time something is asked for again.
const RETRY_DELAY: Duration = Duration::from_millis(100);

/// Who signs, and as whom.
#[derive(Debug, Clone)]
pub struct Keys {
    /// All validators.
    pub committee: Set<PublicKey>,
    /// This node's key. One that is not of the committee follows, and does not vote.
    pub key: PrivateKey,
}

/// A node that can not follow the committee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommitteeError {
    /// There are no validators.
    #[error("the committee is empty")]
    Empty,
}

/// A node that must not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// It has nobody to follow.
    #[error(transparent)]
    Committee(#[from] CommitteeError),
    /// The machine's final block is not the one that was decided, as the engine's store says.
    #[error(
        "the state is that of block {ours} of height {height}, and block {decided} was decided there: it is of another history; {REMEDY}"
    )]
    OtherBlock {
        /// The height.
        height: u64,
        /// The block that the machine has.
        ours: BlockDigest,
        /// The block that the engine has.
        decided: BlockDigest,
    },
    /// The machine's final state is not the one that its block says.
    #[error(
        "the state at block {block} of height {height} has root {ours}, and the validators agreed on {agreed}: what is on the disk was changed; {REMEDY}"
    )]
    OtherState {
        /// The height.
        height: u64,
        /// The block.
        block: BlockDigest,
        /// The root that the machine has.
        ours: Root,
        /// The root that the block says.
        agreed: Root,
    },
}

/// What to do about a state that is not the chain's.
const REMEDY: &str = "move the state away, and the blocks that the node has are executed again, or another state is fetched";

/// What a node sets for itself, the clock's part of it in the engine's time.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What the engine's files begin with. One node, one prefix.
    pub partition: String,
    /// How long a leader is waited for. More than [`Pace::idle_max`].
    pub leader_timeout: Duration,
    /// How long a view may take.
    pub certification_timeout: Duration,
    /// After what time a vote to skip is sent again.
    pub timeout_retry: Duration,
    /// How long a peer may take to answer.
    pub fetch_timeout: Duration,
    /// How fast blocks follow each other.
    pub pace: Pace,
    /// How long work of the machine is held up: not at all, but in simulations of slow processors and disks.
    pub held_up: Duration,
    /// After how many blocks another state is served to nodes that join.
    pub snapshot_every: u64,
    /// How many messages wait between parts of the engine; more are put aside, or given up where they have no more value. Room for them is taken at the start.
    pub waiting_max: NonZeroUsize,
    /// Where the engine starts where it has no files yet: none for the first block.
    pub floor: Option<Finalization<Scheme, Digest>>,
}

impl Settings {
    /// What does for validators that are near each other.
    pub fn new(partition: impl Into<String>) -> Self {
        Self {
            partition: partition.into(),
            leader_timeout: Duration::from_millis(2_000),
            certification_timeout: Duration::from_millis(3_000),
            timeout_retry: Duration::from_millis(1_000),
            fetch_timeout: Duration::from_millis(1_000),
            pace: Pace::default(),
            held_up: Duration::ZERO,
            snapshot_every: 64,
            waiting_max: NZUsize!(1_024),
            floor: None,
        }
    }
}

/// The channels of the network, which every node must number alike.
pub struct Channels<S, R> {
    /// Votes. Channel 0.
    pub votes: (S, R),
    /// Certificates. Channel 1.
    pub certificates: (S, R),
    /// Questions for certificates. Channel 2.
    pub resolver: (S, R),
    /// Blocks that are new. Channel 3.
    pub blocks: (S, R),
    /// Questions for blocks that are missing. Channel 4.
    pub backfill: (S, R),
    /// Transactions. Channel 5. Channel 6 is for [`StateSync`](crate::StateSync).
    pub transactions: (S, R),
}

/// What a validator needs of its node.
pub struct Stores<M> {
    /// Executes blocks.
    pub machine: Arc<M>,
    /// The first block, which everybody knows.
    pub genesis: Block,
    /// Which chain it is.
    pub chain: ChainId,
    /// The chain's rules.
    pub rules: Arc<Rules>,
    /// The transactions that wait.
    pub pool: SharedPool,
    /// Where alarms are raised.
    pub alarms: Alarms,
    /// Who is told of final blocks.
    pub listener: Listener,
    /// The states that are served.
    pub snapshots: Snapshots,
}

/// A validator that runs. Dropping this does not stop it; ending the context that it was started in does.
pub struct Validator<M> {
    /// Asks marshal for blocks and certificates.
    pub marshal: Marshal,
    /// Where clients' transactions come in.
    pub inbox: Inbox<M>,
    /// Its parts: when one of them ends the validator has.
    pub parts: Vec<Handle<()>>,
}

/// The longest message that the network must carry for a committee of this size.
pub fn message_bytes_max(validators: u32, rules: &Arc<Rules>) -> usize {
    let marshal = marshal::max_payload_size::<Standard<ChainBlock>, Scheme>(validators, rules);
    let simplex = simplex::max_payload_size::<Scheme, Digest>(validators);
    let others = gossip::message_bytes_max(rules).max(CHUNK_BYTES_MAX);
    marshal.max(simplex).max(others)
}

/// What votes are signed for, so that they are worth nothing on another chain.
pub(crate) fn namespace(chain: &ChainId) -> Vec<u8> {
    [b"crostata ".as_slice(), chain.as_ref()].concat()
}

/// How certificates of the chain are verified, and, by validators, signed.
pub fn scheme(chain: &ChainId, keys: &Keys) -> Scheme {
    let namespace = namespace(chain);
    let signer = Scheme::signer(&namespace, keys.committee.clone(), keys.key.clone());
    signer.unwrap_or_else(|| Scheme::verifier(&namespace, keys.committee.clone()))
}

impl<M: Machine> Validator<M> {
    /// Starts a validator: from its files, if there are some, or from the floor, or from the first block.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start<E, S, R, B, P>(
        context: E,
        stores: Stores<M>,
        keys: &Keys,
        channels: Channels<S, R>,
        blocker: B,
        peers: P,
        settings: Settings,
    ) -> Result<Self, StartError>
    where
        E: Clock + CryptoRng + Spawner + Storage + Metrics,
        S: Sender<PublicKey = PublicKey>,
        R: Receiver<PublicKey = PublicKey>,
        B: Blocker<PublicKey = PublicKey>,
        P: Provider<PublicKey = PublicKey>,
    {
        if keys.committee.is_empty() {
            return Err(CommitteeError::Empty.into());
        }
        let scheme = scheme(&stores.chain, keys);
        let genesis = engine_digest(stores.genesis.digest());
        let me = keys.key.public_key();
        let cache = CacheRef::new(NZU16!(4_096), NZUsize!(256));

        let rules = stores.rules.clone();
        let broadcast = broadcast(&me, rules, peers.clone(), &settings);
        let (broadcast, buffer) = buffered::Engine::new(context.child("broadcast"), broadcast);
        let broadcast = broadcast.start(channels.blocks);
        let resolver = backfill(me, peers, blocker.clone(), &settings);
        let resolver = resolver::p2p::init(context.child("resolver"), resolver, channels.backfill);

        let finalizations = finalizations(&context, &settings, &cache).await;
        let blocks = blocks(&context, &settings, &cache, &stores.rules).await;
        require_agreed(&stores, &blocks).await?;
        let config = marshalling(&stores, &settings, scheme.clone(), &cache);
        let (actor, marshal, _) =
            Actor::init(context.child("marshal"), finalizations, blocks, config).await;

        let worker = Worker::new(stores.machine.clone(), settings.held_up);
        let (pool, alarms) = (stores.pool.clone(), stores.alarms.clone());
        let application = Application::new(worker.clone(), pool, alarms, settings.pace);
        let own = application.own.clone();
        let (inbox, [sending, receiving]) = gossip::start(
            &context,
            stores.machine.clone(),
            stores.pool.clone(),
            channels.transactions,
        );
        let finalising = Finalising {
            worker,
            pool: stores.pool,
            alarms: stores.alarms,
            listener: stores.listener,
            marshal: marshal.clone(),
            snapshots: stores.snapshots,
            snapshot_every: settings.snapshot_every,
        };
        let (finaliser, finalising) = Finaliser::start(context.child("finaliser"), finalising);
        let marshalling = actor.start(finaliser, buffer, resolver);

        let automaton = Inline::new(
            context.child("application"),
            application,
            marshal.clone(),
            epochs(),
        );
        let config = simplex::Config {
            scheme,
            elector: RoundRobin::<Sha256>::default(),
            blocker,
            automaton: automaton.clone(),
            relay: automaton.clone(),
            reporter: Reporters::from((automaton, Watch::new(own))),
            track_historical_votes: false,
            strategy: Sequential,
            partition: format!("{}-simplex", settings.partition),
            mailbox_size: settings.waiting_max,
            epoch: EPOCH,
            floor: match settings.floor {
                Some(floor) => Floor::Finalized(floor),
                None => Floor::Genesis(genesis),
            },
            replay_buffer: NZUsize!(1 << 20),
            write_buffer: NZUsize!(1 << 18),
            page_cache: cache,
            leader_timeout: settings.leader_timeout,
            certification_timeout: settings.certification_timeout,
            timeout_retry: settings.timeout_retry,
            view_retention: RETENTION,
            skip: SkipPolicy::Enabled {
                timeout: settings.certification_timeout.saturating_mul(3),
                budget: SkipBudget::Participants,
            },
            fetch_timeout: NZDuration!(settings.fetch_timeout),
            fetch_retry_delay: RETRY_DELAY,
            forward: ForwardPolicy::SilentLeader,
        };
        let engine = Engine::new(context.child("simplex"), config);
        let deciding = engine.start(channels.votes, channels.certificates, channels.resolver);
        Ok(Self {
            marshal,
            inbox,
            parts: vec![
                broadcast,
                sending,
                receiving,
                finalising,
                marshalling,
                deciding,
            ],
        })
    }
}

/// How new blocks are sent to everybody.
fn broadcast<P: Provider<PublicKey = PublicKey>>(
    me: &PublicKey,
    rules: Arc<Rules>,
    peers: P,
    settings: &Settings,
) -> buffered::Config<PublicKey, Arc<Rules>, P, Sequential> {
    buffered::Config {
        public_key: me.clone(),
        mailbox_size: settings.waiting_max,
        deque_size: 32,
        priority: true,
        codec_config: rules,
        peer_provider: peers,
        strategy: Sequential,
    }
}

/// How blocks that are missing are asked for.
fn backfill<P, B>(
    me: PublicKey,
    peers: P,
    blocker: B,
    settings: &Settings,
) -> resolver::p2p::Config<PublicKey, P, B>
where
    P: Provider<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey>,
{
    resolver::p2p::Config {
        public_key: me,
        peer_provider: peers,
        blocker,
        mailbox_size: settings.waiting_max,
        fetch_timeout: NZDuration!(settings.fetch_timeout),
        fetch_retry_delay: RETRY_DELAY,
        priority_requests: false,
        priority_responses: false,
    }
}

type Marshalling = marshal::Config<
    ConstantProvider<Scheme, Epoch>,
    FixedEpocher,
    Sequential,
    ChainBlock,
    Digested<ChainBlock>,
    Digest,
>;

/// How decided blocks are put in order, and from where.
fn marshalling<M>(
    stores: &Stores<M>,
    settings: &Settings,
    scheme: Scheme,
    cache: &CacheRef,
) -> Marshalling {
    let genesis = ChainBlock::from(stores.genesis.clone());
    let digest = engine_digest(stores.genesis.digest());
    marshal::Config {
        provider: ConstantProvider::new(scheme),
        epocher: epochs(),
        start: match settings.floor.clone() {
            Some(floor) => Start::Floor(floor),
            None => Start::Genesis(Digested::precomputed(genesis, digest)),
        },
        partition_prefix: settings.partition.clone(),
        mailbox_size: settings.waiting_max,
        view_retention: RETENTION,
        prunable_items_per_section: NZU64!(1_024),
        page_cache: cache.clone(),
        replay_buffer: NZUsize!(1 << 20),
        key_write_buffer: NZUsize!(1 << 16),
        value_write_buffer: NZUsize!(1 << 18),
        block_codec_config: stores.rules.clone(),
        max_repair: NZUsize!(64),
        max_pending_acks: MAX_PENDING,
        strategy: Sequential,
    }
}

/// One epoch for ever.
fn epochs() -> FixedEpocher {
    FixedEpocher::new(NZU64!(u64::MAX))
}

/// Where the certificates of decided blocks are kept.
async fn finalizations<E: Clock + Storage + Metrics + Spawner>(
    context: &E,
    settings: &Settings,
    cache: &CacheRef,
) -> Finalizations<E> {
    let unbounded = Scheme::certificate_codec_config_unbounded();
    let config = archive(settings, cache, "finalizations", unbounded);
    let archive = immutable::Archive::init(context.child("finalizations"), config).await;
    // INVARIANT: a store that can not be opened leaves the engine nothing to start with; it panics itself where it finds one later.
    archive.unwrap_or_else(|error| panic!("the store of certificates does not open: {error}"))
}

/// Where decided blocks are kept.
async fn blocks<E: Clock + Storage + Metrics + Spawner>(
    context: &E,
    settings: &Settings,
    cache: &CacheRef,
    rules: &Arc<Rules>,
) -> Blocks<E> {
    let config = archive(settings, cache, "blocks", rules.clone());
    let archive = immutable::Archive::init(context.child("blocks"), config).await;
    // INVARIANT: as above.
    archive.unwrap_or_else(|error| panic!("the store of blocks does not open: {error}"))
}

/// That the machine's final state is what its block says, as far as the engine's store has that block. A state that is not would make
/// the node vote for blocks that nobody else comes to, until the next one is decided.
async fn require_agreed<M: Machine, E: Clock + Storage + Metrics + Spawner>(
    stores: &Stores<M>,
    blocks: &Blocks<E>,
) -> Result<(), StartError> {
    let ours = stores.machine.finalized();
    let height = ours.height;
    let header = match height {
        0 => Some(*stores.genesis.header()),
        _ => decided(blocks, height).await,
    };
    let Some(header) = header else {
        return Ok(());
    };
    let block = header.digest();
    if block != ours.digest {
        return Err(StartError::OtherBlock {
            height,
            ours: ours.digest,
            decided: block,
        });
    }
    match header.state_root == ours.state_root {
        true => Ok(()),
        false => Err(StartError::OtherState {
            height,
            block,
            ours: ours.state_root,
            agreed: header.state_root,
        }),
    }
}

async fn decided<E: Clock + Storage + Metrics + Spawner>(
    blocks: &Blocks<E>,
    height: u64,
) -> Option<Header> {
    let block = blocks.get(Identifier::Index(height)).await;
    // INVARIANT: a store that can not be read ends the engine too.
    let block = block.unwrap_or_else(|error| panic!("the store of blocks is not read: {error}"));
    block.map(|block| *block.block().header())
}

fn archive<C>(
    settings: &Settings,
    cache: &CacheRef,
    name: &str,
    codec_config: C,
) -> immutable::Config<C> {
    let partition = |part: &str| format!("{}-{name}-{part}", settings.partition);
    immutable::Config {
        metadata_partition: partition("metadata"),
        freezer_table_partition: partition("table"),
        freezer_table_initial_size: 1 << 12,
        freezer_table_resize_frequency: 4,
        freezer_table_resize_chunk_size: 1 << 10,
        freezer_key_partition: partition("key"),
        freezer_key_page_cache: cache.clone(),
        freezer_value_partition: partition("value"),
        freezer_value_target_size: 64 << 20,
        freezer_value_compression: None,
        ordinal_partition: partition("ordinal"),
        items_per_section: NZU64!(4_096),
        codec_config,
        replay_buffer: NZUsize!(1 << 20),
        freezer_key_write_buffer: NZUsize!(1 << 16),
        freezer_value_write_buffer: NZUsize!(1 << 18),
        ordinal_write_buffer: NZUsize!(1 << 16),
    }
}
