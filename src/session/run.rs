//! The session: calls, and the commit that ends or continues it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crostata_abi::ContractId;
use crostata_abi::typed::{Decode, Encode, decode, encode};
use crostata_proof::{CodeHash, CommitId};
use tempfile::TempDir;

use super::activity::SessionCounters;
use super::answers::Replay;
use super::context::Context;
use super::data::SessionData;
use super::error::{Error, Fatal, Rejected, Undecodable};
use super::hooks::Feeder;
use super::lanes::claim_entered;
use super::queries::HostQueries;
use super::receipt::CallReceipt;
use super::record::Record;
use super::recording::{Recorded, Recording, record_touches};
use super::runtime::Runtime;
use super::savepoint::Journal;
use crate::engine::{Call, ErrorKind, Fault, Refusal, Runner};
use crate::observe::{Observed, Work};
use crate::state::{Draft, Snapshot};

/// A running change of the state: calls and deployments over a base, seen by nobody else until committed.
///
/// Sessions are independent: any number can run over the same or other commits of one VM, on any threads. A session
/// that is dropped leaves nothing behind.
pub struct Session {
    /// Absent only while a call runs, and for good once a call ended in a panic of the host.
    pub(super) runner: Option<Box<Runner<Context>>>,
    pub(super) base: Option<CommitId>,
    /// Code deployed by this session, for the commit.
    pub(super) code: HashMap<CodeHash, Arc<[u8]>>,
    /// Whether an error left it unusable.
    pub(super) poisoned: bool,
    /// Whether that was its deadline.
    timed_out: bool,
    pub(super) journal: Journal,
    /// What was recorded until the session's base became another.
    pub(super) recorded: Option<Box<Recorded<Recording>>>,
    /// What it did since it last handed that over.
    pub(super) did: SessionCounters,
    /// The directory of an ephemeral VM, which must outlive the session.
    pub(super) directory: Option<Arc<TempDir>>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("base", &self.base)
            .field("poisoned", &self.poisoned)
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.did.sessions += 1;
        self.hand_over_counts();
        if let Some(runner) = self.runner.take() {
            let runtime = runner.host().runtime.clone();
            // What the session used is idle only when its memories are gone.
            drop(runner);
            runtime.trim_images();
        }
    }
}

impl Session {
    /// A session over a state, which is that of `base`; the empty state has no commit.
    pub(crate) fn new(
        runtime: Arc<Runtime>,
        base: Option<CommitId>,
        snapshot: Snapshot,
        data: SessionData,
        queries: Arc<HostQueries>,
    ) -> Self {
        let engine = runtime.engine().clone();
        let (deadline, supervisor) = (data.interrupted_after, data.supervisor.clone());
        let recording = data.recorded.then(|| Recording::new(data.data.clone()));
        let context = Context {
            runtime,
            base: snapshot,
            contracts: HashMap::new(),
            data,
            queries,
            hook: None,
            debug: None,
            feeder: None,
            record: Record::default(),
            recording: recording.map(Box::new),
            replay: None,
            watch: None,
            deployed: HashMap::new(),
            panicked: None,
            resting: None,
            running: None,
            misplaced: None,
        };
        let runner = Runner::new(engine, context);
        let runner = match (supervisor, deadline) {
            (Some(supervisor), _) => runner.supervised_by(supervisor),
            (None, Some(ticks)) => runner.interrupted_after(ticks),
            (None, None) => runner,
        };
        Self {
            runner: Some(Box::new(runner)),
            base,
            code: HashMap::new(),
            poisoned: false,
            timed_out: false,
            journal: Journal::default(),
            recorded: None,
            did: SessionCounters::default(),
            directory: None,
        }
    }

    /// The same session, keeping a temporary directory alive as long as it lives.
    pub(crate) fn keeping(mut self, directory: Arc<TempDir>) -> Self {
        self.directory = Some(directory);
        self
    }

    /// The same session, whose host queries are answered as they were when they were recorded.
    pub(crate) fn answered_by(mut self, replay: Arc<Replay>) -> Self {
        if let Some(runner) = &mut self.runner {
            runner.host_mut().replay = Some(replay);
        }
        self
    }

    /// Calls a function with a typed argument and result.
    ///
    /// Gas: the argument's bytes, the first frame of each contract, every instruction and import. A call that fails
    /// changes nothing but is paid for.
    ///
    /// # Errors
    /// [`Error::Reverted`] with a receipt if the contract failed, [`Error::Rejected`] if the call could not start,
    /// [`Error::Undecodable`] if it succeeded with a result of another type, [`Error::Fatal`].
    pub fn call<A: Encode, R: Decode>(
        &mut self,
        contract: ContractId,
        function: &str,
        argument: &A,
        gas_limit: u64,
    ) -> Result<CallReceipt<R>, Error> {
        let argument = encode_argument(function, argument)?;
        let receipt = self.call_raw(contract, function, argument, gas_limit)?;
        decode_result(contract, function, receipt)
    }

    /// Calls a function with an argument and result of bytes.
    ///
    /// # Errors
    /// As [`call`](Self::call), without [`Error::Undecodable`].
    pub fn call_raw(
        &mut self,
        contract: ContractId,
        function: &str,
        argument: impl AsRef<[u8]>,
        gas_limit: u64,
    ) -> Result<CallReceipt<Vec<u8>>, Error> {
        let call = Call {
            contract,
            function,
            argument: argument.as_ref(),
            limit_gas: gas_limit,
            init: false,
        };
        self.record_call(&call);
        self.run(call)
    }

