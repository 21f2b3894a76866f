//! A query: what is asked, of which state, by whom, and within which bounds.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crostata_abi::typed::{CodecError, Decode, Encode, decode, encode};
use crostata_abi::{ARGBUF_LEN, ContractId};
use crostata_proof::{CommitId, Root};

use super::bounds::ServiceSettings;
use super::client::Client;
use super::course::{Course, End};
use super::error::QueryError;
use super::task::Outcome;
use crate::block::SealedBlock;
use crate::engine::{BlockContext, Refusal};
use crate::observe::Work;
use crate::session::{
    Base, CallReceipt, DatumError, Feeder, Sealed, Session, SessionData, SessionDataBuilder,
};
use crate::state::{Commit, CommitRef, LookupError};
use crate::vm::{SessionError, VM};

/// The state that a query is about.
#[derive(Debug, Clone, Default)]
pub enum At {
    /// That of the commit that is final when the query runs.
    #[default]
    Finalised,
    /// That of a retained commit, or of a sealed state.
    Base(Base),
}

impl From<Base> for At {
    fn from(base: Base) -> Self {
        Self::Base(base)
    }
}

macro_rules! at_bases {
    ($($name:ty)*) => {
        $(impl From<$name> for At {
            fn from(base: $name) -> Self {
                Self::Base(base.into())
            }
        })*
    };
}

at_bases! { CommitRef Commit CommitId Root Sealed &Sealed SealedBlock &SealedBlock }

/// A call whose changes nobody keeps.
///
/// ```
/// # use crostata::serve::Query;
/// # use crostata::ContractId;
/// # let token = ContractId::from_bytes([1; 32]);
/// let query = Query::new(token, "balance_of")
///     .argument(&[7u8; 32])?
///     .limit_gas(10_000_000)
///     .client("198.51.100.7");
/// # Ok::<(), crostata::CodecError>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Query {
    /// The state that it is about: that of the finalised commit unless told otherwise.
    pub at: At,
    /// The contract.
    pub contract: ContractId,
    /// The function.
    pub function: String,
    /// The argument's bytes.
    pub argument: Vec<u8>,
    /// The gas limit; the settings' highest if it says none.
    pub limit_gas: Option<u64>,
    /// How long it may run; as long as the settings allow if it says nothing, and never longer.
    pub timeout: Option<Duration>,
    /// Who asks.
    pub client: Client,
    /// The block that it runs in, as contracts see it; none unless told.
    pub block: Option<Arc<BlockContext>>,
    /// Session data that contracts read, by name.
    pub data: BTreeMap<String, Vec<u8>>,
    /// Whether the function may feed; what it feeds is in the receipt.
    pub feeds: bool,
}

impl Query {
    /// A call at the finalised commit, without argument, within the settings' bounds.
    pub fn new(contract: ContractId, function: impl Into<String>) -> Self {
        Self {
            at: At::Finalised,
            contract,
            function: function.into(),
            argument: Vec::new(),
            limit_gas: None,
            timeout: None,
            client: Client::default(),
            block: None,
            data: BTreeMap::new(),
            feeds: false,
        }
    }

    /// The same with a typed argument.
    ///
    /// # Errors
    /// [`CodecError`] for a value that does not fit the argument buffer.
    pub fn argument<A: Encode>(self, argument: &A) -> Result<Self, CodecError> {
        Ok(self.argument_raw(encode(argument)?))
    }

    /// The same with an argument of bytes.
    pub fn argument_raw(mut self, argument: Vec<u8>) -> Self {
        self.argument = argument;
        self
    }

    /// The same at another state.
    pub fn at(mut self, at: impl Into<At>) -> Self {
        self.at = at.into();
        self
    }

    /// The same with a gas limit.
    pub fn limit_gas(mut self, limit_gas: u64) -> Self {
        self.limit_gas = Some(limit_gas);
        self
    }

    /// The same with less time than the settings allow.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The same, counted to a client.
    pub fn client(mut self, client: impl Into<Client>) -> Self {
        self.client = client.into();
        self
    }

    /// The same in a block: contracts and host queries see its context.
    pub fn block(mut self, block: impl Into<Arc<BlockContext>>) -> Self {
        self.block = Some(block.into());
        self
    }

    /// The same with a datum that contracts read by its name.
    ///
    /// # Errors
    /// [`DatumError`] for a value that no contract could read.
    pub fn datum<T: Encode>(
        mut self,
        name: impl Into<String>,
        value: &T,
    ) -> Result<Self, DatumError> {
        let name = name.into();
        match encode(value) {
            Ok(bytes) => {
                self.data.insert(name, bytes);
                Ok(self)
            }
            Err(error) => Err(DatumError::Value { name, error }),
        }
    }

    /// The same for a function that feeds.
    pub fn feeding(mut self) -> Self {
        self.feeds = true;
        self
    }

    /// Whether it can be asked at all: what it holds while it waits is bounded.
    pub(super) fn check(&self, settings: &ServiceSettings) -> Result<(), QueryError> {
        let len_bytes = self.argument.len();
        if len_bytes > ARGBUF_LEN {
            return Err(Refusal::ArgumentTooLong { len_bytes }.into());
        }
        if self.function.len() > ARGBUF_LEN {
            // No module has such a name, and the error need not hold it.
            let (contract, function) = (self.contract, self.function.chars().take(64).collect());
            return Err(Refusal::NoFunction { contract, function }.into());
        }
        match self.limit_gas {
            Some(limit_gas) if limit_gas > settings.limit_gas_max => Err(QueryError::LimitGas {
                limit_gas,
                max_gas: settings.limit_gas_max,
            }),
            _ => Ok(()),
        }
    }

