//! What simplex asks of the chain: propose a block, verify one.
//!
//! A verdict is final. So "no" is said only of what no node can ever accept; whatever may change, and whatever this node does not know or can not
//! do, is no answer, and the view goes by without this node's vote.

use std::future::pending as never;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use commonware_consensus::marshal::ancestry::Ancestry;
use commonware_consensus::simplex::types::Context as Consensus;
use commonware_cryptography::Digested;
use commonware_cryptography::ed25519::PublicKey;
use commonware_macros::select;
use commonware_runtime::{Clock, Metrics, Spawner};
use crostata_machine::{Account, Block, Context, ExecuteError, Machine};
use futures::StreamExt;

use crate::alarm::Alarms;
use crate::ancestry;
use crate::block::{ChainBlock, Digest, engine_digest};
use crate::offload::Worker;
use crate::own::OwnBlocks;
use crate::pace::Pace;
use crate::shared::SharedPool;
use crate::validator::Scheme;

/// The most transactions that are tried for a block.
const OFFERED_MAX: usize = 8_192;

/// Proposes and verifies blocks. Cheap to clone.
pub struct Application<M> {
    pub(crate) worker: Worker<M>,
    pub(crate) pool: SharedPool,
    pub(crate) alarms: Alarms,
    pub(crate) own: OwnBlocks,
    pub(crate) pace: Pace,
}

impl<M> Clone for Application<M> {
    fn clone(&self) -> Self {
        Self {
            worker: self.worker.clone(),
            pool: self.pool.clone(),
            alarms: self.alarms.clone(),
            own: self.own.clone(),
            pace: self.pace,
        }
    }
}

/// The account of whoever has a validator's key.
pub fn account_of(key: &PublicKey) -> Account {
    let mut bytes = [0; 32];
    let key: &[u8] = key.as_ref();
    bytes
        .iter_mut()
        .zip(key)
        .for_each(|(byte, from)| *byte = *from);
    Account::of_key(&bytes)
}

