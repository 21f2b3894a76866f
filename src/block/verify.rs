//! Running a witness: an ordinary session over the part of the state that the witness shows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crostata_abi::{ContractId, PageIndex};
use crostata_proof::{CodeHash, ContextDigest, PageChunks, ProvenState, ReceiptDigest, Root, hash};

use super::context::WitnessContext;
use super::error::{Missing, WitnessError};
use super::witness::Witness;
use crate::engine::{EngineError, Fault, Fingerprint, Profile};
use crate::session::{
    CallReceipt, CallStep, CallTrace, ContractData, DatumError, DeployReceipt, DeployStep, Error,
    Feeder, Replay, Runtime, Savepoint, Session, SessionData, Step,
};
use crate::state::{CodeSource, Parts, Snapshot};
use crate::store::files::MemoryFiles;
use crate::vm::{Config, OpenVmError, VM};

/// Runs witnesses. It opens no directory, and keeps its engines and compiled code from one witness to the next.
///
/// Any number of threads may use it at once.
pub struct Verifier {
    runtimes: BTreeMap<Fingerprint, Arc<Runtime>>,
    /// What the parts of states that witnesses show are made from.
    empty: Snapshot,
    supplied: Option<Arc<dyn CodeSource>>,
    gas_max: u64,
    watched: bool,
    profiled: bool,
    _vm: VM,
}

/// What the calls of a witness come to, on condition that its context is the one that is meant.
#[derive(Debug)]
#[non_exhaustive]
#[must_use = "compare the context with the one that is meant, and the root and receipts with those claimed"]
pub struct VerifiedCalls {
    /// The root of the state before, as given to the verifier.
    pub root_before: Root,
    /// The root of the state after.
    pub root_after: Root,
    /// What came of each call and deployment, in order.
    pub receipts: Vec<StepReceipt>,
    /// What each of them did, if the verifier [watches](Verifier::watched): none where nothing started.
    pub traces: Vec<Option<CallTrace>>,
    /// Where their gas went, if the verifier [profiles](Verifier::profiled) and there were calls.
    pub profile: Option<Profile>,
    /// What they ran under.
    pub context: WitnessContext,
    /// The digest of the context.
    pub context_digest: ContextDigest,
}

/// What came of a call or deployment.
#[derive(Debug)]
pub enum StepReceipt {
    /// A call: its receipt, [`Error::Reverted`] with a receipt, or [`Error::Rejected`].
    Call(Result<CallReceipt<Vec<u8>>, Error>),
    /// A deployment, the same.
    Deploy(Result<DeployReceipt, Error>),
}

impl StepReceipt {
    /// The digest of the receipt of the call, or of `init`; none if nothing ran.
    pub fn digest(&self) -> Option<ReceiptDigest> {
        match self {
            Self::Call(Ok(receipt)) => Some(receipt.digest),
            Self::Deploy(Ok(receipt)) => receipt.init_digest(),
            Self::Call(Err(error)) | Self::Deploy(Err(error)) => error.receipt_digest(),
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("protocols", &self.runtimes.keys())
            .finish_non_exhaustive()
    }
}

impl Verifier {
    /// A verifier of witnesses under the protocols of the configuration.
    ///
    /// Of the rest of it the backend counts, and how compiled code is kept: in memory alone, unless a directory is named.
    ///
    /// # Errors
    /// [`OpenVmError`] when an engine does not start.
    pub fn new(config: Config) -> Result<Self, OpenVmError> {
        let vm = VM::with_files(Arc::new(MemoryFiles::new()), config)?;
        Ok(Self {
            runtimes: vm.runtimes_by_protocol().collect(),
            empty: vm.empty_state(),
            supplied: None,
            gas_max: u64::MAX,
            watched: false,
            profiled: false,
            _vm: vm,
        })
    }