    /// Runs it.
    pub(super) fn run(
        self,
        vm: &VM,
        course: &Arc<Course>,
        settings: &ServiceSettings,
    ) -> Outcome<QueryReceipt> {
        let _observing = vm.observed().during(Work::Query);
        let mut data = SessionData::builder();
        if let Some(block) = self.block {
            data = data.block(block)?;
        }
        for (name, bytes) in self.data {
            data = data.insert_raw(name, bytes)?;
        }
        let mut session = session(vm, &self.at, data.supervised_by(course.clone()))?;
        let limit_gas = self.limit_gas.unwrap_or(settings.limit_gas_max);
        let (contract, function) = (self.contract, self.function.as_str());
        let feeds = Feeds::new(course.clone(), settings.result_bytes_max);
        let receipt = match self.feeds {
            true => {
                let feeder = feeds.clone();
                session.feeder_call_raw(contract, function, self.argument, limit_gas, feeder)
            }
            false => session.call_raw(contract, function, self.argument, limit_gas),
        }?;
        let max_bytes = settings.result_bytes_max;
        if result_bytes(&receipt) > max_bytes {
            return Err(QueryError::ResultBytes { max_bytes });
        }
        Ok(QueryReceipt {
            commit: session.base_id(),
            receipt,
            feeds: feeds.taken(),
        })
    }
}

fn result_bytes(receipt: &CallReceipt<Vec<u8>>) -> usize {
    let events = receipt.events.iter();
    let events = events.map(|event| event.topic.len() + event.data.len());
    events.fold(receipt.data.len(), usize::saturating_add)
}

/// A session over a state. What is final may become something else, and its predecessor be dropped, in the meantime.
pub fn session(vm: &VM, at: &At, data: SessionDataBuilder) -> Result<Session, QueryError> {
    let At::Finalised = at else {
        let At::Base(base) = at else {
            return Err(QueryError::NothingFinalised);
        };
        return Ok(vm.session(data.base(base.clone()))?);
    };
    loop {
        let commit = finalised(vm)?;
        match vm.session(data.clone().base(commit)) {
            Err(SessionError::Base(LookupError::Unknown(_))) if finalised(vm)? != commit => {}
            opened => return Ok(opened?),
        }
    }
}

/// The commit that is final.
pub fn finalised(vm: &VM) -> Result<Commit, QueryError> {
    vm.finalized().ok_or(QueryError::NothingFinalised)
}

/// What came of a query that ended well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryReceipt {
    /// The commit, or sealed state, that it was about.
    pub commit: Option<CommitId>,
    /// What the call gave and cost.
    pub receipt: CallReceipt<Vec<u8>>,
    /// What it fed, in order.
    pub feeds: Vec<Vec<u8>>,
}

impl QueryReceipt {
    /// The result.
    ///
    /// # Errors
    /// [`CodecError`] for bytes of another type.
    pub fn decode<R: Decode>(&self) -> Result<R, CodecError> {
        decode(&self.receipt.data)
    }
}

/// What a query feeds, so much of it as it may.
#[derive(Clone)]
struct Feeds {
    course: Arc<Course>,
    bytes_max: usize,
    fed: Arc<Mutex<(usize, Vec<Vec<u8>>)>>,
}

impl Feeds {
    fn new(course: Arc<Course>, bytes_max: usize) -> Self {
        Self {
            course,
            bytes_max,
            fed: Arc::default(),
        }
    }

    fn taken(&self) -> Vec<Vec<u8>> {
        let mut fed = self.fed.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut fed.1)
    }
}

/// What each feed counts for besides its bytes.
const FEED_BYTES: usize = 64;

impl Feeder for Feeds {
    fn feed(&mut self, bytes: Vec<u8>) {
        let mut fed = self.fed.lock().unwrap_or_else(PoisonError::into_inner);
        fed.0 = fed.0.saturating_add(bytes.len() + FEED_BYTES);
        match fed.0 <= self.bytes_max {
            true => fed.1.push(bytes),
            false => {
                fed.1.clear();
                self.course.finish(End::ResultBytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::CommitError;

    /// P1: a session of a query is never committed or sealed, also if nothing ended it.
    #[test]
    fn a_query_is_never_committed() {
        let vm = VM::ephemeral().unwrap();
        let first = vm.session(SessionData::builder()).unwrap().commit();
        let at = At::from(first.unwrap());
        let opened = || {
            let course = Course::new(&ServiceSettings::default(), None, Arc::default());
            session(
                &vm,
                &at,
                SessionData::builder().supervised_by(Arc::new(course)),
            )
        };
        let committed = opened().unwrap().commit();
        assert!(matches!(committed, Err(CommitError::Query)));
        let sealed = opened().unwrap().seal();
        assert!(matches!(sealed, Err(CommitError::Query)));
        assert_eq!(vm.commits().len(), 1);
    }
}
