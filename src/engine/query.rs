//! Host queries: what contracts may ask the embedder, and what is known when they ask.
//!
//! A query is pure: its answer depends on its argument and on [`QueryContext`] alone, and both are the same on every node. It is priced
//! before it runs. What this file never does: look queries up, or decide which a session offers.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use crostata_abi::typed::{CodecError, Encode, encode};
use crostata_abi::{ARGBUF_LEN, ContractId};

/// What a chain says about the block that is executed. It is the same on every node.
///
/// Contracts read it as session data (`hd`), host queries as [`QueryContext::block`]; nothing needs globals.
///
/// | session datum | type |
/// |---|---|
/// | `block_height` | `u64` |
/// | `block_time` | `u64`, milliseconds of Unix time, as the chain has them |
/// | `block_proposer` | `Vec<u8>`, empty unless given |
/// | `chain_id` | `String`, empty unless given |
/// | the name of each [`datum`](Self::with_datum) | its own |
///
/// ```
/// use crostata::{BlockContext, SessionData};
///
/// let block = BlockContext::new(1_024, 1_774_000_000_000)
///     .with_proposer([7; 96])?
///     .with_chain("mountain-1")?
///     .with_datum("base_fee", &12_u64)?;
/// let data = SessionData::builder().block(block)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct BlockContext {
    height: u64,
    time_ms: u64,
    proposer: Vec<u8>,
    chain: String,
    data: BTreeMap<String, Vec<u8>>,
}

/// Why a block's context can not have something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockContextError {
    /// The proposer is named with too many bytes.
    #[error(
        "a proposer of {len_bytes} bytes; at most {} are allowed",
        BlockContext::NAME_BYTES_MAX
    )]
    Proposer {
        /// How many.
        len_bytes: usize,
    },
    /// The chain's name is too long.
    #[error(
        "a chain's name of {len_bytes} bytes; at most {} are allowed",
        BlockContext::NAME_BYTES_MAX
    )]
    Chain {
        /// Its length.
        len_bytes: usize,
    },
    /// A datum's name is longer than contracts can ask for.
    #[error(
        "a datum's name has {len_bytes} bytes; at most {} can be asked for",
        BlockContext::NAME_BYTES_MAX
    )]
    Name {
        /// Its length.
        len_bytes: usize,
    },
    /// A datum has the name of what every block has.
    #[error("`{name}` is what every block has; give the datum another name")]
    Taken {
        /// The name.
        name: String,
    },
    /// A datum does not fit the argument buffer.
    #[error("the datum `{name}`: {error}")]
    Value {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        error: CodecError,
    },
}

impl BlockContext {
    /// The datum of the height.
    pub const HEIGHT: &str = "block_height";
    /// The datum of the time.
    pub const TIME: &str = "block_time";
    /// The datum of the proposer.
    pub const PROPOSER: &str = "block_proposer";
    /// The datum of the chain's name.
    pub const CHAIN: &str = "chain_id";
    /// The longest proposer, chain's name, and name of a datum, in bytes.
    pub const NAME_BYTES_MAX: usize = 255;

    const OWN: [&str; 4] = [Self::HEIGHT, Self::TIME, Self::PROPOSER, Self::CHAIN];

    /// A block of this height, whose chain says that it is so many milliseconds after 1970.
    pub fn new(height: u64, time_ms: u64) -> Self {
        Self {
            height,
            time_ms,
            proposer: Vec::new(),
            chain: String::new(),
            data: BTreeMap::new(),
        }
    }

    /// Names the proposer: a public key, or its hash.
    ///
    /// # Errors
    /// [`BlockContextError::Proposer`] for more than 255 bytes.
    pub fn with_proposer(
        mut self,
        proposer: impl Into<Vec<u8>>,
    ) -> Result<Self, BlockContextError> {
        self.proposer = proposer.into();
        match self.proposer.len() {
            0..=Self::NAME_BYTES_MAX => Ok(self),
            len_bytes => Err(BlockContextError::Proposer { len_bytes }),
        }
    }

    /// Names the chain.
    ///
    /// # Errors
    /// [`BlockContextError::Chain`] for more than 255 bytes.
    pub fn with_chain(mut self, chain: impl Into<String>) -> Result<Self, BlockContextError> {
        self.chain = chain.into();
        match self.chain.len() {
            0..=Self::NAME_BYTES_MAX => Ok(self),
            len_bytes => Err(BlockContextError::Chain { len_bytes }),
        }
    }

