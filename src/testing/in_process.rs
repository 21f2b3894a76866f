//! The machine in the test's own process: a session of a VM in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crostata_abi::{ContractId, PAGE_BYTES, PageIndex};
use crostata_proof::ReceiptDigest;
use crostata_testing::machine::{
    Answers, Base, Call, ContractFacts, Deployment, Machine, MachineError, Price, Request, Response,
};
use crostata_testing::{CAPSULES, capsules};

use super::answer::{called, without_receipt};
use super::open;
use super::traces::Traces;
use crate::engine::{HostQuery, QueryContext, QueryError};
use crate::inspect::Level;
use crate::session::{CallTrace, ContractData, Error, Savepoint, Session};
use crate::state::Contents;
use crate::vm::VM;

/// Debug messages that are kept until somebody takes them.
const MESSAGES_MAX: usize = 10_000;

/// A [`Machine`] in the test's own process. What it starts from is read, and nothing is ever written outside of memory.
pub struct InProcess {
    session: Session,
    _vm: VM,
    answers: Arc<dyn Answers>,
    savepoints: BTreeMap<u64, Savepoint>,
    savepoints_taken: u64,
    calls: u64,
    traces: Traces,
    /// Of calls and deployments, if the session is recorded.
    digests: Option<Vec<Option<ReceiptDigest>>>,
    messages: Messages,
}

type Messages = Arc<Mutex<Vec<([u8; 32], String)>>>;

impl Machine for InProcess {
    fn start(base: &Base, answers: Arc<dyn Answers>) -> Result<Self, MachineError> {
        let recorded = capsules().is_some();
        let (vm, mut session) = open::open(base, recorded)?;
        session.watch();
        let messages = Messages::default();
        let kept = messages.clone();
        session.set_debug_sink(move |contract: ContractId, text: &str| {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() < MESSAGES_MAX {
                kept.push((contract.to_bytes(), text.to_owned()));
            }
        });
        Ok(Self {
            session,
            _vm: vm,
            answers,
            savepoints: BTreeMap::new(),
            savepoints_taken: 0,
            calls: 0,
            traces: Traces::default(),
            digests: recorded.then(Vec::new),
            messages,
        })
    }

    fn ask(&mut self, request: Request) -> Result<Response, MachineError> {
        match request {
            Request::Deploy(deployment) => Ok(self.deploy(deployment)),
            Request::Call(call) => Ok(self.call(&call)),
            Request::Savepoint => self.savepoint(),
            Request::Rollback { savepoint } => {
                let there = self.forget(savepoint)?;
                done("a rollback", self.session.rollback(there))
            }
            Request::Release { savepoint } => {
                let there = self.forget(savepoint)?;
                done("a release", self.session.release(there))
            }
            Request::SetDatum { name, value } => self.set_datum(name, value),
            Request::Datum { name } => Ok(Response::Bytes(self.session.meta(&name))),
            Request::Contract { contract } => self.contract(&contract),
            Request::Root => {
                let root = self.session.root();
                let root = root.map_err(|error| refused("the root", &error))?;
                Ok(Response::Bytes(Some(root.as_bytes().to_vec())))
            }
            Request::Page { contract, page } => self.page(&contract, page),
            Request::Label { contract, name } => {
                self.traces.labels.insert(contract, name);
                Ok(Response::Done)
            }
            Request::KnowCode { unstripped } => {
                self.traces.codes.push(unstripped);
                Ok(Response::Done)
            }
            Request::Watch(true) => {
                self.session.watch();
                Ok(Response::Done)
            }
            Request::Watch(false) => {
                self.session.unwatch();
                Ok(Response::Done)
            }
            Request::OfferQuery { name, price } => self.offer(name, price),
            Request::Trace { call, level } => self.trace(call, level),
            Request::Capsule => self.capsule(),
            Request::TakeMessages => {
                let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(Response::Messages(std::mem::take(&mut messages)))
            }
        }
    }
}

impl InProcess {
    /// The trace of a call or deployment, by the number in its answer, if it is kept.
    pub fn call_trace(&self, call: u64) -> Option<&CallTrace> {
        self.traces.of(call)
    }

    /// The number of the call that ended, whose trace is kept.
    fn number(&mut self) -> u64 {
        self.calls += 1;
        if let Some(trace) = self.session.take_trace() {
            self.traces.keep(self.calls, trace);
        }
        self.calls
    }

    fn trace(&mut self, call: u64, level: Option<u8>) -> Result<Response, MachineError> {
        let asked = "a trace".to_owned();
        let level = match level {
            None => Level::from_env(),
            Some(number) => number.to_string().parse(),
        };
        let level = level.map_err(|error| MachineError::Refused {
            asked,
            reason: error.to_string(),
        })?;
        Ok(Response::Text(self.traces.render(
            call,
            level,
            &mut self.session,
        )))
    }

    fn note(&mut self, digest: Option<ReceiptDigest>) {
        if let Some(digests) = &mut self.digests {
            digests.push(digest);
        }
    }

    fn capsule(&self) -> Result<Response, MachineError> {
        let none = |reason: String| MachineError::Refused {
            asked: "a capsule".to_owned(),
            reason,
        };
        let Some(digests) = &self.digests else {
            let reason = format!("the chain is not recorded: start it with {CAPSULES} set");
            return Err(none(reason));
        };
        let capsule = self.session.capsule(digests);
        let capsule = capsule.map_err(|error| none(error.to_string()))?;
        Ok(Response::Bytes(Some(capsule.encode())))
    }

