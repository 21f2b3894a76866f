//! Who asks: an opaque key that the queue is fair by.

use std::net::IpAddr;
use std::sync::Arc;

/// Whom a query is counted to: an address, an account, a connection; whatever the embedder wants to be fair between. All who have the
/// same key share a turn, as do all queries without one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Client(Option<Arc<[u8]>>);

impl From<&[u8]> for Client {
    fn from(key: &[u8]) -> Self {
        Self(Some(key.into()))
    }
}

impl From<&str> for Client {
    fn from(key: &str) -> Self {
        Self::from(key.as_bytes())
    }
}

impl From<u64> for Client {
    fn from(key: u64) -> Self {
        Self::from(&key.to_le_bytes()[..])
    }
}

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::from(&address.octets()[..]),
            IpAddr::V6(address) => Self::from(&address.octets()[..]),
        }
    }
}
