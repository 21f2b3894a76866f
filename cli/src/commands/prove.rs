//! `prove`: something of a commit's state, into a file that `crostata verify` or a light client reads.

use std::path::PathBuf;

use clap::Args;
use crostata::{Commit, ContractId, ProofItem, VM};
use crostata_proof::ValuePath;
use serde_json::json;

use super::{Done, write};
use crate::arguments::{CommitArguments, StoreArguments};
use crate::error::CliError;
use crate::key;
use crate::labels::Labels;
use crate::receipt::{self, number};
use crate::screen::Screen;
use crate::store;

/// What is asked about a contract; its record if nothing is said.
#[derive(Debug, Clone, Args)]
pub struct Question {
    /// A value that the contract declares by name (`#[contract(storage)]`); a field of a struct is `struct.field`.
    #[arg(long, value_name = "NAME", conflicts_with = "bytes")]
    pub value: Option<String>,
    /// With `--value`: what the map of that name has under this key. A number, true, a label, 0x… for bytes, or JSON.
    #[arg(
        long,
        value_name = "KEY",
        requires = "value",
        allow_negative_numbers = true
    )]
    pub key: Option<String>,
    /// Bytes of the contract's memory.
    #[arg(long, value_name = "ADDRESS:LENGTH")]
    pub bytes: Option<String>,
}

impl Question {
    /// The value that is asked for.
    pub fn path(&self, labels: Option<&Labels>) -> Result<Option<ValuePath>, CliError> {
        let Some(name) = &self.value else {
            return Ok(None);
        };
        Ok(Some(match &self.key {
            None => ValuePath::field(name),
            Some(key) => ValuePath::key(name, key::key(key, labels)?),
        }))
    }

    /// The bytes that are asked for: address and length.
    pub fn range(&self) -> Result<Option<(u64, u64)>, CliError> {
        let Some(text) = &self.bytes else {
            return Ok(None);
        };
        let parts = text.split_once(':');
        let range = parts.and_then(|(start, len)| Some((integer(start)?, integer(len)?)));
        range.filter(|(_, len)| *len > 0).map(Some).ok_or_else(|| {
            CliError::input(
                format!("`{text}` is no range of bytes"),
                "write ADDRESS:LENGTH, like 65536:8 or 0x10000:8",
            )
        })
    }
}

fn integer(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Proves a value, bytes, or a contract's record (or that there is no such contract) at a commit, into a file. Prints the root that the
/// proof is to be verified against.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  crostata prove counter --out counter.proof
  crostata prove token --value balances --key 0x07…07 --out balance.proof
  crostata prove counter --bytes 0x10000:8 --out bytes.proof --at final")]
pub struct Prove {
    /// The contract's label or id.
    #[arg(value_name = "CONTRACT")]
    contract: String,
    #[command(flatten)]
    question: Question,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    store: StoreArguments,
    #[command(flatten)]
    commit: CommitArguments,
}

impl Prove {
    /// Exit code 1 if there is nothing to prove.
    pub fn run(&self, screen: &mut Screen) -> Result<Done, CliError> {
        let labels = Labels::of(&self.store)?;
        let contract = labels.contract(&self.contract)?;
        let vm = store::open(&self.store)?;
        let commit = store::commit(&vm, &self.commit.commit)?;
        let proof = self.proof(&vm, commit, contract, &labels)?;
        write(&self.out, &proof)?;
        if screen.is_json() {
            screen.value(&json!({
                "contract": contract.to_string(),
                "commit": receipt::commit(&commit),
                "root": commit.root.to_string(),
                "file": self.out.display().to_string(),
                "bytes": proof.len(),
            }))?;
        } else {
            screen.line(commit.root.to_string())?;
            let (bytes, file) = (number(proof.len() as u64), self.out.display());
            screen.note(format!("{bytes} bytes in {file}; contract {contract}"));
        }
        Ok(Done::Well)
    }

    fn proof(
        &self,
        vm: &VM,
        commit: Commit,
        contract: ContractId,
        labels: &Labels,
    ) -> Result<Vec<u8>, CliError> {
        if let Some(path) = self.question.path(Some(labels))? {
            return Ok(vm.prove_value(commit, contract, path)?.encode());
        }
        let item = match self.question.range()? {
            Some((start, len)) => ProofItem::bytes(contract, start, len),
            None => ProofItem::Contract(contract),
        };
        Ok(vm.prove(commit, &[item])?.encode())
    }
}