    /// The same verifier, which asks `codes` for what a witness leaves out: a function from hash to code, for example.
    #[must_use]
    pub fn supplied_by(self, codes: impl CodeSource + 'static) -> Self {
        Self {
            supplied: Some(Arc::new(codes)),
            ..self
        }
    }

    /// The same verifier, which watches what the calls do ([`VerifiedCalls::traces`]), and has failures tell their places in the
    /// code. Results are the same.
    #[must_use]
    pub fn watched(self) -> Self {
        Self {
            watched: true,
            ..self
        }
    }

    /// The same verifier, which writes down where gas goes ([`VerifiedCalls::profile`]): for authors. Results are the same, by code that no block
    /// runs, and it takes ten to fifty times as long.
    #[must_use]
    pub fn profiled(self) -> Self {
        Self {
            profiled: true,
            ..self
        }
    }

    /// The same verifier, which refuses witnesses whose steps may spend more gas than this, all together.
    ///
    /// A witness brings its own gas limits, and gas is time: whoever takes witnesses from strangers sets this to what a block may
    /// spend. Without it nothing is refused.
    #[must_use]
    pub fn limited_to(self, gas_max: u64) -> Self {
        Self { gas_max, ..self }
    }

    /// Does what the witness says over what it shows of the state with the root `root_before`.
    ///
    /// Costs hashing of what the witness shows and of what changes, and what the calls cost in a session that begins. Code
    /// that the verifier did not run lately is compiled.
    ///
    /// # Errors
    /// [`WitnessError`]; what is wrong with the witness, or that the verifier failed.
    pub fn verify_call(
        &self,
        root_before: &Root,
        witness: Witness,
    ) -> Result<VerifiedCalls, WitnessError> {
        let (context, state, codes) = witness.into_parts();
        let (gas, gas_max) = (gas_of(&context.steps), self.gas_max);
        if gas > gas_max {
            return Err(WitnessError::TooMuchGas { gas, gas_max });
        }
        let protocol = context.protocol;
        let runtime = self.runtimes.get(&protocol);
        let runtime = runtime.ok_or(WitnessError::UnknownProtocol { protocol })?;
        let runtime = match self.watched {
            true => runtime.located().map_err(not_started)?,
            false => runtime.clone(),
        };
        let runtime = match self.profiled {
            true => runtime.profiled().map_err(not_started)?,
            false => runtime,
        };
        let proven = Arc::new(state.verify(root_before)?.into_inner());
        let codes = Arc::new(Codes {
            held: codes,
            supplied: self.supplied.clone(),
        });
        let snapshot = self.empty.witnessed(&proven, codes.clone());
        let snapshot = snapshot.map_err(|contract| WitnessError::NoRecord { contract })?;
        let replay = Replay::new(context.answers.clone());
        let mut run = Run {
            session: session(runtime, snapshot, &context, replay.clone())?,
            codes,
            replay,
            savepoints: Vec::new(),
            traces: Vec::new(),
        };
        if self.watched {
            run.session.watch();
        }
        let receipts = run.steps(&context.steps)?;
        let profile = run.session.take_profile();
        let root_after = run.finish(&proven)?;
        let traces = run.traces;
        Ok(VerifiedCalls {
            root_before: *root_before,
            root_after,
            receipts,
            traces,
            profile,
            context_digest: context.digest(),
            context,
        })
    }
}

fn not_started(error: EngineError) -> WitnessError {
    let fault = Fault::from("no engine for watching", error);
    WitnessError::Fatal(fault.into())
}

/// The most that these steps can spend.
fn gas_of(steps: &[Step]) -> u64 {
    let limits = steps.iter().map(|step| match step {
        Step::Call(call) => call.gas_limit,
        Step::Deploy(deploy) => deploy.gas_limit,
        _ => 0,
    });
    limits.fold(0, u64::saturating_add)
}

/// The session that the witness is run in.
fn session(
    runtime: Arc<Runtime>,
    snapshot: Snapshot,
    context: &WitnessContext,
    replay: Arc<Replay>,
) -> Result<Session, DatumError> {
    let mut data = SessionData::builder().recording();
    for (name, bytes) in &context.data {
        data = data.insert_raw(name.clone(), bytes.clone())?;
    }
    let session = Session::new(runtime, None, snapshot, data.build(), Arc::default());
    Ok(session.answered_by(replay))
}

/// Where code comes from: the witness first.
struct Codes {
    held: BTreeMap<CodeHash, Arc<[u8]>>,
    supplied: Option<Arc<dyn CodeSource>>,
}

impl CodeSource for Codes {
    fn code(&self, code: &CodeHash) -> Option<Vec<u8>> {
        let held = self.held.get(code).map(|held| held.to_vec());
        held.or_else(|| self.supplied.as_ref()?.code(code))
    }
}

/// A witness being run.
struct Run {
    session: Session,
    codes: Arc<Codes>,
    replay: Arc<Replay>,
    /// Those that are open.
    savepoints: Vec<Savepoint>,
    /// What each call and deployment did.
    traces: Vec<Option<CallTrace>>,
}

/// A feeder for what nobody listens to.
struct Unheard;

impl Feeder for Unheard {
    fn feed(&mut self, _: Vec<u8>) {}
}

impl Run {
    fn steps(&mut self, steps: &[Step]) -> Result<Vec<StepReceipt>, WitnessError> {
        let mut receipts = Vec::new();
        for (at, step) in steps.iter().enumerate() {
            match step {
                Step::Call(call) => {
                    receipts.push(StepReceipt::Call(self.call(call)?));
                    self.traces.push(self.session.take_trace());
                }
                Step::Deploy(deploy) => {
                    receipts.push(StepReceipt::Deploy(self.deploy(deploy)?));
                    self.traces.push(self.session.take_trace());
                }
                Step::Datum { name, bytes } => self.set_datum(name, bytes.as_ref())?,
                Step::Savepoint => {
                    let taken = self.session.savepoint();
                    self.savepoints.push(taken.map_err(WitnessError::Fatal)?);
                }
                Step::Rollback { open } => {
                    let savepoint = self.close(*open, at)?;
                    let undone = self.session.rollback(savepoint);
                    undone.map_err(WitnessError::of)?;
                }
                Step::Release { open } => {
                    let savepoint = self.close(*open, at)?;
                    let released = self.session.release(savepoint);
                    released.map_err(WitnessError::of)?;
                }
            }
        }
        Ok(receipts)
    }