    /// Adds what else the chain says, or replaces what has that name.
    ///
    /// # Errors
    /// [`BlockContextError`] for a name or value that no contract could read, or a name that every block has.
    pub fn with_datum<T: Encode>(
        self,
        name: impl Into<String>,
        value: &T,
    ) -> Result<Self, BlockContextError> {
        let name = name.into();
        match encode(value) {
            Ok(bytes) => self.with_datum_raw(name, bytes),
            Err(error) => Err(BlockContextError::Value { name, error }),
        }
    }

    /// Adds what else the chain says, whose bytes contracts get as they are.
    ///
    /// # Errors
    /// As [`with_datum`](Self::with_datum).
    pub fn with_datum_raw(
        mut self,
        name: impl Into<String>,
        bytes: Vec<u8>,
    ) -> Result<Self, BlockContextError> {
        let name = name.into();
        if name.len() > Self::NAME_BYTES_MAX {
            let len_bytes = name.len();
            return Err(BlockContextError::Name { len_bytes });
        }
        if Self::OWN.contains(&name.as_str()) {
            return Err(BlockContextError::Taken { name });
        }
        if bytes.len() > ARGBUF_LEN {
            let error = too_long();
            return Err(BlockContextError::Value { name, error });
        }
        self.data.insert(name, bytes);
        Ok(self)
    }

    /// The height.
    pub fn height(&self) -> u64 {
        self.height
    }

    /// Milliseconds after 1970, as the chain says.
    pub fn time_ms(&self) -> u64 {
        self.time_ms
    }

    /// Who proposed the block.
    pub fn proposer(&self) -> &[u8] {
        &self.proposer
    }

    /// The chain's name.
    pub fn chain(&self) -> &str {
        &self.chain
    }

    /// The bytes of what else the chain says under a name.
    pub fn datum(&self, name: &str) -> Option<&[u8]> {
        self.data.get(name).map(Vec::as_slice)
    }

    /// Whether contracts read something of the block under this name.
    pub fn has_name(&self, name: &str) -> bool {
        Self::OWN.contains(&name) || self.data.contains_key(name)
    }

    /// Everything as session data.
    ///
    /// # Errors
    /// The name and why, for what can not be encoded. What the constructors let through can be.
    pub(crate) fn session_data(&self) -> Result<BTreeMap<String, Vec<u8>>, (String, CodecError)> {
        let mut data = self.data.clone();
        let own = [
            (Self::HEIGHT, encode(&self.height)),
            (Self::TIME, encode(&self.time_ms)),
            (Self::PROPOSER, encode(&self.proposer)),
            (Self::CHAIN, encode(&self.chain)),
        ];
        for (name, bytes) in own {
            let bytes = bytes.map_err(|error| (name.to_owned(), error))?;
            data.insert(name.to_owned(), bytes);
        }
        Ok(data)
    }
}

impl fmt::Debug for BlockContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockContext")
            .field("height", &self.height)
            .field("time_ms", &self.time_ms)
            .field("chain", &self.chain)
            .field("data", &self.data.keys())
            .finish_non_exhaustive()
    }
}

/// What bytes are that do not fit the argument buffer.
pub(crate) fn too_long() -> CodecError {
    CodecError::TooLong {
        type_name: "bytes",
        max_bytes: ARGBUF_LEN,
    }
}

/// Why a host query has no answer to an argument; shown to the embedder, never part of consensus.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct QueryError(pub String);

/// What is known when a contract asks: all that an answer may depend on besides the argument.
#[derive(Debug, Clone, Copy)]
pub struct QueryContext<'a> {
    name: &'a str,
    contract: ContractId,
    block: Option<&'a BlockContext>,
}

impl<'a> QueryContext<'a> {
    /// The context of a contract that asks the query of this name, for tests of queries.
    pub fn new(name: &'a str, contract: ContractId, block: Option<&'a BlockContext>) -> Self {
        Self {
            name,
            contract,
            block,
        }
    }

    /// The name that was asked for.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// The contract that asks.
    pub fn contract(&self) -> ContractId {
        self.contract
    }

    /// The block that is executed; `None` in a session without one.
    pub fn block(&self) -> Option<&'a BlockContext> {
        self.block
    }
}

/// The heights of blocks in which something is in force.
///
/// A session without a block has no height: what is in force in some blocks only is not in force there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heights {
    from: Option<u64>,
    until: Option<u64>,
}

