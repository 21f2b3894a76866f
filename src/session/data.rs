//! What a session is opened with: its base, its data, and the queries it may not use.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crostata_abi::ARGBUF_LEN;
use crostata_abi::typed::{CodecError, Encode, encode};

use super::seal::Base;
use crate::engine::{BlockContext, Protocol, Supervisor, too_long};

/// The longest name of a datum in bytes.
const NAME_BYTES_MAX: usize = BlockContext::NAME_BYTES_MAX;

/// The session data that contracts read by name with `hd`, with the base and rules of the session.
///
/// ```
/// use crostata::SessionData;
///
/// let data = SessionData::builder().insert("block_height", &7u64)?;
/// # Ok::<(), crostata::DatumError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct SessionData {
    pub(crate) base: Option<Base>,
    pub(crate) protocol: Option<Protocol>,
    pub(crate) interrupted_after: Option<u64>,
    pub(crate) supervisor: Option<Arc<dyn Supervisor>>,
    pub(crate) located: bool,
    pub(crate) profiled: bool,
    pub(super) recorded: bool,
    pub(super) block: Option<Arc<BlockContext>>,
    pub(super) data: BTreeMap<String, Vec<u8>>,
    pub(super) excluded: BTreeSet<String>,
}

/// Builds [`SessionData`].
#[derive(Debug, Clone, Default)]
pub struct SessionDataBuilder(SessionData);

/// Why a datum can not be in a session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatumError {
    /// The name is longer than contracts can ask for.
    #[error("a datum's name has {len_bytes} bytes; at most {NAME_BYTES_MAX} can be asked for")]
    Name {
        /// Its length.
        len_bytes: usize,
    },
    /// The value does not fit the argument buffer.
    #[error("the datum `{name}`: {error}")]
    Value {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        error: CodecError,
    },
    /// The name is one under which contracts read something of the session's block, which nothing replaces.
    #[error("`{name}` is what the session's block says; give the datum another name")]
    OfBlock {
        /// The name.
        name: String,
    },
}

impl SessionData {
    /// Starts with no base, no data, and all queries.
    pub fn builder() -> SessionDataBuilder {
        SessionDataBuilder::default()
    }

    /// Whether the session is a query, of which nothing is ever committed.
    pub(crate) fn is_query(&self) -> bool {
        self.interrupted_after.is_some() || self.supervisor.is_some()
    }

    pub(super) fn set<T: Encode>(
        &mut self,
        name: String,
        value: &T,
    ) -> Result<Option<Vec<u8>>, DatumError> {
        match encode(value) {
            Ok(bytes) => self.set_raw(name, bytes),
            Err(error) => Err(DatumError::Value { name, error }),
        }
    }

    pub(super) fn set_raw(
        &mut self,
        name: String,
        bytes: Vec<u8>,
    ) -> Result<Option<Vec<u8>>, DatumError> {
        if name.len() > NAME_BYTES_MAX {
            let len_bytes = name.len();
            return Err(DatumError::Name { len_bytes });
        }
        if self.is_of_block(&name) {
            return Err(DatumError::OfBlock { name });
        }
        if bytes.len() > ARGBUF_LEN {
            let error = too_long();
            return Err(DatumError::Value { name, error });
        }
        Ok(self.data.insert(name, bytes))
    }

    /// Removes a datum, unless it is the block's.
    pub(super) fn remove(&mut self, name: &str) -> Option<Vec<u8>> {
        match self.is_of_block(name) {
            true => None,
            false => self.data.remove(name),
        }
    }

    fn is_of_block(&self, name: &str) -> bool {
        let block = self.block.as_ref();
        block.is_some_and(|block| block.has_name(name))
    }

    fn set_block(&mut self, block: Arc<BlockContext>) -> Result<(), DatumError> {
        if let Some(name) = self.data.keys().find(|name| block.has_name(name)) {
            let name = name.clone();
            return Err(DatumError::OfBlock { name });
        }
        let data = block.session_data();
        let data = data.map_err(|(name, error)| DatumError::Value { name, error })?;
        self.data.extend(data);
        self.block = Some(block);
        Ok(())
    }
}

impl SessionDataBuilder {
    /// Bases the session on a commit, named by itself, its id, or its root, or on a sealed state.
    pub fn base(mut self, base: impl Into<Base>) -> Self {
        self.0.base = Some(base.into());
        self
    }

