//! `call`, `query` and `trace`: a function of a contract, with or without a commit.

use std::path::{Path, PathBuf};

use clap::Args;
use crostata::{
    CallReceipt, CallTrace, Commit, ContractId, Error, NoWitness, ReceiptDigest, Reverted, Session,
    SessionDataBuilder, VM,
};
use serde_json::{Value, json};

use super::{Done, write};
use crate::arguments::{CommitArguments, GivenArguments, SessionArguments, StoreArguments};
use crate::error::CliError;
use crate::hex;
use crate::receipt::{self, number, short};
use crate::screen::{Screen, plain};
use crate::store;
use crate::view::{self, Names};

/// What a call may spend in gas when nothing is said: about a second of plain computing.
pub const LIMIT_GAS: u64 = 1_000_000_000;

/// What is called, with what, over what.
#[derive(Debug, Args)]
pub struct Target {
    /// The contract's label or id.
    #[arg(value_name = "CONTRACT")]
    contract: String,
    /// The function.
    #[arg(value_name = "FUNCTION")]
    function: String,
    #[command(flatten)]
    given: GivenArguments,
    /// What the call may spend in gas [default: for `call` the smallest limit that suffices; at most 1,000,000,000].
    #[arg(long, value_name = "GAS")]
    gas_limit: Option<u64>,
    /// Writes what was done into a file that `crostata replay` does again anywhere, also if the call fails.
    #[arg(long, value_name = "FILE")]
    capsule: Option<PathBuf>,
    #[command(flatten)]
    store: StoreArguments,
    #[command(flatten)]
    commit: CommitArguments,
    #[command(flatten)]
    session: SessionArguments,
}

/// Calls a contract over the newest commit (or over `--at`), commits if the call succeeds, and prints the result.
///
/// The commit is not final: any earlier one can be gone back to with `--at`, until one is made final with `--finalise` or `crostata finalise`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  crostata call counter increment
  crostata call token transfer 0x07…07 5 --datum block_height=7
  crostata call counter add --hex 0x0500000000000000 --gas-limit 100000
  crostata call token transfer bob 5 --capsule transfer.capsule")]
pub struct CallCommand {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    ending: Ending,
}

/// Calls a contract over the newest commit (or over `--at`), commits nothing, and prints the result.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  crostata query counter read_value
  crostata query counter read_value --at final --json")]
pub struct Query {
    #[command(flatten)]
    target: Target,
}

/// Calls a contract, commits nothing, and prints what happened: the tree of calls with arguments, results, gas, events, and where it failed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  crostata trace token transfer bob 5
  crostata trace token transfer bob 5 -vvvvv
-v shows the error alone, -vv the way to it, -vvv (the default, or what CROSTATA_TRACE says) the tree, -vvvv queries, data and pages, -vvvvv all bytes.")]
pub struct Trace {
    #[command(flatten)]
    target: Target,
    /// How much is shown, -v to -vvvvv.
    #[arg(short, action = clap::ArgAction::Count)]
    verbose: u8,
}

/// What becomes of the commit.
#[derive(Debug, Args)]
pub struct Ending {
    /// Makes the commit final: all that neither is it nor descends from it is dropped.
    #[arg(long)]
    pub finalise: bool,
}

impl Ending {
    /// Commits what the session did.
    pub fn commit(&self, vm: &VM, session: &mut Session) -> Result<Commit, CliError> {
        let commit = session.commit()?;
        if self.finalise {
            vm.finalize_commit(commit)?;
        }
        Ok(commit)
    }

    /// Tells of the commit.
    pub fn note(&self, screen: &mut Screen, commit: &Commit) {
        let state = if self.finalise { "final" } else { "not final" };
        screen.note(format!("commit {} ({state})", commit.id));
        screen.note(format!("root   {}", commit.root));
    }
}

impl CallCommand {
    /// Exit code 1 if the call reverts; then nothing is committed.
    pub fn run(&self, screen: &mut Screen) -> Result<Done, CliError> {
        let mut opened = self.target.open()?;
        let gas_limit = match self.target.gas_limit {
            Some(gas_limit) => gas_limit,
            None => self.target.needed(&opened)?,
        };
        match self.target.call(screen, &mut opened, gas_limit)? {
            Ok(receipt) => {
                let commit = self.ending.commit(&opened.vm, &mut opened.session)?;
                self.target
                    .print(screen, &opened, &receipt, Some(&commit))?;
                self.ending.note(screen, &commit);
                Ok(Done::Well)
            }
            Err(failed) => reverted(screen, &opened.names, &failed, opened.trace.as_ref()),
        }
    }
}

