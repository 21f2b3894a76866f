//! The chain of a test: deployments, calls, and everything around them.

mod account;
mod block;
mod called;
mod capsule;
mod client;
mod deploy;
mod failed;
mod farewell;
mod labels;
mod mock;
mod text;

use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

pub use account::Account;
pub use block::Block;
pub use called::{Called, Event};
pub use capsule::{CAPSULES, capsules};
pub use client::Calls;
pub use crostata_abi::typed::{CodecError, Decode, Encode};
pub use deploy::{Code, Deploy, Deployed};
pub use failed::{Failed, LazyTrace};
pub use mock::{Asked, MockContract, Mocked};

use crostata_abi::ContractId;
use crostata_abi::typed::encode;

use crate::machine::{Base, Call, ContractFacts, Machine, MachineError, Request, Response};
use account::Accounts;
use capsule::Recording;
use labels::Labels;
use mock::Mocks;

/// The gas limit of calls, unless another one is set: more than any test's call needs.
const GAS_LIMIT: u64 = 10_000_000_000;

/// Where nonces begin over a state that is there already: its contracts may have been deployed with the first ones.
const NONCES_OVER_A_STATE: u64 = 1 << 32;

/// A chain of a test: contracts are deployed and called on it, one after another, and nobody else sees it.
///
/// What a test expects is said by the [`Called`] that a call gives.
pub struct Chain<M: Machine> {
    shared: Shared,
    accounts: Accounts,
    mocks: Mocks,
    gas_limit: u64,
    deployments: u64,
    last_call: Option<Called<Vec<u8>>>,
    /// Whether the latest call raised an error that a typed client gave on, which no message shows the trace of.
    is_raised: bool,
    _machine: PhantomData<fn() -> M>,
}

/// What calls keep of the chain that they ran on.
#[derive(Clone)]
pub(crate) struct Shared {
    machine: Arc<Mutex<dyn Machine>>,
    labels: Labels,
    recording: Recording,
}

/// A moment of a chain that it can return to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a savepoint is there to roll back to"]
pub struct Savepoint {
    number: u64,
    accounts: usize,
}

impl<M: Machine> fmt::Debug for Chain<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain")
            .field("labels", &self.shared.labels)
            .finish_non_exhaustive()
    }
}

impl<M: Machine + 'static> Default for Chain<M> {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl<M: Machine + 'static> Chain<M> {
    /// An empty chain.
    ///
    /// # Panics
    /// When the machine does not start, saying why. [`start`](Self::start) gives the error.
    #[track_caller]
    pub fn new() -> Self {
        expect(Self::start(&Base::Empty))
    }

    /// A chain over a state: none, a commit of a node's store, or an export.
    ///
    /// # Errors
    /// [`MachineError`] when the state can not be had, or the machine does not start.
    pub fn start(base: &Base) -> Result<Self, MachineError> {
        let mocks = Mocks::default();
        let machine = M::start(base, Arc::new(mocks.clone()))?;
        Ok(Self {
            shared: Shared {
                machine: Arc::new(Mutex::new(machine)),
                labels: Labels::default(),
                recording: Recording::default(),
            },
            accounts: Accounts::default(),
            mocks,
            gas_limit: GAS_LIMIT,
            deployments: match base {
                Base::Empty => 0,
                _ => NONCES_OVER_A_STATE,
            },
            last_call: None,
            is_raised: false,
            _machine: PhantomData,
        })
    }

    /// A chain that goes on from a commit in the store of a node: named by its id or root in hexadecimal digits, or the finalised one. The
    /// directory is read, and never written. Nobody may be writing to it: stop the node, or copy the directory.
    ///
    /// # Errors
    /// [`MachineError::Base`] when there is no such commit, or the store is in use or damaged.
    pub fn open(directory: impl Into<PathBuf>, commit: Option<&str>) -> Result<Self, MachineError> {
        Self::start(&Base::Store {
            directory: directory.into(),
            commit: commit.map(str::to_owned),
        })
    }

    /// A chain that goes on from the commit in a file that `VM::export` wrote. Its state is held in memory.
    ///
    /// # Errors
    /// [`MachineError::Base`] when the file can not be read, or is not what it says.
    pub fn import(file: impl Into<PathBuf>) -> Result<Self, MachineError> {
        Self::start(&Base::Export { file: file.into() })
    }

    /// Sets the gas limit of deployments and calls from here on.
    pub fn set_gas_limit(&mut self, gas_limit: u64) {
        self.gas_limit = gas_limit;
    }