    /// Runs the session under this protocol instead of its base's: a fork of the chain's rules.
    /// The VM must know it.
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.0.protocol = Some(protocol);
        self
    }

    /// Makes the session a query with a deadline: so many [`VM::tick`](crate::VM::tick)s after it began, its calls end in
    /// [`Error::Timeout`](crate::Error::Timeout).
    ///
    /// It can not be committed or sealed, also when everything ended in time: nothing that depends on a clock becomes a block. Everything
    /// else is as without a deadline, to the last unit of gas. Calls are looked at where functions and loops begin, so that
    /// they end soon, not at once; one that ends by itself in the meantime has ended in time. The first such session of a
    /// VM takes longer: code for queries is compiled apart from that for blocks.
    ///
    /// ```
    /// # use crostata::{contract_bytecode, ContractData, Error, SessionData, VM};
    /// let vm = VM::ephemeral()?;
    /// # let mut session = vm.session(SessionData::builder())?;
    /// # let counter = session.deploy(contract_bytecode!("counter"), ContractData::builder(), 1_000_000)?;
    /// # let commit = session.commit()?;
    /// let mut query = vm.session(SessionData::builder().base(commit).interrupted_after(2))?;
    /// query.call::<_, i64>(counter, "read_value", &(), 1_000_000)?;
    /// vm.tick(); // From another thread, say: every 100 ms.
    /// vm.tick();
    /// let late = query.call::<_, i64>(counter, "read_value", &(), 1_000_000);
    /// assert!(matches!(late, Err(Error::Timeout)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn interrupted_after(mut self, ticks: u64) -> Self {
        self.0.interrupted_after = Some(ticks);
        self
    }

    /// Has the session run in a block: contracts read of it as session data, under names that nothing else can have then, and host
    /// queries see it.
    ///
    /// # Errors
    /// [`DatumError::OfBlock`] if the session has a datum of such a name, or runs in another block.
    pub fn block(mut self, block: impl Into<Arc<BlockContext>>) -> Result<Self, DatumError> {
        self.0.set_block(block.into())?;
        Ok(self)
    }

    /// Makes the session a query whose calls end when somebody says so.
    #[cfg(feature = "serve")]
    pub(crate) fn supervised_by(mut self, supervisor: Arc<dyn Supervisor>) -> Self {
        self.0.supervisor = Some(supervisor);
        self
    }

    /// Adds a datum, or replaces the one of that name.
    ///
    /// # Errors
    /// [`DatumError`] for a name or value that no contract could read.
    pub fn insert<T: Encode>(
        mut self,
        name: impl Into<String>,
        value: &T,
    ) -> Result<Self, DatumError> {
        self.0.set(name.into(), value)?;
        Ok(self)
    }

    /// Adds a datum whose bytes contracts get as they are.
    ///
    /// # Errors
    /// [`DatumError`] for a name or value that no contract could read.
    pub fn insert_raw(
        mut self,
        name: impl Into<String>,
        bytes: Vec<u8>,
    ) -> Result<Self, DatumError> {
        self.0.set_raw(name.into(), bytes)?;
        Ok(self)
    }

    /// Records what the session does and uses, for its [`witness`](crate::Session::witness).
    ///
    /// Gas, events, outcomes and roots are as without. It costs a little for each contract looked up and each page touched.
    pub fn recording(mut self) -> Self {
        self.0.recorded = true;
        self
    }

    /// Has failures tell where in the deployed code they happened ([`Failure::positions`](crate::Failure::positions)): for authors.
    ///
    /// Gas, events, outcomes and roots are as without. Such sessions run code of their own, with maps from compiled to deployed
    /// code: its artifacts are larger, and the first such session of a VM takes longer.
    pub fn located(mut self) -> Self {
        self.0.located = true;
        self
    }

    /// Writes down where the gas of the session's calls goes, for its [`take_profile`](crate::Session::take_profile): for authors.
    ///
    /// Gas, events, outcomes and roots are as without, to the last unit, whatever the gas limit. Such sessions run code of their own, with
    /// calls of the host between any two straight lines of it: they take up to 30 times as long, and more where small functions call each other. They can not be
    /// committed or sealed: no block comes from code that no other node runs.
    pub fn profiled(mut self) -> Self {
        self.0.profiled = true;
        self
    }

    /// Hides a host query from this session's contracts.
    pub fn exclude_hq(mut self, name: impl Into<String>) -> Self {
        self.0.excluded.insert(name.into());
        self
    }

    /// Ends building. Functions that take session data also take the builder.
    pub fn build(self) -> SessionData {
        self.0
    }
}

impl From<SessionDataBuilder> for SessionData {
    fn from(builder: SessionDataBuilder) -> Self {
        builder.0
    }
}