impl Query {
    /// Exit code 1 if the call reverts.
    pub fn run(&self, screen: &mut Screen) -> Result<Done, CliError> {
        let mut opened = self.target.open()?;
        let gas_limit = self.target.gas_limit(LIMIT_GAS);
        match self.target.call(screen, &mut opened, gas_limit)? {
            Ok(receipt) => {
                self.target.print(screen, &opened, &receipt, None)?;
                Ok(Done::Well)
            }
            Err(failed) => reverted(screen, &opened.names, &failed, opened.trace.as_ref()),
        }
    }
}

impl Trace {
    /// Exit code 1 if the call reverts; the trace is the result nevertheless.
    pub fn run(&self, screen: &mut Screen) -> Result<Done, CliError> {
        let level = view::level(self.verbose)?;
        let mut opened = self.target.open()?;
        let gas_limit = self.target.gas_limit(LIMIT_GAS);
        let result = self.target.call(screen, &mut opened, gas_limit)?;
        let names = &opened.names;
        let text = opened.trace.as_ref();
        let text = text.map(|trace| names.render(screen, trace, level));
        let text = text.unwrap_or_default();
        if screen.is_json() {
            let mut value = match &result {
                Ok(receipt) => names.receipt(receipt, None),
                Err(failed) => names.receipt(&failed.receipt, Some(&failed.failure)),
            };
            value["frames"] = opened.trace.as_ref().map_or(Value::Null, frames);
            value["text"] = json!(text);
            screen.value(&value)?;
        } else {
            screen.line(text.trim_end())?;
        }
        Ok(if result.is_ok() {
            Done::Well
        } else {
            Done::Failed
        })
    }
}

/// What the frames of a call spent gas on, and how many pages they touched.
fn frames(trace: &CallTrace) -> Value {
    let frames = trace.frames.iter().map(|frame| {
        json!({
            "contract": frame.contract.to_string(),
            "code_hash": frame.code.map(|code| code.to_string()),
            "function": frame.function,
            "depth": frame.depth,
            "caller": frame.caller,
            "argument_hex": hex::shown(&frame.argument.bytes),
            "result_hex": frame.result.as_ref().ok().map(|result| hex::shown(&result.bytes)),
            "gas_limit": frame.gas_limit,
            "gas_spent": frame.gas_spent,
            "gas_instructions": frame.gas.instructions,
            "gas_host": frame.gas.host,
            "gas_memory": frame.gas.memory,
            "gas_calls": frame.gas.calls,
            "reverted": frame.reverted,
            "pages_read": frame.pages_read.count,
            "pages_written": frame.pages_written.count,
        })
    });
    frames.collect()
}

/// What a call is made in.
pub struct Opened {
    vm: VM,
    base: Commit,
    /// It is watched.
    pub session: Session,
    contract: ContractId,
    argument: Vec<u8>,
    /// What is known of the contracts that were called.
    pub names: Names,
    /// What the call did.
    pub trace: Option<CallTrace>,
}

/// How a call went that started.
pub type Called = Result<CallReceipt<Vec<u8>>, Box<Reverted>>;

impl Target {
    fn open(&self) -> Result<Opened, CliError> {
        self.open_with(|data| data)
    }

    /// Opens the store and a session, which may be asked for with more.
    pub fn open_with(
        &self,
        more: impl FnOnce(SessionDataBuilder) -> SessionDataBuilder,
    ) -> Result<Opened, CliError> {
        let mut names = Names::new(&self.store)?;
        let contract = names.labels.contract(&self.contract)?;
        let vm = store::open(&self.store)?;
        let base = store::commit(&vm, &self.commit.commit)?;
        names.learn(contract, &vm.contract_code(base, contract)?);
        let interface = &names.interfaces[&contract];
        let argument = interface.argument(&self.function, &self.given, &names.labels)?;
        let mut data = store::session_data(Some(base), &self.session, &self.store.rules)?;
        if self.capsule.is_some() {
            data = data.recording();
        }
        let mut session = vm.session(more(data))?;
        session.watch();
        Ok(Opened {
            vm,
            base,
            session,
            contract,
            argument,
            names,
            trace: None,
        })
    }

