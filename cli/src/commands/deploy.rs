//! `deploy`: a contract into a store, and a commit.

use std::path::PathBuf;

use clap::Args;
use crostata::inspect::{self, SideFileError, Stripped};
use crostata::{ContractData, ContractDataBuilder, DeployReceipt, Error, Session, VM};
use serde_json::json;

use super::call::{self, Ending};
use super::check;
use super::{Done, read};
use crate::arguments::{CommitArguments, GivenArguments, SessionArguments, StoreArguments};
use crate::error::CliError;
use crate::hex;
use crate::interface::Interface;
use crate::receipt::{self, number};
use crate::screen::Screen;
use crate::store;
use crate::view::{self, Names};

/// The gas that `init` may spend unless told otherwise: about a second of plain computing.
const INIT_LIMIT_GAS: u64 = 1_000_000_000;

/// Deploys a contract over the newest commit (or over `--at`), commits, and prints the contract's id. The store is made if it is not there.
///
/// The commit is not final: any earlier one can be gone back to with `--at`, until one is made final with `--finalise` or `crostata finalise`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  crostata deploy counter.wasm --label counter
  crostata deploy token.wasm --label token 1000000 '\"CRO\"'
  id=$(crostata deploy counter.wasm --nonce 2)")]
pub struct Deploy {
    /// The contract's module.
    #[arg(value_name = "FILE.wasm")]
    file: PathBuf,
    #[command(flatten)]
    given: GivenArguments,
    /// What the contract is called from now on, in the file of labels.
    #[arg(long, value_name = "NAME")]
    label: Option<String>,
    /// The owner, up to 255 bytes: 0x…, or a text.
    #[arg(long, value_name = "BYTES", default_value = "")]
    owner: String,
    /// The contract's id, instead of the one derived from code, owner, argument and nonce.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Tells deployments of the same code apart.
    #[arg(long, value_name = "N", default_value_t = 0)]
    nonce: u64,
    /// What `init` may spend in gas.
    #[arg(long, value_name = "GAS", default_value_t = INIT_LIMIT_GAS)]
    gas_limit: u64,
    #[command(flatten)]
    ending: Ending,
    #[command(flatten)]
    store: StoreArguments,
    #[command(flatten)]
    commit: CommitArguments,
    #[command(flatten)]
    session: SessionArguments,
}

impl Deploy {
    /// Exit code 1 if the code is rejected or `init` fails; then nothing is committed.
    pub fn run(&self, screen: &mut Screen) -> Result<Done, CliError> {
        let mut names = Names::new(&self.store)?;
        if let Some(label) = &self.label {
            names.labels.check_new(label)?;
        }
        let unstripped = self.unstripped()?;
        check::expect_module(&self.file, &unstripped)?;
        // What is no module behind its first bytes is rejected as it is.
        let stripped = inspect::strip(&unstripped).ok();
        let code = stripped
            .as_ref()
            .map_or(&unstripped, |stripped| &stripped.code);
        names.learn_code(&unstripped);
        let interface = Interface::of(code);
        let data = self.data(&interface, &names)?;
        let vm = store::open_or_make(&self.store)?;
        let base = store::find(&vm, &self.commit.commit)?;
        let mut session =
            vm.session(store::session_data(base, &self.session, &self.store.rules)?)?;
        session.watch();
        match session.deploy_with_receipt(code, data, self.gas_limit) {
            Ok(deployed) => {
                names.interfaces.insert(deployed.contract_id, interface);
                if let Some(stripped) = stripped.filter(|stripped| stripped.code != stripped.debug)
                {
                    self.keep_side_file(&stripped)?;
                }
                self.commit(screen, &vm, &mut session, names, &deployed)
            }
            Err(Error::Reverted(failed)) => {
                let trace = session.take_trace();
                call::reverted(screen, &names, &failed, trace.as_ref())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The module with its names and debug information, if they are in it or in the file that `crostata build` puts beside it.
    fn unstripped(&self) -> Result<Vec<u8>, CliError> {
        let code = read(&self.file)?;
        let beside = std::fs::read(self.file.with_extension("debug.wasm"));
        let beside = beside.ok().filter(|beside| {
            let stripped = inspect::strip(beside);
            stripped.is_ok_and(|stripped| stripped.code == code)
        });
        Ok(beside.unwrap_or(code))
    }

    /// Keeps names and debug information for traces: what is deployed has none.
    fn keep_side_file(&self, stripped: &Stripped) -> Result<(), CliError> {
        let folder = view::side_files(&self.store.store);
        let unwritten = |source| CliError::Write {
            path: folder.clone(),
            source,
        };
        std::fs::create_dir_all(&folder).map_err(unwritten)?;
        stripped
            .write_side_file(&folder)
            .map(drop)
            .map_err(|error| match error {
                SideFileError::File { source, .. } => unwritten(source),
                error => unwritten(std::io::Error::other(error)),
            })
    }

    fn data(&self, interface: &Interface, names: &Names) -> Result<ContractDataBuilder, CliError> {
        let owner = match self.owner.strip_prefix("0x") {
            Some(digits) => hex::bytes(digits)?,
            None => self.owner.clone().into_bytes(),
        };
        let mut data = ContractData::builder().owner(owner).nonce(self.nonce);
        if let Some(id) = &self.id {
            data = data.contract_id(hex::hash(id, "a contract's id")?.into());
        }
        let argument = interface.argument("init", &self.given, &names.labels)?;
        Ok(match argument.is_empty() {
            true => data,
            false => data.init_arg_raw(argument),
        })
    }

    fn commit(
        &self,
        screen: &mut Screen,
        vm: &VM,
        session: &mut Session,
        mut names: Names,
        deployed: &DeployReceipt,
    ) -> Result<Done, CliError> {
        let commit = self.ending.commit(vm, session)?;
        let id = deployed.contract_id;
        // What was deployed is told also if its label can not be kept.
        let labelled = match &self.label {
            Some(label) => names.labels.give(label, id),
            None => Ok(()),
        };
        if screen.is_json() {
            let init = deployed.init.as_ref();
            screen.value(&json!({
                "contract": id.to_string(),
                "label": self.label,
                "code_gas": deployed.code_gas,
                "init": init.map(|init| names.receipt(init, None)),
                "commit": receipt::commit(&commit),
                "finalised": self.ending.finalise,
            }))?;
            return labelled.map(|()| Done::Well);
        }
        screen.line(id.to_string())?;
        screen.note(format!("code   {} gas", number(deployed.code_gas)));
        if let Some(init) = &deployed.init {
            names.note(screen, init);
        }
        self.ending.note(screen, &commit);
        labelled.map(|()| Done::Well)
    }
}