    /// Deploys a contract, once everything about it is said: see [`Deploy`].
    pub fn deploy(&mut self, code: impl Into<Code>) -> Deploy<'_, M> {
        Deploy::new(self, code.into())
    }

    /// Calls a function with a typed argument and result, as nobody: the contract's `caller()` is none.
    #[track_caller]
    pub fn call<A: Encode, R: Decode>(
        &mut self,
        contract: ContractId,
        function: &str,
        argument: &A,
    ) -> Called<R> {
        let argument = encoded(function, argument);
        self.call_bytes(contract, function, argument).decoded()
    }

    /// Calls a function with an argument and result of bytes, as nobody.
    #[track_caller]
    pub fn call_raw(
        &mut self,
        contract: ContractId,
        function: &str,
        argument: impl Into<Vec<u8>>,
    ) -> Called<Vec<u8>> {
        self.call_bytes(contract, function, argument.into())
    }

    /// Calls a function as an account: the contract's `caller()` is the account's id.
    ///
    /// The account is a contract that hands the call on. Failure, frames and gas told are those of the call itself; entering a contract
    /// is paid by its caller, and so not in this gas. The trace shows the account above the call.
    #[track_caller]
    pub fn call_as<A: Encode, R: Decode>(
        &mut self,
        account: &Account,
        contract: ContractId,
        function: &str,
        argument: &A,
    ) -> Called<R> {
        let argument = encoded(function, argument);
        self.call_bytes_as(account, contract, function, &argument)
            .decoded()
    }

    /// Calls a function as an account, with an argument and result of bytes.
    #[track_caller]
    pub fn call_raw_as(
        &mut self,
        account: &Account,
        contract: ContractId,
        function: &str,
        argument: impl AsRef<[u8]>,
    ) -> Called<Vec<u8>> {
        self.call_bytes_as(account, contract, function, argument.as_ref())
    }

    #[track_caller]
    fn call_bytes(
        &mut self,
        contract: ContractId,
        function: &str,
        argument: Vec<u8>,
    ) -> Called<Vec<u8>> {
        let call = Call {
            contract,
            function: function.to_owned(),
            argument,
            gas_limit: self.gas_limit,
        };
        let answer = expect(self.shared.called(call));
        self.keep(Called::new(&self.shared, contract, function, answer))
    }

    fn keep(&mut self, called: Called<Vec<u8>>) -> Called<Vec<u8>> {
        self.last_call = Some(called.again());
        self.is_raised = false;
        called
    }

    /// What the latest call did, by whatever way it was made. Typed clients give a call's value alone; its events and gas are here.
    ///
    /// # Panics
    /// When nothing was called yet.
    #[track_caller]
    pub fn last_call(&self) -> &Called<Vec<u8>> {
        match &self.last_call {
            Some(called) => called,
            None => panic!("nothing was called on this chain yet"),
        }
    }

    /// Marks this moment. Savepoints nest, and cost nothing until something changes.
    #[track_caller]
    pub fn savepoint(&mut self) -> Savepoint {
        let accounts = self.accounts.deployed();
        match expect(self.shared.ask(Request::Savepoint)) {
            Response::Savepoint(number) => Savepoint { number, accounts },
            other => fail(MachineError::unexpected("Savepoint", &other)),
        }
    }

    /// Makes everything what it was at a savepoint, which is gone then, as those after it: contracts, their memories, block data.
    /// What mocks counted stays.
    ///
    /// # Panics
    /// When the savepoint is gone.
    #[track_caller]
    pub fn rollback(&mut self, savepoint: Savepoint) {
        let number = savepoint.number;
        let request = Request::Rollback { savepoint: number };
        expect(self.shared.done(request));
        self.accounts.undeploy(savepoint.accounts);
    }

    /// Forgets a savepoint and those after it, keeping what happened since.
    ///
    /// # Panics
    /// When the savepoint is gone.
    #[track_caller]
    pub fn release(&mut self, savepoint: Savepoint) {
        let number = savepoint.number;
        expect(self.shared.done(Request::Release { savepoint: number }));
    }

    /// Names a contract in all texts, and for [`labelled`](Self::labelled). Deploying with a label does that.
    #[track_caller]
    pub fn label(&mut self, contract: ContractId, name: impl Into<String>) {
        expect(self.shared.label(contract, name.into()));
    }

    /// The contract or account with this label.
    ///
    /// # Panics
    /// When there is none, saying which there are.
    #[track_caller]
    pub fn labelled(&self, name: &str) -> ContractId {
        match self.shared.labels.id(name) {
            Some(contract) => contract,
            None => panic!(
                "nothing is labelled `{name}`; labels are: {}",
                self.shared.labels.names().join(", ")
            ),
        }
    }

    /// All labels with what they name.
    pub fn labels(&self) -> Vec<(ContractId, String)> {
        self.shared.labels.all()
    }

    /// Keeps traces of calls from here on, or not. A chain begins with keeping them.
    #[track_caller]
    pub fn watch(&mut self, watched: bool) {
        expect(self.shared.done(Request::Watch(watched)));
    }

    /// What is known of a contract; none if there is none of this id.
    #[track_caller]
    pub fn contract(&self, contract: ContractId) -> Option<ContractFacts> {
        match expect(self.shared.ask(Request::Contract { contract })) {
            Response::Contract(facts) => facts,
            other => fail(MachineError::unexpected("Contract", &other)),
        }
    }

    /// The state's root.
    #[track_caller]
    pub fn root(&self) -> [u8; 32] {
        let bytes = expect(self.shared.bytes(Request::Root));
        match bytes.and_then(|bytes| bytes.try_into().ok()) {
            Some(root) => root,
            None => fail(MachineError::Lost {
                reason: "it gave no root".to_owned(),
            }),
        }
    }

    /// 4,096 bytes of a contract's memory; none if it has not so many pages.
    #[track_caller]
    pub fn page(&self, contract: ContractId, page: u32) -> Option<Vec<u8>> {
        expect(self.shared.bytes(Request::Page { contract, page }))
    }

    /// Puts a request to the machine as it is.
    ///
    /// # Errors
    /// [`MachineError`]: the machine refused it, or is gone.
    pub fn ask(&self, request: Request) -> Result<Response, MachineError> {
        self.shared.ask(request)
    }

    /// The debug messages of contracts since the last time, each with who wrote it.
    #[track_caller]
    pub fn take_messages(&mut self) -> Vec<(ContractId, String)> {
        match expect(self.shared.ask(Request::TakeMessages)) {
            Response::Messages(messages) => messages
                .into_iter()
                .map(|(id, text)| (ContractId::from_bytes(id), text))
                .collect(),
            other => fail(MachineError::unexpected("TakeMessages", &other)),
        }
    }
}

