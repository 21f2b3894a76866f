//! The names of chains, blocks and transactions: 32 bytes each, of kinds that do not mix.

use std::fmt;

macro_rules! digest {
    ($(#[$docs:meta])* $name:ident, $context:literal) => {
        $(#[$docs])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name([u8; 32]);

        impl $name {
            /// What is hashed with this can not be taken for anything else.
            const CONTEXT: &str = $context;

            /// The digest of some bytes.
            pub fn of(parts: &[&[u8]]) -> Self {
                let mut hasher = blake3::Hasher::new_derive_key(Self::CONTEXT);
                for part in parts {
                    hasher.update(part);
                }
                Self(*hasher.finalize().as_bytes())
            }

            /// A digest that was computed elsewhere.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// Its bytes.
            pub const fn to_bytes(self) -> [u8; 32] {
                self.0
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

digest!(
    /// Names a chain: what its genesis says. Every signature is for one chain.
    ChainId,
    "crostata-node 2026-11 chain"
);
digest!(
    /// Names a block: all of it. It is the tag of the block's commit.
    BlockDigest,
    "crostata-node 2026-11 block"
);
digest!(
    /// Names a transaction: all of it, signature included. It is the tag of the transaction's receipt.
    TransactionDigest,
    "crostata-node 2026-11 transaction"
);

/// Writes bytes as hexadecimal digits.
pub fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}
