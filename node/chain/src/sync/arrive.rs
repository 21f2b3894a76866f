//! Getting a state: offers, chunks, and whom not to ask again.

use std::sync::Arc;
use std::time::Duration;

use commonware_consensus::simplex::types::Finalization;
use commonware_cryptography::ed25519::PublicKey;
use commonware_macros::select;
use commonware_resolver::{Resolver, TargetedResolver};
use commonware_runtime::{Clock, Spawner};
use commonware_utils::channel::mpsc;
use commonware_utils::vec::NonEmptyVec;
use crostata::VM;
use crostata_machine::{Arrival, ArriveError, Fatal, Header};
use rand::CryptoRng;

use super::key::SyncKey;
use super::offer::Offer;
use super::serve::Delivered;
use crate::block::Digest;
use crate::offload::offload;
use crate::validator::Scheme;

/// How long offers are waited for, once the first has come.
const OFFERS_WAIT: Duration = Duration::from_millis(500);
/// How long a chunk is waited for before offers are asked for again.
const CHUNK_WAIT: Duration = Duration::from_secs(10);

/// A state that has arrived.
#[derive(Debug, Clone)]
pub struct Arrived {
    /// That its block is final: where the validator begins.
    pub finalization: Finalization<Scheme, Digest>,
    /// The block's header.
    pub header: Header,
}

/// Why a state does not arrive.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// This node can not keep it.
    #[error(transparent)]
    Fatal(#[from] Fatal),
    /// The network has ended.
    #[error("the network has ended")]
    Ended,
}

/// Gets a final state from peers into an empty VM. It takes as long as it takes; what has arrived stays when it is given up.
///
/// # Errors
/// [`JoinError`].
pub async fn join<E, R>(
    mut context: E,
    vm: Arc<VM>,
    scheme: Scheme,
    peers: Vec<PublicKey>,
    mut resolver: R,
    deliveries: &mut mpsc::UnboundedReceiver<Delivered>,
) -> Result<Arrived, JoinError>
where
    E: Spawner + Clock + CryptoRng,
    R: TargetedResolver<Key = SyncKey, Subscriber = (), PublicKey = PublicKey>,
{
    let mut round = 0;
    loop {
        let offer = offers(
            &mut context,
            &scheme,
            &peers,
            &mut resolver,
            deliveries,
            round,
        )
        .await?;
        round += 1;
        tracing::info!(height = offer.header.height, "a state is offered");
        if let Some(arrived) = chunks(&context, &vm, &offer, &mut resolver, deliveries).await? {
            return Ok(arrived);
        }
    }
}

/// Asks all peers, and takes the highest of what comes within some time of the first.
async fn offers<E, R>(
    context: &mut E,
    scheme: &Scheme,
    peers: &[PublicKey],
    resolver: &mut R,
    deliveries: &mut mpsc::UnboundedReceiver<Delivered>,
    round: u32,
) -> Result<Offer, JoinError>
where
    E: Clock + CryptoRng,
    R: TargetedResolver<Key = SyncKey, Subscriber = (), PublicKey = PublicKey>,
{
    let first = round.wrapping_mul(peers.len() as u32);
    for (number, peer) in (first..).zip(peers) {
        resolver.fetch_targeted(SyncKey::Offer(number), NonEmptyVec::new(peer.clone()));
    }
    let mut best: Option<Offer> = None;
    let mut answered = 0;
    let mut until = None;
    while answered < peers.len() {
        let delivered = match until {
            None => deliveries.recv().await,
            Some(until) => select! {
                delivered = deliveries.recv() => delivered,
                _ = context.sleep_until(until) => break,
            },
        };
        let delivered = delivered.ok_or(JoinError::Ended)?;
        if !matches!(delivered.key, SyncKey::Offer(_)) {
            continue;
        }
        let offer = Offer::decode(&delivered.bytes, scheme, context);
        let _ = delivered.verdict.send(offer.is_ok());
        match offer {
            Ok(offer) => {
                answered += 1;
                until = until.or(Some(context.current() + OFFERS_WAIT));
                let is_better = best
                    .as_ref()
                    .is_none_or(|best| best.header.height < offer.header.height);
                if is_better {
                    best = Some(offer);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a peer lies about what is final");
            }
        }
    }
    resolver.retain(|_, ()| false);
    best.ok_or(JoinError::Ended)
}

/// Fetches what is missing. None if nobody has it any more, or the offer began with a lie.
async fn chunks<E, R>(
    context: &E,
    vm: &Arc<VM>,
    offer: &Offer,
    resolver: &mut R,
    deliveries: &mut mpsc::UnboundedReceiver<Delivered>,
) -> Result<Option<Arrived>, JoinError>
where
    E: Spawner + Clock,
    R: Resolver<Key = SyncKey, Subscriber = ()>,
{
    let mut arrival = match Arrival::begin(vm, &offer.header, &offer.beginning) {
        Ok(arrival) => arrival,
        Err(ArriveError::Fatal(fatal)) => return Err(fatal.into()),
        Err(ArriveError::Peer(reason)) => {
            tracing::warn!(reason, "an offer begins with a lie");
            return Ok(None);
        }
    };
    let block = arrival.block();
    while let Some(cursor) = arrival.wants() {
        let wanted = SyncKey::Chunk { block, cursor };
        resolver.fetch(wanted);
        let Some(delivered) = wait_for(context, deliveries, wanted).await? else {
            resolver.retain(|_, ()| false);
            return Ok(None);
        };
        arrival = accept(context, arrival, delivered).await?;
    }
    let finished = offload(context, move || arrival.finish()).await;
    match finished.map_err(|_| JoinError::Ended)? {
        Ok(()) => Ok(Some(Arrived {
            finalization: offer.finalization.clone(),
            header: offer.header,
        })),
        Err(ArriveError::Fatal(fatal)) => Err(fatal.into()),
        Err(ArriveError::Peer(_)) => Ok(None),
    }
}

/// What was asked for, unless it takes too long.
async fn wait_for<E: Clock>(
    context: &E,
    deliveries: &mut mpsc::UnboundedReceiver<Delivered>,
    wanted: SyncKey,
) -> Result<Option<Delivered>, JoinError> {
    let until = context.current() + CHUNK_WAIT;
    loop {
        let delivered = select! {
            delivered = deliveries.recv() => delivered.ok_or(JoinError::Ended)?,
            _ = context.sleep_until(until) => return Ok(None),
        };
        if delivered.key == wanted {
            return Ok(Some(delivered));
        }
    }
}

/// Verifies and keeps a chunk. Who sent a wrong one is blocked, and another is asked.
async fn accept<E: Spawner>(
    context: &E,
    mut arrival: Arrival,
    delivered: Delivered,
) -> Result<Arrival, JoinError> {
    let bytes = delivered.bytes;
    let work = move || {
        let accepted = arrival.accept(&bytes);
        (arrival, accepted)
    };
    let (arrival, accepted) = offload(context, work).await.map_err(|_| JoinError::Ended)?;
    match accepted {
        Ok(()) => {
            let _ = delivered.verdict.send(true);
        }
        Err(ArriveError::Peer(reason)) => {
            tracing::warn!(reason, "a peer sent a wrong chunk");
            let _ = delivered.verdict.send(false);
        }
        Err(ArriveError::Fatal(fatal)) => return Err(fatal.into()),
    }
    Ok(arrival)
}
