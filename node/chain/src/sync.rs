//! State sync: how a node that has nothing gets a final state from peers that it need not trust.
//!
//! 1. Each peer is asked for an *offer*: a certificate that a block is final, its header, and what getting its state begins with. A certificate
//!    that does not hold, or is of another header, is a lie.
//! 2. Of the offers the highest is taken, and its state is fetched chunk by chunk, from whoever answers. Each is held against the header's root before it
//!    is kept. A peer that sends anything else is blocked.
//! 3. When nobody has the next chunk any more, offers are asked for again. What has arrived of a block's state is kept meanwhile, also over restarts.
//!
//! Validators serve the state of the block at which they last took a snapshot, and the one before, so that who began can end.

mod arrive;
mod explain;
mod key;
mod offer;
mod serve;

use std::sync::Arc;
use std::time::Duration;

use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::{Blocker, Provider, Receiver, Sender};
use commonware_resolver::p2p;
use commonware_runtime::{Clock, Handle, Metrics, Spawner};
use commonware_utils::channel::mpsc;
use commonware_utils::{NZDuration, NZUsize};
use crostata::VM;
use rand::CryptoRng;

use crate::validator::Scheme;
use serve::{Delivered, Service};

pub use arrive::{Arrived, JoinError};
pub use explain::{Explanation, NotExplained};
pub use key::SyncKey;
pub use offer::{Offer, OfferError};
pub use serve::Snapshots;

/// The longest chunk: what is counted towards it, and a code that is too long for any.
pub const CHUNK_BYTES_MAX: usize = 2 << 20;

/// Serves states, and gets one. Dropping this does not stop serving; ending [`part`](Self::part) does.
pub struct StateSync {
    resolver: p2p::Mailbox<SyncKey, PublicKey>,
    deliveries: mpsc::UnboundedReceiver<Delivered>,
    /// Ends when serving does.
    pub part: Handle<()>,
}

impl StateSync {
    /// Starts serving what is in `snapshots`, over channel 6.
    pub fn start<E, S, R, B, P>(
        context: E,
        me: PublicKey,
        network: (S, R),
        blocker: B,
        peers: P,
        snapshots: Snapshots,
        fetch_timeout: Duration,
    ) -> Self
    where
        E: Clock + CryptoRng + Spawner + Metrics,
        S: Sender<PublicKey = PublicKey>,
        R: Receiver<PublicKey = PublicKey>,
        B: Blocker<PublicKey = PublicKey>,
        P: Provider<PublicKey = PublicKey>,
    {
        let (service, deliveries) = Service::new(context.child("service"), snapshots);
        let config = p2p::Config {
            peer_provider: peers,
            blocker,
            consumer: service.clone(),
            producer: service,
            mailbox_size: NZUsize!(256),
            me: Some(me),
            fetch_timeout: NZDuration!(fetch_timeout),
            fetch_retry_delay: Duration::from_millis(200),
            priority_requests: false,
            priority_responses: false,
        };
        let (engine, resolver) = p2p::Engine::new(context.child("resolver"), config);
        let serving = engine.start(network).abort_on_drop();
        let held = resolver.clone();
        let part = context.spawn(move |_| async move {
            // What serves ends when nobody can ask it anything: here somebody always can.
            let _held = held;
            let _ = serving.join().await;
        });
        Self {
            resolver,
            deliveries,
            part,
        }
    }

    /// Gets a final state from these peers into an empty VM, or goes on with what is there of one. It takes as long as it takes; what has arrived
    /// stays when it is given up.
    ///
    /// # Errors
    /// [`JoinError`].
    pub async fn join<E: Spawner + Clock + CryptoRng>(
        &mut self,
        context: E,
        vm: Arc<VM>,
        scheme: Scheme,
        peers: Vec<PublicKey>,
    ) -> Result<Arrived, JoinError> {
        let resolver = self.resolver.clone();
        arrive::join(context, vm, scheme, peers, resolver, &mut self.deliveries).await
    }
}
