//! Getting a state: offers, chunks, and whom not to ask again.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use commonware_consensus::simplex::types::Finalization;
use commonware_cryptography::ed25519::PublicKey;
use commonware_macros::select;
use commonware_resolver::{Resolver, TargetedResolver};
use commonware_runtime::{Clock, Spawner};
use commonware_utils::channel::mpsc;
use commonware_utils::vec::NonEmptyVec;
use crostata::VM;
use crostata_machine::{Arrival, ArriveError, BlockDigest, Fatal, Header};
use rand::CryptoRng;

use super::key::SyncKey;
use super::offer::Offer;
use super::serve::Delivered;
use crate::block::Digest;
use crate::offload::offload;
use crate::validator::Scheme;

/// How long offers are waited for, once the first has come.
const OFFERS_WAIT: Duration = Duration::from_millis(500);
/// How long a peer is waited for who still has the state of which a part is there.
const AGAIN_WAIT: Duration = Duration::from_secs(2);
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
    let mut market = Market {
        scheme,
        peers,
        asked: 0,
    };
    loop {
        let again = match arriving(&vm) {
            Some(block) => {
                let until = Some(context.current() + AGAIN_WAIT);
                let asked = market.ask(&mut context, &mut resolver, deliveries, block, until);
                asked.await?
            }
            None => None,
        };
        let any = BlockDigest::default();
        let offer = match again {
            Some(offer) => Some(offer),
            None => {
                market
                    .ask(&mut context, &mut resolver, deliveries, any, None)
                    .await?
            }
        };
        let Some(offer) = offer else {
            continue;
        };
        tracing::info!(height = offer.header.height, "a state is offered");
        if let Some(arrived) = chunks(&context, &vm, &offer, &mut resolver, deliveries).await? {
            return Ok(arrived);
        }
    }
}

/// Gets a block's state from peers into an empty VM; none if nobody has it.
///
/// # Errors
/// [`JoinError`].
pub async fn fetch<E, R>(
    mut context: E,
    vm: Arc<VM>,
    scheme: Scheme,
    peers: Vec<PublicKey>,
    block: BlockDigest,
    mut resolver: R,
    deliveries: &mut mpsc::UnboundedReceiver<Delivered>,
) -> Result<Option<Arrived>, JoinError>
where
    E: Spawner + Clock + CryptoRng,
    R: TargetedResolver<Key = SyncKey, Subscriber = (), PublicKey = PublicKey>,
{
    let mut market = Market {
        scheme,
        peers,
        asked: 0,
    };
    let until = Some(context.current() + CHUNK_WAIT);
    let asked = market.ask(&mut context, &mut resolver, deliveries, block, until);
    match asked.await? {
        Some(offer) => chunks(&context, &vm, &offer, &mut resolver, deliveries).await,
        None => Ok(None),
    }
}

/// The block of which a part of the state is there already.
fn arriving(vm: &VM) -> Option<BlockDigest> {
    let unfinished = vm.unfinished_import();
    unfinished.map(|commit| BlockDigest::from_bytes(commit.tag))
}

/// Who is asked for offers, and how they are judged.
struct Market {
    scheme: Scheme,
    peers: Vec<PublicKey>,
    asked: u32,
}

impl Market {
    /// Asks all peers for a block's state, or for any. Takes the highest of what comes within some time of the first; none if nothing comes until then.
    async fn ask<E, R>(
        &mut self,
        context: &mut E,
        resolver: &mut R,
        deliveries: &mut mpsc::UnboundedReceiver<Delivered>,
        block: BlockDigest,
        mut until: Option<SystemTime>,
    ) -> Result<Option<Offer>, JoinError>
    where
        E: Clock + CryptoRng,
        R: TargetedResolver<Key = SyncKey, Subscriber = (), PublicKey = PublicKey>,
    {
        for peer in &self.peers {
            self.asked = self.asked.wrapping_add(1);
            let number = self.asked;
            let key = SyncKey::Offer { block, number };
            resolver.fetch_targeted(key, NonEmptyVec::new(peer.clone()));
        }
        let mut best: Option<Offer> = None;
        let mut answered = 0;
        while answered < self.peers.len() {
            let Some(delivered) = next(context, deliveries, until).await? else {
                break;
            };
            if !matches!(delivered.key, SyncKey::Offer { block: of, .. } if of == block) {
                continue;
            }
            let Some(offer) = self.judge(context, delivered) else {
                continue;
            };
            answered += 1;
            let soon = context.current() + OFFERS_WAIT;
            until = Some(until.map_or(soon, |until| until.min(soon)));
            let known = best.as_ref().map(|best| best.header.height);
            if known.is_none_or(|known| known < offer.header.height) {
                best = Some(offer);
            }
        }
        resolver.retain(|_, ()| false);
        Ok(best)
    }

    /// What is offered, unless it is a lie; who lies is not asked again.
    fn judge(&self, random: &mut impl CryptoRng, delivered: Delivered) -> Option<Offer> {
        let offer = Offer::decode(&delivered.bytes, &self.scheme, random);
        let _ = delivered.verdict.send(offer.is_ok());
        match offer {
            Ok(offer) => Some(offer),
            Err(error) => {
                tracing::warn!(%error, "a peer lies about what is final");
                None
            }
        }
    }
}

/// What is delivered next, unless it takes too long.
async fn next<E: Clock>(
    context: &E,
    deliveries: &mut mpsc::UnboundedReceiver<Delivered>,
    until: Option<SystemTime>,
) -> Result<Option<Delivered>, JoinError> {
    let Some(until) = until else {
        return deliveries.recv().await.map(Some).ok_or(JoinError::Ended);
    };
    select! {
        delivered = deliveries.recv() => delivered.map(Some).ok_or(JoinError::Ended),
        _ = context.sleep_until(until) => Ok(None),
    }
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
        match next(context, deliveries, Some(until)).await? {
            Some(delivered) if delivered.key == wanted => return Ok(Some(delivered)),
            Some(_) => {}
            None => return Ok(None),
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