    fn call(&mut self, call: &Call) -> Response {
        let outcome = self.session.call_raw(
            call.contract,
            &call.function,
            &call.argument,
            call.gas_limit,
        );
        self.note(match &outcome {
            Ok(receipt) => Some(receipt.digest),
            Err(error) => error.receipt_digest(),
        });
        Response::Called(called(self.number(), call.gas_limit, outcome))
    }

    fn deploy(&mut self, deployment: Deployment) -> Response {
        let Deployment {
            code,
            owner,
            init,
            contract,
            nonce,
            gas_limit,
        } = deployment;
        let data = ContractData::builder().owner(owner).nonce(nonce);
        let data = match init {
            Some(argument) => data.init_arg_raw(argument),
            None => data,
        };
        let data = match contract {
            Some(contract) => data.contract_id(contract),
            None => data,
        };
        let data = data.build();
        let wanted = data.id(&crostata_proof::hash::code_hash(&code));
        let outcome = self.session.deploy_with_receipt(&code, data, gas_limit);
        self.note(match &outcome {
            Ok(receipt) => receipt.init_digest(),
            Err(error) => error.receipt_digest(),
        });
        let number = self.number();
        let (code_gas, init) = match outcome {
            Ok(receipt) => {
                let nothing = || without_receipt(number, gas_limit, Ok(Vec::new()));
                let init = receipt.init.map(Ok);
                let init = init.map(|init| called(number, gas_limit, init));
                (receipt.code_gas, init.unwrap_or_else(nothing))
            }
            Err(error) => (0, called(number, gas_limit, Err(error))),
        };
        Response::Deployed {
            contract: wanted,
            code_gas,
            init,
        }
    }

    fn savepoint(&mut self) -> Result<Response, MachineError> {
        let savepoint = self.session.savepoint();
        let savepoint = savepoint.map_err(|error| refused("a savepoint", &error))?;
        self.savepoints_taken += 1;
        self.savepoints.insert(self.savepoints_taken, savepoint);
        Ok(Response::Savepoint(self.savepoints_taken))
    }

    /// The savepoint, which is gone from here on, as those taken after it.
    fn forget(&mut self, number: u64) -> Result<Savepoint, MachineError> {
        let Some(savepoint) = self.savepoints.remove(&number) else {
            return Err(MachineError::Refused {
                asked: format!("savepoint {number}"),
                reason: "it is gone: rolled back to, released, or taken after one that was"
                    .to_owned(),
            });
        };
        self.savepoints.split_off(&number);
        Ok(savepoint)
    }

    fn set_datum(
        &mut self,
        name: String,
        value: Option<Vec<u8>>,
    ) -> Result<Response, MachineError> {
        let before = match value {
            None => self.session.remove_meta(&name),
            Some(bytes) => {
                let set = self.session.set_meta_raw(name, bytes);
                set.map_err(|error| MachineError::Refused {
                    asked: "a datum of the block".to_owned(),
                    reason: error.to_string(),
                })?
            }
        };
        Ok(Response::Bytes(before))
    }

    fn contract(&self, contract: &ContractId) -> Result<Response, MachineError> {
        let metadata = self.session.contract_metadata(contract);
        let metadata = metadata.map_err(|error| refused("a contract", &error))?;
        Ok(Response::Contract(metadata.map(|metadata| ContractFacts {
            owner: metadata.owner,
            code_hash: *metadata.code_hash.as_bytes(),
            memory_bytes: metadata.memory_bytes,
        })))
    }

    fn page(&mut self, contract: &ContractId, page: u32) -> Result<Response, MachineError> {
        let failed = |error: Error| refused("a page", &error);
        let len_bytes = self.session.memory_len(contract).map_err(failed)?;
        let begin = u64::from(page) * PAGE_BYTES as u64;
        if len_bytes.is_none_or(|len_bytes| begin >= len_bytes) {
            return Ok(Response::Bytes(None));
        }
        let page = self.session.page(contract, PageIndex(page));
        Ok(Response::Bytes(Some(page.map_err(failed)?.to_vec())))
    }

    fn offer(&mut self, name: String, price: Price) -> Result<Response, MachineError> {
        let query = Asked {
            name: name.clone(),
            price,
            answers: self.answers.clone(),
        };
        done("a host query", self.session.offer_query(name, query))
    }
}

/// A host query that the test answers.
struct Asked {
    name: String,
    price: Price,
    answers: Arc<dyn Answers>,
}

impl HostQuery for Asked {
    fn price(&self, _: &QueryContext<'_>, argument: &[u8]) -> u64 {
        self.price.of(argument.len())
    }

    fn answer(&self, _: &QueryContext<'_>, argument: &[u8]) -> Result<Vec<u8>, QueryError> {
        let answer = self.answers.answer(&self.name, argument);
        answer.map_err(QueryError)
    }
}

fn done(asked: &str, outcome: Result<(), Error>) -> Result<Response, MachineError> {
    match outcome {
        Ok(()) => Ok(Response::Done),
        Err(error) => Err(refused(asked, &error)),
    }
}

fn refused(asked: &str, error: &Error) -> MachineError {
    MachineError::Refused {
        asked: asked.to_owned(),
        reason: error.to_string(),
    }
}