    fn call(
        &mut self,
        call: &CallStep,
    ) -> Result<Result<CallReceipt<Vec<u8>>, Error>, WitnessError> {
        let (contract, function, limit) = (call.contract, &call.function, call.gas_limit);
        let argument = &call.argument;
        let session = &mut self.session;
        let result = match call.feeder {
            true => session.feeder_call_raw(contract, function, argument, limit, Unheard),
            false => session.call_raw(contract, function, argument, limit),
        };
        self.settled(result)
    }

    fn deploy(
        &mut self,
        deploy: &DeployStep,
    ) -> Result<Result<DeployReceipt, Error>, WitnessError> {
        let code = self.codes.code(&deploy.code);
        let code = code.filter(|code| hash::code_hash(code) == deploy.code);
        let missing = Missing::Code { code: deploy.code };
        let code = code.ok_or(WitnessError::Incomplete(missing))?;
        let data = ContractData::builder()
            .contract_id(deploy.contract)
            .owner(deploy.owner.clone());
        let data = match &deploy.init_argument {
            Some(argument) => data.init_arg_raw(argument.clone()),
            None => data,
        };
        let result = self
            .session
            .deploy_with_receipt(code, data, deploy.gas_limit);
        self.settled(result)
    }

    /// A result that belongs to the calls, or what it says of the witness.
    fn settled<T>(&self, result: Result<T, Error>) -> Result<Result<T, Error>, WitnessError> {
        if let Some(at) = self.replay.strayed_so_far() {
            return Err(WitnessError::Answer { at });
        }
        match result {
            Err(error @ (Error::Fatal(_) | Error::Timeout)) => Err(WitnessError::of(error)),
            result => Ok(result),
        }
    }