impl Heights {
    /// In every block, and without one.
    pub const ALWAYS: Self = Self {
        from: None,
        until: None,
    };

    /// In force in the block of this height and in those after it.
    pub fn from_height(self, height: u64) -> Self {
        Self {
            from: Some(height),
            ..self
        }
    }

    /// In force in blocks below this height.
    pub fn until_height(self, height: u64) -> Self {
        Self {
            until: Some(height),
            ..self
        }
    }

    /// Whether it is in force in this block, or without one.
    pub fn contain(&self, block: Option<&BlockContext>) -> bool {
        match block {
            _ if *self == Self::ALWAYS => true,
            Some(block) => self.range().contains(&u128::from(block.height())),
            None => false,
        }
    }

    /// Whether both are in force somewhere.
    pub fn meet(&self, other: &Self) -> bool {
        let (one, other) = (self.range(), other.range());
        one.start.max(other.start) < one.end.min(other.end)
    }

    /// Wide enough that the last height has one behind it.
    fn range(&self) -> Range<u128> {
        let until = self.until.map_or(1 << 64, u128::from);
        self.from.map_or(0, u128::from)..until
    }
}

impl fmt::Display for Heights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.from, self.until) {
            (None, None) => f.write_str("always"),
            (Some(from), None) => write!(f, "from height {from}"),
            (None, Some(until)) => write!(f, "until height {until}"),
            (Some(from), Some(until)) => write!(f, "from height {from} until height {until}"),
        }
    }
}

/// A query that contracts can put to the host.
///
/// It must be a pure function of its argument and context: its answer is consensus. The argument is a part of the asking contract's
/// memory, which stands still meanwhile; nothing is copied.
pub trait HostQuery: Send + Sync {
    /// The price in gas of answering `argument`, charged before [`answer`](Self::answer) runs,
    /// on top of the schedule's own price. It must itself be cheap.
    fn price(&self, context: &QueryContext<'_>, argument: &[u8]) -> u64;

    /// Answers: at most 65,536 bytes.
    ///
    /// # Errors
    /// [`QueryError`] for an argument it can not answer: the calling contract traps.
    fn answer(&self, context: &QueryContext<'_>, argument: &[u8]) -> Result<Vec<u8>, QueryError>;

    /// The blocks in which there is such a query. In others it is as if nobody had registered it.
    fn heights(&self) -> Heights {
        Heights::ALWAYS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P1: a height belongs to one side of a switch, also the last one there can be, and no session without a block to any.
    #[test]
    fn heights_meet_nowhere_at_a_switch() {
        let (before, after) = (
            Heights::default().until_height(10),
            Heights::default().from_height(10),
        );
        let at = |height| BlockContext::new(height, 0);
        assert!(!before.meet(&after) && before.meet(&Heights::ALWAYS));
        for height in [0, 9, 10, u64::MAX] {
            assert_eq!(before.contain(Some(&at(height))), height < 10);
            assert_eq!(after.contain(Some(&at(height))), height >= 10);
        }
        assert!(!before.contain(None) && !after.contain(None));
        assert!(Heights::ALWAYS.contain(None) && Heights::ALWAYS.contain(Some(&at(u64::MAX))));
        let everywhere = Heights::default().from_height(0);
        assert!(!everywhere.contain(None), "a height is needed");
        assert!(everywhere.contain(Some(&at(u64::MAX))));
    }

    /// P7: what no contract could read is refused by name.
    #[test]
    fn contexts_refuse_what_nobody_could_read() {
        let new = || BlockContext::new(1, 2);
        let long = "x".repeat(256);
        let refused = |result: Result<BlockContext, BlockContextError>| result.unwrap_err();
        assert_eq!(
            refused(new().with_proposer(vec![0; 256])),
            BlockContextError::Proposer { len_bytes: 256 }
        );
        assert_eq!(
            refused(new().with_chain(long.clone())),
            BlockContextError::Chain { len_bytes: 256 }
        );
        assert_eq!(
            refused(new().with_datum_raw(long, vec![])),
            BlockContextError::Name { len_bytes: 256 }
        );
        assert!(matches!(
            refused(new().with_datum(BlockContext::HEIGHT, &3_u64)),
            BlockContextError::Taken { .. }
        ));
        assert!(matches!(
            refused(new().with_datum_raw("fees", vec![0; ARGBUF_LEN + 1])),
            BlockContextError::Value { .. }
        ));
    }
}
