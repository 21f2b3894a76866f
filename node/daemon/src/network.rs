//! Authenticated connections to the other nodes, over TCP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use commonware_cryptography::ChaCha20Poly1305;
use commonware_cryptography::ed25519::{PrivateKey, PublicKey};
use commonware_p2p::authenticated::lookup::{self, Network, Oracle};
use commonware_p2p::{Address, AddressableManager as _};
use commonware_runtime::tokio::Context;
use commonware_runtime::{Handle, Quota, Supervisor as _};
use commonware_stream::SakeCups;
use commonware_stream::cups::{self, Cups};
use commonware_stream::sake::{self, Sake};
use commonware_utils::ordered::Map;
use commonware_utils::{NZU32, NZUsize};
use crostata_chain::{Channels, message_bytes_max};
use crostata_machine::{ChainId, Rules};

/// So many messages a second of one channel are taken from one peer, and sent to one.
const MESSAGES_PER_SECOND: Quota = Quota::per_second(NZU32!(8_192));
/// How far the clocks of nodes may be apart.
const CLOCKS_APART: Duration = Duration::from_secs(10);
/// After how long a handshake is too old.
const HANDSHAKE_AGE: Duration = Duration::from_secs(20);
/// Where states are served.
const SYNC_CHANNEL: u64 = 6;

type Sender = lookup::Sender<PublicKey, Context>;
type Receiver = lookup::Receiver<PublicKey>;
type Upgrader = SakeCups<PrivateKey, ChaCha20Poly1305>;

/// A node's connections.
pub struct Connections {
    /// Those of the validator.
    pub channels: Channels<Sender, Receiver>,
    /// That of state sync.
    pub sync: (Sender, Receiver),
    /// Who knows and blocks peers.
    pub oracle: Oracle<PublicKey>,
    /// Ends when the network does.
    pub part: Handle<()>,
}

/// What the network is to know.
pub struct Addresses {
    /// The node's key.
    pub key: PrivateKey,
    /// Where it listens.
    pub listen: SocketAddr,
    /// All nodes, this one too.
    pub nodes: Vec<(PublicKey, SocketAddr)>,
}

/// Connects a node with the others.
pub fn connect(
    context: &Context,
    chain: &ChainId,
    rules: &Arc<Rules>,
    addresses: Addresses,
) -> Connections {
    let config = config(chain, rules, &addresses);
    let (mut network, mut oracle) = Network::new(context.child("network"), config);
    let nodes = addresses.nodes.into_iter();
    let nodes = nodes.map(|(key, address)| (key, Address::from(address)));
    oracle.track(0, Map::from_iter_dedup(nodes));
    let mut channel = |number| network.register(number, MESSAGES_PER_SECOND);
    let channels = Channels {
        votes: channel(0),
        certificates: channel(1),
        resolver: channel(2),
        blocks: channel(3),
        backfill: channel(4),
        transactions: channel(5),
    };
    let sync = channel(SYNC_CHANNEL);
    Connections {
        channels,
        sync,
        oracle,
        part: network.start(),
    }
}

fn config(chain: &ChainId, rules: &Arc<Rules>, addresses: &Addresses) -> lookup::Config<Upgrader> {
    let sake = Sake {
        signer: addresses.key.clone(),
        synchrony_bound: CLOCKS_APART,
        max_handshake_age: HANDSHAKE_AGE,
        version: sake::Version::V1,
    };
    let handshake = Cups::new(sake, cups::Version::V1);
    let namespace = [b"crostata-node ".as_slice(), chain.as_ref()].concat();
    let nodes = addresses.nodes.len();
    // INVARIANT: there are fewer nodes than fit, and messages are shorter than 4 GiB: the rules of blocks are 32-bit numbers.
    let validators = u32::try_from(nodes).unwrap_or(u32::MAX);
    let message_bytes = u32::try_from(message_bytes_max(validators, rules)).unwrap_or(u32::MAX);
    let mut config = lookup::Config::local(
        handshake,
        &namespace,
        addresses.listen,
        NZUsize!(nodes),
        message_bytes,
        NZUsize!(1_024),
    );
    // Whoever restarts is back at once.
    config.peer_connection_cooldown = Duration::from_millis(250);
    config.dial_frequency = Duration::from_millis(200);
    config.tracked_peer_sets = NZUsize!(1);
    config
}
