//! `call` and `query`: a function of a contract, with or without a commit.

use std::collections::BTreeMap;

use clap::Args;
use crostata::{CallReceipt, Commit, ContractId, Error, Reverted, Session, VM};
use serde_json::json;

use super::Done;
use crate::arguments::{CommitArguments, GivenArguments, SessionArguments, StoreArguments};
use crate::error::CliError;
use crate::hex;
use crate::interface::Interface;
use crate::labels::Labels;
use crate::receipt::{self, Names, short};
use crate::screen::{Screen, plain};
use crate::store;

/// What a call may spend in gas when nothing is said: about a second of plain computing.
const LIMIT_GAS: u64 = 1_000_000_000;

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
    /// What the call may spend in gas [default: the smallest limit that the call needs, at most 1,000,000,000].
    #[arg(long, value_name = "GAS")]
    gas_limit: Option<u64>,
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
  crostata call token transfer 0x07…07 5 --datum height=7
  crostata call counter add --hex 0x0500000000000000 --gas-limit 100000")]
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
            Some(gas_limit) => Ok(gas_limit),
            None => self.target.needed(&mut opened),
        };
        match gas_limit.and_then(|gas_limit| self.target.call(&mut opened, gas_limit)) {
            Ok(receipt) => {
                let commit = self.ending.commit(&opened.vm, &mut opened.session)?;
                self.target
                    .print(screen, &opened, &receipt, Some(&commit))?;
                self.ending.note(screen, &commit);
                Ok(Done::Well)
            }
            Err(Error::Reverted(failed)) => reverted(screen, &opened.names, &failed),
            Err(error) => Err(error.into()),
        }
    }
}

impl Query {
    /// Exit code 1 if the call reverts.
    pub fn run(&self, screen: &mut Screen) -> Result<Done, CliError> {
        let mut opened = self.target.open()?;
        let gas_limit = self.target.gas_limit.unwrap_or(LIMIT_GAS);
        match self.target.call(&mut opened, gas_limit) {
            Ok(receipt) => {
                self.target.print(screen, &opened, &receipt, None)?;
                Ok(Done::Well)
            }
            Err(Error::Reverted(failed)) => reverted(screen, &opened.names, &failed),
            Err(error) => Err(error.into()),
        }
    }
}

/// What a call is made in.
struct Opened {
    vm: VM,
    session: Session,
    contract: ContractId,
    argument: Vec<u8>,
    names: Names,
}

impl Target {
    fn open(&self) -> Result<Opened, CliError> {
        let labels = Labels::of(&self.store)?;
        let contract = labels.contract(&self.contract)?;
        let vm = store::open(&self.store.store)?;
        let base = store::commit(&vm, &self.commit.commit)?;
        let interface = Interface::of(&vm.contract_code(base, contract)?);
        let argument = interface.argument(&self.function, &self.given, &labels)?;
        let session = vm.session(store::session_data(Some(base), &self.session)?)?;
        Ok(Opened {
            vm,
            session,
            contract,
            argument,
            names: Names {
                labels,
                interfaces: BTreeMap::from([(contract, interface)]),
            },
        })
    }

    /// The smallest limit that the call needs.
    fn needed(&self, opened: &mut Opened) -> Result<u64, Error> {
        let (contract, argument) = (opened.contract, &opened.argument);
        let session = &mut opened.session;
        let estimate = session.estimate(contract, &self.function, argument, LIMIT_GAS)?;
        Ok(estimate.gas_limit)
    }

    fn call(&self, opened: &mut Opened, gas_limit: u64) -> Result<CallReceipt<Vec<u8>>, Error> {
        let (contract, argument) = (opened.contract, &opened.argument);
        let session = &mut opened.session;
        session.call_raw(contract, &self.function, argument, gas_limit)
    }

    fn print(
        &self,
        screen: &mut Screen,
        opened: &Opened,
        receipt: &CallReceipt<Vec<u8>>,
        commit: Option<&Commit>,
    ) -> Result<(), CliError> {
        let names = &opened.names;
        let result = names.result(&opened.contract, &self.function, &receipt.data);
        if screen.is_json() {
            let mut value = names.receipt(receipt, None);
            value["result"] = json!(result);
            value["result_hex"] = json!(hex::shown(&receipt.data));
            value["commit"] = json!(commit.map(receipt::commit));
            return screen.value(&value);
        }
        match result {
            Some(result) => screen.line(plain(&result.to_string()))?,
            None if receipt.data.is_empty() => {}
            None => screen.line(short(&receipt.data))?,
        }
        names.note(screen, receipt);
        Ok(())
    }
}

/// Tells of a call that failed.
pub fn reverted(screen: &mut Screen, names: &Names, failed: &Reverted) -> Result<Done, CliError> {
    let (failure, receipt) = (&failed.failure, &failed.receipt);
    if screen.is_json() {
        screen.value(&names.receipt(receipt, Some(failure)))?;
    } else {
        names.note_failure(screen, receipt, failure)?;
    }
    Ok(Done::Failed)
}