    /// Calls a function that may feed: what it feeds goes to `feeder` while it runs.
    ///
    /// What was fed before a failure stays fed.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn feeder_call<A: Encode, R: Decode>(
        &mut self,
        contract: ContractId,
        function: &str,
        argument: &A,
        gas_limit: u64,
        feeder: impl Feeder + 'static,
    ) -> Result<CallReceipt<R>, Error> {
        let argument = encode_argument(function, argument)?;
        let receipt = self.feeder_call_raw(contract, function, argument, gas_limit, feeder)?;
        decode_result(contract, function, receipt)
    }

    /// Calls a function that may feed, with an argument and result of bytes.
    ///
    /// # Errors
    /// As [`call_raw`](Self::call_raw).
    pub fn feeder_call_raw(
        &mut self,
        contract: ContractId,
        function: &str,
        argument: impl AsRef<[u8]>,
        gas_limit: u64,
        feeder: impl Feeder + 'static,
    ) -> Result<CallReceipt<Vec<u8>>, Error> {
        self.context_mut()?.feeder = Some(Box::new(feeder));
        let result = self.call_raw(contract, function, argument, gas_limit);
        if let Some(runner) = &mut self.runner {
            runner.host_mut().feeder = None;
        }
        result
    }

    /// The state as it would be committed now.
    pub(super) fn draft(&self) -> Result<Draft<'_>, Error> {
        let Some(runner) = self.runner.as_ref().filter(|_| !self.poisoned) else {
            return Err(self.unusable());
        };
        let context = runner.host();
        let _observing = context.runtime.shared().observed.during(Work::Hash);
        let own = context.contracts.iter().filter_map(|(id, contract)| {
            let memory = runner.memory(id).filter(|_| !context.is_elsewhere(id))?;
            Some(contract.draft(*id, memory))
        });
        let elsewhere = context
            .resting
            .iter()
            .flat_map(|resting| resting.elsewhere());
        let elsewhere = elsewhere.filter_map(|(id, other)| {
            let contract = other.host().contracts.get(id)?;
            Some(contract.draft(*id, other.memory(id)?))
        });
        let draft = Draft::new(&context.base, own.chain(elsewhere).collect());
        Ok(draft.inspect_err(|_| context.runtime.engine().fail())?)
    }

    pub(super) fn runner_mut(&mut self) -> Result<&mut Runner<Context>, Error> {
        let unusable = self.unusable();
        match (&mut self.runner, self.poisoned) {
            (Some(runner), false) => Ok(runner),
            _ => Err(unusable),
        }
    }

    /// Why nothing can be done any more, when that is so.
    pub(super) fn unusable(&self) -> Error {
        match self.timed_out {
            true => Error::Timeout,
            false => Error::Fatal(Fatal::Poisoned),
        }
    }

    pub(super) fn context_mut(&mut self) -> Result<&mut Context, Error> {
        Ok(self.runner_mut()?.host_mut())
    }

    pub(super) fn run(&mut self, call: Call<'_>) -> Result<CallReceipt<Vec<u8>>, Error> {
        let observing = self.observed().map(|observed| {
            observed.during(Work::Call {
                contract: call.contract.as_bytes(),
                function: call.function,
            })
        });
        let result = self.run_unobserved(call);
        drop(observing);
        self.count_call(&result);
        result
    }

    /// Who is told of the session's work.
    pub(super) fn observed(&self) -> Option<&Observed> {
        let runner = self.runner.as_ref()?;
        Some(&runner.host().runtime.shared().observed)
    }

    fn run_unobserved(&mut self, call: Call<'_>) -> Result<CallReceipt<Vec<u8>>, Error> {
        let context = self.context_mut()?;
        context.take_record();
        if let Some(watch) = &mut context.watch {
            watch.begin();
        }
        let Some(runner) = self.runner.take() else {
            return Err(self.unusable());
        };
        let (mut runner, outcome) = runner.call(call);
        record_touches(&mut runner);
        claim_entered(&mut runner, &outcome);
        let record = runner.host_mut().take_record();
        let panicked = runner.host_mut().panicked.take();
        if let (Ok(_), None, Some(watch)) = (&outcome, panicked, &mut runner.host_mut().watch) {
            watch.end();
        }
        let runtime = runner.host().runtime.clone();
        self.runner = Some(runner);
        if let Some(who) = panicked {
            self.poisoned = true;
            runtime.engine().fail();
            return Err(Fault::new(format!("{who} panicked")).into());
        }
        match outcome {
            Err(fault) => {
                self.poisoned = true;
                self.timed_out = fault.kind() == ErrorKind::Timeout;
                Err(fault.into())
            }
            Ok(Err(refusal)) => Err(refusal.into()),
            Ok(Ok(completed)) => record
                .finish(completed, call.limit_gas)
                .map_err(Error::Reverted),
        }
    }

    /// Turns a missing contract into its rejection.
    pub(super) fn existing(&mut self, contract: ContractId) -> Result<(), Error> {
        match self.contract_metadata(&contract)? {
            Some(_) => Ok(()),
            None => Err(Refusal::NoContract { contract }.into()),
        }
    }
}

fn encode_argument<A: Encode>(function: &str, argument: &A) -> Result<Vec<u8>, Error> {
    encode(argument).map_err(|error| {
        Error::Rejected(Rejected::Argument {
            function: function.to_owned(),
            error,
        })
    })
}

fn decode_result<R: Decode>(
    contract: ContractId,
    function: &str,
    receipt: CallReceipt<Vec<u8>>,
) -> Result<CallReceipt<R>, Error> {
    match decode(&receipt.data) {
        Ok(data) => Ok(receipt.map(|_| data)),
        Err(error) => Err(Error::Undecodable(Box::new(Undecodable {
            contract,
            function: function.to_owned(),
            error,
            receipt,
        }))),
    }
}