    fn set_datum(&mut self, name: &str, bytes: Option<&Vec<u8>>) -> Result<(), DatumError> {
        match bytes {
            Some(bytes) => self.session.set_meta_raw(name, bytes.clone()).map(drop),
            None => {
                self.session.remove_meta(name);
                Ok(())
            }
        }
    }

    /// Takes the savepoint behind so many open ones, and all after it, from the list.
    fn close(&mut self, open: u32, step: usize) -> Result<Savepoint, WitnessError> {
        let savepoint = self.savepoints.get(open as usize).copied();
        self.savepoints.truncate(open as usize);
        savepoint.ok_or(WitnessError::Step { at: step })
    }

    /// The root, if the witness has exactly what was used.
    fn finish(&self, proven: &ProvenState) -> Result<Root, WitnessError> {
        if let Some(at) = self.replay.strayed() {
            return Err(WitnessError::Answer { at });
        }
        let compared = self.session.recorded(|recorded| {
            compare_positions(&recorded.parts, proven)?;
            compare_pages(&recorded.parts, proven)?;
            let codes = recorded.recording.codes();
            let deployed = &recorded.recording.deployed;
            let is_used = |code: &CodeHash| codes.contains(code) || deployed.contains_key(code);
            let of_state = proven.code_hashes().next();
            match of_state.or_else(|| self.codes.held.keys().find(|code| !is_used(code))) {
                Some(code) => Err(WitnessError::Superfluous(Missing::Code { code: *code })),
                None => Ok(recorded.root_after),
            }
        });
        // INVARIANT: the session was opened to be recorded.
        let compared = compared.map_err(WitnessError::of)?;
        compared.unwrap_or(Ok(*proven.root()))
    }
}

fn compare_positions(needed: &Parts, proven: &ProvenState) -> Result<(), WitnessError> {
    let shown: BTreeSet<u64> = proven
        .positions()
        .iter()
        .map(|shown| shown.position())
        .collect();
    if let Some(position) = needed.positions.difference(&shown).next() {
        let position = *position;
        return Err(WitnessError::Incomplete(Missing::Position { position }));
    }
    match shown.difference(&needed.positions).next() {
        Some(position) => {
            let position = *position;
            Err(WitnessError::Superfluous(Missing::Position { position }))
        }
        None => Ok(()),
    }
}

fn compare_pages(needed: &Parts, proven: &ProvenState) -> Result<(), WitnessError> {
    let mut shown = pages(proven);
    for (place, chunks) in &needed.pages {
        let (contract, page) = *place;
        let missing = Missing::Page { contract, page };
        match shown.remove(place) {
            // Zeros are shown without chunks.
            Some(shown) if shown.is_none() || shown == *chunks => {}
            Some(shown) if shown | *chunks == shown => {
                return Err(WitnessError::Superfluous(missing));
            }
            _ => return Err(WitnessError::Incomplete(missing)),
        }
    }
    match shown.pop_first() {
        Some(((contract, page), _)) => {
            Err(WitnessError::Superfluous(Missing::Page { contract, page }))
        }
        None => Ok(()),
    }
}

fn pages(proven: &ProvenState) -> BTreeMap<(ContractId, PageIndex), PageChunks> {
    let members = proven.positions().iter().flat_map(|shown| shown.members());
    let contracts = members.filter_map(|member| member.shown());
    let pages = contracts.flat_map(|contract| {
        let id = contract.record().contract;
        let pages = contract.pages().iter();
        pages.map(move |page| ((id, page.index()), page.chunks()))
    });
    pages.collect()
}
