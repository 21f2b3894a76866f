//! Makes decided blocks final: in order, one at a time, and acknowledged when they are durable.
//!
//! Blocks come at least once: what is final already is acknowledged again. A block that does not become final stops the node; it is not acknowledged, so
//! that it comes again when the node is started anew.

use std::future::pending as never;
use std::sync::Arc;

use commonware_actor::Feedback;
use commonware_consensus::Reporter;
use commonware_consensus::marshal::Update;
use commonware_consensus::types::Height;
use commonware_cryptography::Digested;
use commonware_runtime::{Clock, Handle, Spawner};
use commonware_utils::Acknowledgement as _;
use commonware_utils::acknowledgement::Exact;
use commonware_utils::channel::mpsc;
use crostata_machine::{Block, FinalizeError, Machine, Receipt};

use crate::alarm::Alarms;
use crate::archives::SECTION;
use crate::block::ChainBlock;
use crate::offload::Worker;
use crate::shared::SharedPool;
use crate::sync::Snapshots;
use crate::validator::Marshal;

/// A block that is final and durable.
#[derive(Debug, Clone)]
pub struct FinalBlock {
    /// The block.
    pub block: Block,
    /// What became of its transactions. Empty when it was final already, or was executed before a restart.
    pub receipts: Vec<Receipt>,
}

/// Who is told of final blocks.
pub type Listener = Arc<dyn Fn(FinalBlock) + Send + Sync>;

/// Where marshal reports decided blocks.
#[derive(Clone)]
pub struct Finaliser {
    blocks: mpsc::UnboundedSender<(Digested<ChainBlock>, Exact)>,
}

impl Finaliser {
    /// Starts making blocks final.
    pub fn start<E: Spawner + Clock, M: Machine>(
        context: E,
        work: Finalising<M>,
    ) -> (Self, Handle<()>) {
        // Marshal sends no more than it was configured with before they are acknowledged.
        let (blocks, received) = mpsc::unbounded_channel();
        let handle = context.spawn(move |context| work.run(context, received));
        (Self { blocks }, handle)
    }
}

impl Reporter for Finaliser {
    type Activity = Update<ChainBlock>;

    fn report(&mut self, update: Self::Activity) -> Feedback {
        let sent = match update {
            Update::Tip(..) => Ok(()),
            Update::Block(block, acknowledgement) => self.blocks.send((block, acknowledgement)),
        };
        match sent {
            Ok(()) => Feedback::Ok,
            Err(_) => Feedback::Closed,
        }
    }
}

/// What making blocks final needs.
pub struct Finalising<M> {
    /// What executes them.
    pub worker: Worker<M>,
    /// The transactions that wait.
    pub pool: SharedPool,
    /// Where alarms are raised.
    pub alarms: Alarms,
    /// Who is told.
    pub listener: Listener,
    /// Where certificates are asked for.
    pub marshal: Marshal,
    /// The states that are served.
    pub snapshots: Snapshots,
    /// After how many blocks another one is.
    pub snapshot_every: u64,
    /// How many of the latest blocks marshal keeps; all, if it does not say.
    pub keep_blocks: Option<u64>,
}

impl<M: Machine> Finalising<M> {
    async fn run<E: Spawner + Clock>(
        self,
        context: E,
        mut blocks: mpsc::UnboundedReceiver<(Digested<ChainBlock>, Exact)>,
    ) {
        while let Some((block, acknowledgement)) = blocks.recv().await {
            let block = block.inner().block().clone();
            match self.finalize_in_order(&context, &block).await {
                Some(Ok(receipts)) => {
                    self.snapshot(&context, &block).await;
                    let height = block.height();
                    self.tell(block, receipts);
                    acknowledgement.acknowledge();
                    self.forget(height);
                    if blocks.is_empty() {
                        self.settle(&context).await;
                    }
                }
                stopped => {
                    if let Some(Err(error)) = stopped {
                        self.alarms.raise(error);
                    }
                    // Held, so that nobody takes it for done, nor for given up.
                    let _held = acknowledgement;
                    never::<()>().await;
                }
            }
        }
    }

    /// Forgets blocks that are far below one which is final.
    fn forget(&self, height: u64) {
        let lowest = self.keep_blocks.and_then(|keep| height.checked_sub(keep));
        // Requests that come before marshal has taken note of what was acknowledged are made again.
        if let Some(lowest) = lowest.filter(|lowest| lowest % (SECTION / 4) == 0) {
            self.marshal.prune(Height::new(lowest));
        }
    }

    async fn snapshot<E: Spawner + Clock>(&self, context: &E, block: &Block) {
        let (worker, marshal, every) = (&self.worker, &self.marshal, self.snapshot_every);
        let taken = self.snapshots.take(context, worker, marshal, block, every);
        taken.await;
    }

    /// Makes a block final. A machine that is behind what the engine has told it, since its directory was replaced by an older one, gets what is missing from
    /// the engine's store first. None if the runtime ends.
    async fn finalize_in_order<E: Spawner + Clock>(
        &self,
        context: &E,
        block: &Block,
    ) -> Option<Result<Vec<Receipt>, FinalizeError>> {
        let first = self.finalize(context, block).await?;
        let Err(FinalizeError::Gap { .. }) = &first else {
            return Some(first);
        };
        let behind = self.worker.machine().finalized().height;
        tracing::warn!(
            behind,
            height = block.height(),
            "the machine is behind the engine"
        );
        for height in behind.saturating_add(1)..block.height() {
            let Some(missing) = self.marshal.get_block(Height::new(height)).await else {
                return Some(first);
            };
            let missing = missing.inner().block().clone();
            match self.finalize(context, &missing).await? {
                Ok(receipts) => self.tell(missing, receipts),
                Err(error) => return Some(Err(error)),
            }
        }
        self.finalize(context, block).await
    }

    async fn settle<E: Spawner + Clock>(&self, context: &E) {
        if let Ok(Err(fatal)) = self.worker.run(context, |machine| machine.settle()).await {
            self.alarms.raise(fatal);
        }
    }

    fn tell(&self, block: Block, receipts: Vec<Receipt>) {
        self.pool.lock().finalized(block.transactions());
        (self.listener)(FinalBlock { block, receipts });
    }

    /// None if the runtime ends.
    async fn finalize<E: Spawner + Clock>(
        &self,
        context: &E,
        block: &Block,
    ) -> Option<Result<Vec<Receipt>, FinalizeError>> {
        let decided = block.clone();
        let work = move |machine: &M| machine.finalize(decided.height(), &decided);
        self.worker.run(context, work).await.ok()
    }
}
