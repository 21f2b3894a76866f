//! Serving states: snapshots that are taken as blocks become final, and answers to those who want them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use commonware_consensus::types::Height;
use commonware_resolver::p2p::Producer;
use commonware_resolver::{Consumer, Delivery};
use commonware_runtime::{Clock, Spawner};
use commonware_utils::channel::{mpsc, oneshot};
use crostata_machine::{Block, BlockDigest, CURSOR_BYTES, Machine, Snapshot};

use super::key::SyncKey;
use super::offer::Offer;
use crate::offload::Worker;
use crate::validator::Marshal;

/// How many states are held for who joins: one to begin with, and one to end with.
const JOINING: usize = 2;
/// How many of the latest states are held, for who finds that he came to another one.
const RECENT: usize = 16;
/// The length of a chunk.
const CHUNK_BYTES: u64 = 1 << 20;

/// A state that is served.
#[derive(Clone)]
struct Held {
    digest: BlockDigest,
    height: u64,
    offer: Bytes,
    snapshot: Arc<dyn Snapshot>,
}

/// The states that this node serves. Cheap to clone.
#[derive(Clone)]
pub struct Snapshots {
    states: Arc<Mutex<States>>,
    chunk_bytes: u64,
}

#[derive(Default)]
struct States {
    /// For who joins: they stay for a while.
    joining: VecDeque<Held>,
    /// The latest, for who came to another one.
    recent: VecDeque<Held>,
}

impl States {
    fn of(&self, block: &BlockDigest) -> Option<&Held> {
        let mut all = self.recent.iter().chain(&self.joining);
        all.find(|held| held.digest == *block)
    }

    fn add(&mut self, held: Held, every: u64) {
        let latest = self.joining.back().map(|latest| latest.height);
        if latest.is_none_or(|latest| held.height >= latest.saturating_add(every)) {
            keep(&mut self.joining, held.clone(), JOINING);
        }
        keep(&mut self.recent, held, RECENT);
    }
}

fn keep(states: &mut VecDeque<Held>, held: Held, max: usize) {
    states.push_back(held);
    while states.len() > max {
        states.pop_front();
    }
}

impl Default for Snapshots {
    fn default() -> Self {
        Self::in_chunks_of(CHUNK_BYTES)
    }
}

impl Snapshots {
    /// None yet. They will be served in chunks of so many bytes, or of one code or page where that is longer.
    pub fn in_chunks_of(chunk_bytes: u64) -> Self {
        Self {
            states: Arc::default(),
            chunk_bytes,
        }
    }

    fn lock(&self) -> MutexGuard<'_, States> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a snapshot of a block that has just become final, if the block has a certificate of its own. One in `every` blocks is for who joins. Nobody
    /// may make another block final meanwhile.
    pub async fn take<E: Spawner + Clock, M: Machine>(
        &self,
        context: &E,
        worker: &Worker<M>,
        marshal: &Marshal,
        block: &Block,
        every: u64,
    ) {
        let height = Height::new(block.height());
        let Some(finalization) = marshal.get_finalization(height).await else {
            return;
        };
        let taken = worker.run(context, |machine| machine.snapshot());
        let snapshot = match taken.await {
            Ok(Ok(snapshot)) => snapshot,
            Ok(Err(error)) => {
                tracing::warn!(%error, "no snapshot is taken");
                return;
            }
            Err(_) => return,
        };
        let offer = Offer {
            finalization,
            header: *block.header(),
            beginning: snapshot.beginning(),
        };
        let held = Held {
            digest: block.digest(),
            height: block.height(),
            offer: offer.encode(),
            snapshot,
        };
        self.lock().add(held, every);
    }

    /// The latest, unless a block is meant.
    fn offer(&self, block: &BlockDigest) -> Option<Bytes> {
        let states = self.lock();
        let held = match *block == BlockDigest::default() {
            true => states.joining.back(),
            false => states.of(block),
        };
        held.map(|held| held.offer.clone())
    }

    fn chunk(&self, block: &BlockDigest, cursor: &[u8; CURSOR_BYTES]) -> Option<Bytes> {
        let snapshot = self.lock().of(block)?.snapshot.clone();
        match snapshot.chunk(cursor, self.chunk_bytes) {
            Ok(chunk) => chunk.map(Bytes::from),
            Err(error) => {
                tracing::error!(%error, "a chunk is not served");
                None
            }
        }
    }
}

/// What arrived from a peer, and where to say whether it is right.
pub struct Delivered {
    pub key: SyncKey,
    pub bytes: Bytes,
    pub verdict: oneshot::Sender<bool>,
}

/// Answers peers, and hands on what peers answer.
pub struct Service<E> {
    context: Arc<E>,
    snapshots: Snapshots,
    delivered: mpsc::UnboundedSender<Delivered>,
}

impl<E> Clone for Service<E> {
    fn clone(&self) -> Self {
        Self {
            context: self.context.clone(),
            snapshots: self.snapshots.clone(),
            delivered: self.delivered.clone(),
        }
    }
}

impl<E> Service<E> {
    /// A service, and where deliveries come.
    pub fn new(context: E, snapshots: Snapshots) -> (Self, mpsc::UnboundedReceiver<Delivered>) {
        // Only what was asked for is delivered, one chunk at a time.
        let (delivered, deliveries) = mpsc::unbounded_channel();
        let service = Self {
            context: Arc::new(context),
            snapshots,
            delivered,
        };
        (service, deliveries)
    }
}

impl<E: Spawner> Producer for Service<E> {
    type Key = SyncKey;

    fn produce(&mut self, key: SyncKey) -> oneshot::Receiver<Bytes> {
        let (answer, answered) = oneshot::channel();
        let snapshots = self.snapshots.clone();
        let context = self.context.child("serve").shared(true);
        context.spawn(move |_| async move {
            let bytes = match &key {
                SyncKey::Offer { block, .. } => snapshots.offer(block),
                SyncKey::Chunk { block, cursor } => snapshots.chunk(block, cursor),
            };
            // Without an answer the peer is told that there is none.
            if let Some(bytes) = bytes {
                let _ = answer.send(bytes);
            }
        });
        answered
    }
}

impl<E: Spawner> Consumer for Service<E> {
    type Key = SyncKey;
    type Value = Bytes;
    type Subscriber = ();
    type Outcome = bool;

    fn deliver(
        &mut self,
        delivery: Delivery<SyncKey, ()>,
        bytes: Bytes,
    ) -> oneshot::Receiver<bool> {
        let (verdict, judged) = oneshot::channel();
        let key = delivery.key;
        let _ = self.delivered.send(Delivered {
            key,
            bytes,
            verdict,
        });
        judged
    }
}
