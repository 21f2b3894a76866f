//! Where a node that diverged came to something else: it gets the true state of the block from its peers, and holds its own against that.

use std::fmt;
use std::sync::Arc;

use commonware_cryptography::ed25519::PublicKey;
use commonware_runtime::{Clock, Spawner};
use crostata::VM;
use crostata_machine::{
    Block, Context, Difference, ExecuteError, Fatal, Machine, Sealed, difference,
    difference_of_committed,
};
use rand::CryptoRng;

use super::StateSync;
use super::arrive::{JoinError, fetch};
use crate::offload::offload;
use crate::validator::Scheme;

/// What became of a state that diverged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Explanation {
    /// There it differs.
    Differs(Difference),
    /// Executed again it comes to what it should: the machine is not deterministic. A processor or memory that fails, or a bug.
    NotAgain,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Differs(difference) => write!(f, "the state differs at {difference}"),
            Self::NotAgain => f.write_str("executed again the block comes to what it should"),
        }
    }
}

/// Why there is no explanation.
#[derive(Debug, thiserror::Error)]
pub enum NotExplained {
    /// No peer has the state of the block any more.
    #[error("no peer has the state of the block any more")]
    Gone,
    /// The state did not arrive.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// The block is not executed here.
    #[error("the block is not executed: {0}")]
    Execute(#[from] ExecuteError),
    /// The states can not be compared.
    #[error(transparent)]
    Fatal(#[from] Fatal),
}

impl StateSync {
    /// Says where this node's state behind a block differs from the one that the chain agreed on, which it gets from peers into `truth`, an empty
    /// VM. The node must have stopped: its machine executes the block once more, over its final state, unless that is the one which differs.
    ///
    /// # Errors
    /// [`NotExplained`].
    #[allow(
        clippy::too_many_arguments,
        reason = "two machines, a network and a block"
    )]
    pub async fn explain<E, M>(
        &mut self,
        context: E,
        machine: Arc<M>,
        ours: Arc<VM>,
        truth: Arc<VM>,
        scheme: Scheme,
        peers: Vec<PublicKey>,
        block: Block,
    ) -> Result<Explanation, NotExplained>
    where
        E: Spawner + Clock + CryptoRng,
        M: Machine<Handle = Sealed>,
    {
        let resolver = self.resolver.clone();
        let (fetching, digest) = (context.child("fetch"), block.digest());
        let deliveries = &mut self.deliveries;
        let arrived = fetch(
            fetching,
            truth.clone(),
            scheme,
            peers,
            digest,
            resolver,
            deliveries,
        );
        arrived.await?.ok_or(NotExplained::Gone)?;
        let compared = offload(&context, move || compare(&*machine, &ours, &truth, &block));
        compared.await.map_err(|_| JoinError::Ended)?
    }
}

fn compare<M: Machine<Handle = Sealed>>(
    machine: &M,
    ours: &VM,
    truth: &VM,
    block: &Block,
) -> Result<Explanation, NotExplained> {
    let header = block.header();
    if let Some(difference) = difference_of_committed(ours, truth, header)? {
        return Ok(Explanation::Differs(difference));
    }
    let context = Context {
        height: header.height,
        time_ms: header.time_ms,
        proposer: header.proposer,
    };
    let executed = machine.execute(&header.parent, &context, block.transactions())?;
    let difference = difference(ours, executed.handle, truth, header)?;
    Ok(difference.map_or(Explanation::NotAgain, Explanation::Differs))
}
