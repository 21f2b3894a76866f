//! Bringing the states that a block is executed over: after a restart, or where a node was left out, ancestors are executed again.

use std::time::Duration;

use commonware_consensus::marshal::ancestry::Ancestry;
use commonware_runtime::{Clock, Spawner};
use crostata_machine::{Block, ExecuteError, Machine};
use futures::StreamExt;

use crate::alarm::{Alarm, Alarms};
use crate::block::ChainBlock;
use crate::offload::Worker;

/// How far above what is final here blocks are executed. Further up a node waits for what is decided, which comes in order.
const AHEAD_MAX: u64 = 48;
/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Waits until a block is not too far above what is final here.
pub async fn within_reach<E: Clock, M: Machine>(context: &E, machine: &M, height: u64) {
    while height > machine.finalized().height.saturating_add(AHEAD_MAX) {
        context.sleep(LOOK_EVERY).await;
    }
}

/// The blocks between what is final and what is to be executed, the lowest first; none if they can not be had, or the ancestry leads elsewhere than
/// to what is final.
///
/// The first of `ancestry` must be the parent of what is to be executed.
pub async fn pending<M: Machine>(
    machine: &M,
    mut ancestry: impl Ancestry<ChainBlock>,
) -> Option<Vec<Block>> {
    let mut pending: Vec<Block> = Vec::new();
    while let Some(block) = ancestry.next().await {
        let block = block.inner().block().clone();
        let height = block.height();
        pending.push(block);
        // It may have moved on meanwhile, and be anywhere among these.
        let finalized = machine.finalized();
        let met = pending
            .iter()
            .position(|block| block.digest() == finalized.digest);
        if let Some(met) = met {
            pending.truncate(met);
            pending.reverse();
            return Some(pending);
        }
        if height <= finalized.height {
            return None;
        }
    }
    None
}

/// Executes and keeps what of these is not there, in order. They are notarised: one that is invalid here is an alarm.
pub async fn execute<E: Spawner + Clock, M: Machine>(
    context: &E,
    worker: &Worker<M>,
    alarms: &Alarms,
    blocks: &[Block],
) -> Option<()> {
    let missing = |block: &&Block| !worker.machine().has(&block.digest());
    for block in blocks.iter().filter(missing) {
        let ancestor = block.clone();
        let executed = worker.run(context, move |machine| machine.check(&ancestor));
        match executed.await.ok()? {
            Ok(()) => {}
            Err(ExecuteError::UnknownParent { .. }) => return None,
            Err(ExecuteError::Fatal(fatal)) => {
                alarms.raise(fatal);
                return None;
            }
            Err(ExecuteError::Invalid(invalid)) => {
                alarms.raise(Alarm::Ancestor {
                    block: Box::new(block.clone()),
                    invalid,
                });
                return None;
            }
        }
    }
    Some(())
}