impl Shared {
    pub fn ask(&self, request: Request) -> Result<Response, MachineError> {
        match self.machine.try_lock() {
            Ok(mut machine) => machine.ask(request),
            // A lock that a panic of another request left behind: what the machine is then, it says itself.
            Err(std::sync::TryLockError::Poisoned(lock)) => lock.into_inner().ask(request),
            Err(std::sync::TryLockError::WouldBlock) => Err(MachineError::Refused {
                asked: "a request while another one runs".to_owned(),
                reason: "the chain can not be used from within a mock's answer, nor from two threads at once"
                    .to_owned(),
            }),
        }
    }

    fn done(&self, request: Request) -> Result<(), MachineError> {
        match self.ask(request)? {
            Response::Done => Ok(()),
            other => Err(MachineError::unexpected("a request", &other)),
        }
    }

    fn bytes(&self, request: Request) -> Result<Option<Vec<u8>>, MachineError> {
        match self.ask(request)? {
            Response::Bytes(bytes) => Ok(bytes),
            other => Err(MachineError::unexpected("a request for bytes", &other)),
        }
    }

    fn called(&self, call: Call) -> Result<crate::machine::CallAnswer, MachineError> {
        match self.ask(Request::Call(call))? {
            Response::Called(answer) => Ok(answer),
            other => Err(MachineError::unexpected("Call", &other)),
        }
    }

    fn label(&self, contract: ContractId, name: String) -> Result<(), MachineError> {
        self.labels.insert(contract, name.clone());
        self.done(Request::Label { contract, name })
    }
}

#[track_caller]
fn encoded<A: Encode>(function: &str, argument: &A) -> Vec<u8> {
    match encode(argument) {
        Ok(bytes) => bytes,
        Err(error) => panic!("the argument of `{function}`: {error}"),
    }
}

/// The value; a test that can not go on says why, at its own line.
#[track_caller]
pub(crate) fn expect<T>(result: Result<T, MachineError>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => fail(error),
    }
}

#[track_caller]
fn fail(error: MachineError) -> ! {
    panic!("{error}")
}