fn now_ms(clock: &impl Clock) -> u64 {
    let since = clock.current().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

fn at_ms(time_ms: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(time_ms)
}

impl<M: Machine> Application<M> {
    /// Proposes and verifies with a machine.
    pub fn new(worker: Worker<M>, pool: SharedPool, alarms: Alarms, pace: Pace) -> Self {
        Self {
            worker,
            pool,
            own: OwnBlocks::new(alarms.clone()),
            alarms,
            pace,
        }
    }

    fn machine(&self) -> &M {
        self.worker.machine()
    }

    /// Brings everything below a block, and says which of it is not final.
    async fn ready<E: Spawner + Clock>(
        &self,
        context: &E,
        ancestry: impl Ancestry<ChainBlock>,
    ) -> Option<Vec<Block>> {
        let pending = ancestry::pending(self.machine(), ancestry).await?;
        ancestry::execute(context, &self.worker, &self.alarms, &pending).await?;
        Some(pending)
    }

    /// Waits until it is time for a block on this parent.
    async fn pace<E: Clock>(&self, context: &E, parent: &Block, pending: &[Block]) {
        let parent_ms = parent.header().time_ms;
        let earliest = at_ms(parent_ms) + self.pace.block_min;
        let latest = at_ms(parent_ms) + self.pace.idle_max;
        loop {
            let arrival = self.pool.arrival();
            let has_work = self.pool.has_work(pending);
            let now = context.current();
            if now >= latest || (has_work && now >= earliest) {
                return;
            }
            let until = if has_work { earliest } else { latest };
            select! {
                _ = context.sleep_until(until) => {},
                _ = arrival => {},
            }
        }
    }

    async fn build<E: Spawner + Clock>(
        &self,
        context: &E,
        proposer: Account,
        parent: &Block,
        pending: &[Block],
    ) -> Option<Block> {
        let block = Context {
            height: parent.height().checked_add(1)?,
            time_ms: now_ms(context).max(parent.header().time_ms.checked_add(1)?),
            proposer,
        };
        let offered = self.pool.offer(OFFERED_MAX, pending);
        let (pool, parent) = (self.pool.clone(), parent.digest());
        let building = self.worker.run(context, move |machine| {
            let built = machine.build(&parent, &block, &offered)?;
            for refused in &built.refused {
                pool.refresh(machine, refused)?;
            }
            Ok(built.block)
        });
        match building.await.ok()? {
            Ok(block) => Some(block),
            Err(ExecuteError::Fatal(fatal)) => {
                self.alarms.raise(fatal);
                None
            }
            Err(ExecuteError::UnknownParent { .. }) => None,
            Err(ExecuteError::Invalid(invalid)) => {
                tracing::error!(%invalid, "a block can not be built");
                None
            }
        }
    }

    /// Whether a block comes to what it says; none if that is not known.
    async fn executed<E: Spawner + Clock>(
        &self,
        context: &E,
        block: &Block,
        ancestry: impl Ancestry<ChainBlock>,
    ) -> Option<bool> {
        if self.machine().has(&block.digest()) {
            return Some(true);
        }
        ancestry::within_reach(context, self.machine(), block.height()).await;
        self.ready(context, ancestry).await?;
        let checked = block.clone();
        let checking = self
            .worker
            .run(context, move |machine| machine.check(&checked));
        match checking.await.ok()? {
            Ok(()) => Some(true),
            Err(ExecuteError::Invalid(invalid)) => {
                tracing::warn!(block = %block.digest(), %invalid, "an invalid block was proposed");
                Some(false)
            }
            Err(ExecuteError::UnknownParent { .. }) => None,
            Err(ExecuteError::Fatal(fatal)) => {
                self.alarms.raise(fatal);
                None
            }
        }
    }

    /// A verdict, or none. It depends on the context too: a block that is known may be proposed by somebody whose block it is not.
    async fn judge<E: Spawner + Clock>(
        &self,
        context: &E,
        leader: &PublicKey,
        mut ancestry: impl Ancestry<ChainBlock>,
    ) -> Option<bool> {
        let block = ancestry.next().await?.inner().block().clone();
        if self.alarms.has_stopped() {
            return None;
        }
        let parent = ancestry.clone().next().await?.inner().block().clone();
        let header = block.header();
        let follows = block.height().checked_sub(1) == Some(parent.height());
        if header.proposer != account_of(leader)
            || header.time_ms <= parent.header().time_ms
            || !follows
        {
            return Some(false);
        }
        let verdict = self.executed(context, &block, ancestry).await?;
        // A block of the future is not invalid, only early.
        if verdict {
            let due = at_ms(header.time_ms).checked_sub(self.pace.ahead_max);
            context.sleep_until(due.unwrap_or(UNIX_EPOCH)).await;
        }
        Some(verdict)
    }
}

impl<E, M> commonware_consensus::Application<E> for Application<M>
where
    E: Spawner + Clock + Metrics,
    M: Machine,
{
    type SigningScheme = Scheme;
    type Context = Consensus<Digest, PublicKey>;
    type Block = ChainBlock;
    type Input = ();

    async fn propose(
        &mut self,
        (context, consensus): (E, Self::Context),
        ancestry: impl Ancestry<ChainBlock>,
        (): (),
    ) -> Option<Digested<ChainBlock>> {
        if self.alarms.has_stopped() {
            return None;
        }
        let parent = ancestry.peek()?.inner().block().clone();
        let pending = self.ready(&context, ancestry).await?;
        self.pace(&context, &parent, &pending).await;
        let proposer = account_of(&consensus.leader);
        let block = self.build(&context, proposer, &parent, &pending).await?;
        self.own.proposed(consensus.round.view().get());
        let digest = engine_digest(block.digest());
        Some(Digested::precomputed(ChainBlock::from(block), digest))
    }

    async fn verify(
        &mut self,
        (context, consensus): (E, Self::Context),
        ancestry: impl Ancestry<ChainBlock>,
    ) -> bool {
        match self.judge(&context, &consensus.leader, ancestry).await {
            Some(verdict) => verdict,
            None => never().await,
        }
    }
}
