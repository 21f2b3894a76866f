//! `verify`: a proof, from root, file and question alone. No store is opened.

use std::error::Error;
use std::path::PathBuf;

use clap::Args;
use crostata_proof::{ContractId, ContractRecord, Root, StateProof, ValuePath, ValueProof};
use serde_json::{Value, json};

use super::prove::Question;
use super::{Done, read};
use crate::error::CliError;
use crate::hex;
use crate::key;
use crate::screen::{Screen, Tone, plain};

/// Verifies a proof against a root, and prints what it proves. Needs no store, labels or network: root and question are the verifier's own.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  crostata verify counter.proof --root 91c4…be --contract 5a03…d1
  crostata verify balance.proof --root 91c4…be --contract 5a03…d1 --value balances --key 0x07…07
  crostata verify bytes.proof --root 91c4…be --contract 5a03…d1 --bytes 0x10000:8")]
pub struct Verify {
    /// The proof.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The root of the state, from somebody you trust.
    #[arg(long, value_name = "ROOT")]
    root: String,
    /// The contract's id.
    #[arg(long, value_name = "ID")]
    contract: String,
    #[command(flatten)]
    question: Question,
}

type Unshown = Box<dyn Error + Send + Sync>;

/// What a proof says: for programs, and for people.
type Shown = (Value, String);

impl Verify {
    /// Exit code 1 if the proof does not show what was asked for.
    pub fn run(&self, screen: &mut Screen) -> Result<Done, CliError> {
        let root = Root::from_bytes(hex::hash(&self.root, "a root")?);
        let contract = ContractId::from_bytes(hex::hash(&self.contract, "a contract's id")?);
        let (path, range) = (self.question.path(None)?, self.question.range()?);
        let proof = read(&self.file)?;
        let shown = match (path, range) {
            (Some(path), _) => value(&proof, &root, &contract, &path),
            (None, Some(range)) => bytes(&proof, &root, &contract, range),
            (None, None) => record(&proof, &root, &contract),
        };
        let (value, text) = shown.map_err(|source| CliError::Unproven {
            path: self.file.clone(),
            source,
        })?;
        if screen.is_json() {
            let (root, contract) = (root.to_string(), contract.to_string());
            screen.value(&json!({"root": root, "contract": contract, "proven": value}))?;
        } else {
            screen.line(plain(&text))?;
            let mark = screen.paint_note(Tone::Good, "proven");
            screen.note(format!("{mark} at root {root}"));
        }
        Ok(Done::Well)
    }
}

fn value(
    proof: &[u8],
    root: &Root,
    contract: &ContractId,
    path: &ValuePath,
) -> Result<Shown, Unshown> {
    let proof = ValueProof::decode(proof)?;
    let name = &path.name;
    let found = match &path.key {
        None => Some(proof.verify(root, contract, name)?.into_inner()),
        Some(key) => proof.verify_key(root, contract, name, key)?.into_inner(),
    };
    let Some(found) = found else {
        return Ok((Value::Null, "absent: the map has no such key".into()));
    };
    let json = key::to_json(&found);
    let text = json.to_string();
    Ok((json, text))
}

fn bytes(
    proof: &[u8],
    root: &Root,
    contract: &ContractId,
    (start, len): (u64, u64),
) -> Result<Shown, Unshown> {
    let state = StateProof::decode(proof)?.verify(root)?.into_inner();
    let bytes = state.bytes(contract, start, usize::try_from(len)?)?;
    let text = hex::shown(&bytes);
    Ok((json!(text), text))
}

fn record(proof: &[u8], root: &Root, contract: &ContractId) -> Result<Shown, Unshown> {
    let state = StateProof::decode(proof)?.verify(root)?.into_inner();
    let record = state.contract(contract)?.into_inner();
    Ok(match record {
        None => (Value::Null, "absent: there is no such contract".into()),
        Some(record) => {
            let json = record_json(record);
            let text = json.to_string();
            (json, text)
        }
    })
}

/// A contract's record for programs.
pub fn record_json(record: &ContractRecord) -> Value {
    json!({
        "contract": record.contract.to_string(),
        "word_bits": record.word_size.bits(),
        "code_hash": record.code_hash.to_string(),
        "code_bytes": record.code_len_bytes,
        "layout_hash": hex::shown(&record.layout_hash),
        "owner": hex::shown(record.owner.as_bytes()),
        "memory_wasm_pages": record.memory_wasm_pages,
        "page_root": hex::shown(&record.page_root),
    })
}