    /// The smallest limit that the call needs, or the greatest if it fails with that. Found in a session of its own, which leaves nothing.
    fn needed(&self, opened: &Opened) -> Result<u64, CliError> {
        let data = store::session_data(Some(opened.base), &self.session, &self.store.rules)?;
        let mut session = opened.vm.session(data)?;
        let (contract, argument) = (opened.contract, &opened.argument);
        match session.estimate(contract, &self.function, argument, LIMIT_GAS) {
            Ok(estimate) => Ok(estimate.gas_limit),
            Err(Error::Reverted(_)) => Ok(LIMIT_GAS),
            Err(error) => Err(error.into()),
        }
    }

    /// The limit that was given, or another.
    pub fn gas_limit(&self, otherwise: u64) -> u64 {
        self.gas_limit.unwrap_or(otherwise)
    }

    /// The call in few words.
    pub fn title(&self) -> String {
        format!("{}::{}", self.contract, self.function)
    }

    /// Makes the call; writes the capsule if one is wanted.
    pub fn call(
        &self,
        screen: &mut Screen,
        opened: &mut Opened,
        gas_limit: u64,
    ) -> Result<Called, CliError> {
        let (contract, argument) = (opened.contract, &opened.argument);
        let session = &mut opened.session;
        let called = match session.call_raw(contract, &self.function, argument, gas_limit) {
            Ok(receipt) => Ok(receipt),
            Err(Error::Reverted(failed)) => Err(failed),
            Err(error) => return Err(error.into()),
        };
        opened.trace = session.take_trace();
        if let Some(trace) = &opened.trace {
            opened.names.learn_trace(trace, &opened.vm, opened.base);
        }
        if let Some(file) = &self.capsule {
            let digest = match &called {
                Ok(receipt) => receipt.digest,
                Err(failed) => failed.receipt.digest,
            };
            write_capsule(screen, file, &opened.session, digest)?;
        }
        Ok(called)
    }

    fn print(
        &self,
        screen: &mut Screen,
        opened: &Opened,
        receipt: &CallReceipt<Vec<u8>>,
        commit: Option<&Commit>,
    ) -> Result<(), CliError> {
        let names = &opened.names;
        let interface = names.interfaces.get(&opened.contract);
        let result = interface.and_then(|one| one.result(&self.function, &receipt.data));
        if screen.is_json() {
            let mut value = names.receipt(receipt, None);
            value["result"] = json!(result.map(|result| result.json));
            value["result_hex"] = json!(hex::shown(&receipt.data));
            value["commit"] = json!(commit.map(receipt::commit));
            return screen.value(&value);
        }
        match result {
            Some(result) if result.text == "()" => {}
            Some(result) => screen.line(plain(&result.text))?,
            None if receipt.data.is_empty() => {}
            None => screen.line(short(&receipt.data))?,
        }
        names.note(screen, receipt);
        Ok(())
    }
}

fn write_capsule(
    screen: &mut Screen,
    file: &Path,
    session: &Session,
    digest: ReceiptDigest,
) -> Result<(), CliError> {
    match session.capsule(&[Some(digest)]) {
        Ok(capsule) => write(file, &capsule.encode()),
        Err(NoWitness::Nothing) => {
            screen.note("no capsule was written: the call ended before it looked at any state");
            Ok(())
        }
        Err(error) => Err(CliError::NoCapsule(Box::new(error))),
    }
}

/// Tells of a call that failed.
pub fn reverted(
    screen: &mut Screen,
    names: &Names,
    failed: &Reverted,
    trace: Option<&CallTrace>,
) -> Result<Done, CliError> {
    let (failure, receipt) = (&failed.failure, &failed.receipt);
    if screen.is_json() {
        screen.value(&names.receipt(receipt, Some(failure)))?;
        return Ok(Done::Failed);
    }
    match trace {
        Some(trace) => {
            let text = names.render_note(screen, trace, view::level(0)?);
            screen.note(text.trim_end());
        }
        None => names.note_failure(screen, failure),
    }
    let (spent, limit) = (number(receipt.gas_spent), number(receipt.gas_limit));
    screen.note(format!(
        "reverted: {spent} of {limit} gas; nothing was changed"
    ));
    Ok(Done::Failed)
}
