//! What the calls of tests spent: written by `crostata machine` while they run, read by `crostata gas`. A line of JSON for each call.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use crostata::{
    CallTrace, CodeHash, ContractId, Failure, GasSplit, Outcome, TracedBytes, TracedFrame,
    TracedPages,
};
use crostata_testing::Account;
use serde_json::{Value, json};

use crate::hex;

/// The environment variable that names the file.
pub const LOG_VARIABLE: &str = "CROSTATA_GAS_LOG";

/// Bytes that a chain holds back before it writes them.
const HELD_BYTES_MAX: usize = 1 << 20;

/// The log of one chain.
#[derive(Debug)]
pub struct ChainLog {
    file: PathBuf,
    test: String,
    labels: BTreeMap<ContractId, String>,
    held: String,
    /// What hands on the calls of accounts, which no contract's author pays for.
    accounts: CodeHash,
}

/// A call that was logged.
#[derive(Debug)]
pub struct LoggedCall {
    /// The test that made it.
    pub test: String,
    /// Its frames: who, and what they spent.
    pub trace: CallTrace,
    /// What contracts are called.
    pub labels: BTreeMap<ContractId, String>,
}

impl ChainLog {
    /// The log of a chain of a test, if one is wanted.
    pub fn start(test: Option<String>) -> Option<Self> {
        Some(Self {
            file: std::env::var_os(LOG_VARIABLE)?.into(),
            test: test.unwrap_or_else(|| "test".into()),
            labels: BTreeMap::new(),
            held: String::new(),
            accounts: Account::code_hash(),
        })
    }

    /// A contract is called so from here on.
    pub fn label(&mut self, contract: ContractId, name: String) {
        self.labels.insert(contract, name);
    }

    /// A call happened.
    pub fn add(&mut self, trace: &CallTrace) {
        let frames = trace.frames.iter();
        let frames = frames.filter(|frame| frame.code != Some(self.accounts));
        let frames: Vec<Value> = frames
            .map(|frame| {
                json!({
                    "contract": frame.contract.to_string(),
                    "label": self.labels.get(&frame.contract),
                    "function": frame.function,
                    "gas_spent": frame.gas_spent,
                    "instructions": frame.gas.instructions,
                    "host": frame.gas.host,
                    "memory": frame.gas.memory,
                    "calls": frame.gas.calls,
                    "failed": frame.result.is_err(),
                })
            })
            .collect();
        if frames.is_empty() {
            return;
        }
        let line = json!({"test": self.test, "frames": frames});
        self.held.push_str(&line.to_string());
        self.held.push('\n');
        if self.held.len() > HELD_BYTES_MAX {
            self.write();
        }
    }

    /// Other chains and processes write to the same file: whole lines, at once.
    fn write(&mut self) {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&self.file);
        let written = file.and_then(|mut file| file.write_all(self.held.as_bytes()));
        if let Err(error) = written {
            eprintln!(
                "what calls spent can not be written to {}: {error}",
                self.file.display()
            );
        }
        self.held.clear();
    }
}

impl Drop for ChainLog {
    fn drop(&mut self) {
        if !self.held.is_empty() {
            self.write();
        }
    }
}

/// The calls of a log, in order; lines that are none are passed over.
pub fn read(path: &Path) -> std::io::Result<Vec<LoggedCall>> {
    let text = std::fs::read_to_string(path)?;
    Ok(text.lines().filter_map(logged).collect())
}

fn logged(line: &str) -> Option<LoggedCall> {
    let value: Value = serde_json::from_str(line).ok()?;
    let mut call = LoggedCall {
        test: value["test"].as_str()?.to_owned(),
        trace: CallTrace::default(),
        labels: BTreeMap::new(),
    };
    for frame in value["frames"].as_array()? {
        let contract =
            ContractId::from_bytes(hex::hash(frame["contract"].as_str()?, "an id").ok()?);
        if let Some(label) = frame["label"].as_str() {
            call.labels.insert(contract, label.to_owned());
        }
        call.trace.frames.push(traced(contract, frame)?);
    }
    Some(call)
}

fn traced(contract: ContractId, frame: &Value) -> Option<TracedFrame> {
    let function = frame["function"].as_str()?.to_owned();
    let gas_spent = frame["gas_spent"].as_u64()?;
    let failure = Failure {
        code: Outcome::Panic,
        contract,
        function: function.clone(),
        message: Vec::new(),
        backtrace: Vec::new(),
        positions: Vec::new(),
    };
    Some(TracedFrame {
        contract,
        code: None,
        function,
        depth: 0,
        caller: None,
        argument: TracedBytes::default(),
        result: match frame["failed"].as_bool()? {
            true => Err(failure),
            false => Ok(TracedBytes::default()),
        },
        gas_limit: gas_spent,
        gas_spent,
        gas: GasSplit {
            instructions: frame["instructions"].as_u64()?,
            host: frame["host"].as_u64()?,
            memory: frame["memory"].as_u64()?,
            calls: frame["calls"].as_u64()?,
        },
        reverted: false,
        pages_read: TracedPages::default(),
        pages_written: TracedPages::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An author sees what contracts spend, and not the machinery by which a test calls as an account.
    #[test]
    fn frames_of_accounts_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log");
        let frame = |function: &str| {
            let cost = json!({"instructions": 1, "host": 0, "memory": 0, "calls": 0});
            let mut frame = cost;
            frame["function"] = json!(function);
            frame["gas_spent"] = json!(1);
            frame["failed"] = json!(false);
            traced(ContractId::from_bytes([1; 32]), &frame).unwrap()
        };
        let mut log = ChainLog {
            file: file.clone(),
            test: "test".into(),
            labels: BTreeMap::new(),
            held: String::new(),
            accounts: Account::code_hash(),
        };
        let mut proxy = frame("act");
        proxy.code = Some(Account::code_hash());
        let frames = vec![proxy.clone(), frame("transfer")];
        for frames in [frames, vec![proxy]] {
            log.add(&CallTrace {
                frames,
                ..CallTrace::default()
            });
        }
        drop(log);
        let calls = read(&file).unwrap();
        assert_eq!(calls.len(), 1);
        assert_eq!(calls[0].trace.frames.len(), 1);
        assert_eq!(calls[0].trace.frames[0].function, "transfer");
    }
}
