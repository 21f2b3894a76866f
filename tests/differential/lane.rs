//! Runs cases on the VM with one backend, and tells all that consensus holds of them.

use crostata::{
    Backend, CallReceipt, Config, ContractData, ContractId, Error, Event, Outcome, PageAccesses,
    PageIndex, PricedQuery, ReceiptDigest, Root, Session, SessionData, VM,
};
use crostata_proof::hash;

use super::case::{CONTRACTS, Call, Case};
use crate::proofs::shown_page;

/// One of the things that backends must agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The result, or the code of the failure, with contract and function.
    pub ended: Result<Vec<u8>, (Outcome, ContractId, String)>,
    pub gas: u64,
    pub events: Vec<Event>,
    pub reverted_events: Vec<Event>,
    pub accesses: Vec<PageAccesses>,
    pub frames: Vec<Frame>,
    pub digest: Option<ReceiptDigest>,
    pub root: Root,
}

/// A frame of a call tree: contract, function, depth, limit, gas, code of the failure, whether it was undone.
type Frame = (ContractId, String, usize, u64, u64, Option<Outcome>, bool);

/// What a lane tells of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// The code broke a rule.
    Rejected(String),
    /// The calls.
    Ran(Ran),
}

/// A memory: its length, and its pages that are not zeros.
pub type Memory = (u64, Vec<(u32, Vec<u8>)>);

/// What calls did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Each call, tries that were undone before it included.
    pub seen: Vec<Seen>,
    /// Which of `seen` are the calls.
    pub calls: Vec<usize>,
    /// The first contract's memory at the end.
    pub memory: Memory,
}

/// A VM with one backend, which runs any number of cases.
pub struct Lane {
    vm: VM,
    profiled: bool,
}

impl Lane {
    /// A VM of its own, under the default protocol or another.
    pub fn new(config: Config) -> Self {
        let mut vm = VM::ephemeral_with_config(config).unwrap();
        let reverse = |argument: &[u8]| Ok(argument.iter().rev().copied().collect());
        vm.register_host_query("reverse", PricedQuery::new(500, reverse));
        Self {
            vm,
            profiled: false,
        }
    }

    /// The same with profiled sessions, whose profiles are held against the receipts.
    pub fn profiled(self) -> Self {
        Self {
            profiled: true,
            ..self
        }
    }

    /// With this backend.
    pub fn of(backend: Backend) -> Self {
        Self::new(Config {
            backend,
            ..Config::default()
        })
    }

    /// Runs a case in a session of its own; the host's failures are told as text.
    pub fn run(&self, case: &Case) -> Result<Told, String> {
        let told = self.run_in_session(case);
        self.vm.remove_module(&hash::code_hash(&case.wasm));
        match told {
            Err(Error::Rejected(rejected)) => Ok(Told::Rejected(format!("{rejected:?}"))),
            Err(error) => Err(format!("{error:?}")),
            Ok(ran) => Ok(Told::Ran(ran)),
        }
    }

    fn run_in_session(&self, case: &Case) -> Result<Ran, Error> {
        let data = SessionData::builder().insert("height", &8_849u64).unwrap();
        let data = if self.profiled { data.profiled() } else { data };
        let mut session = self.vm.session(data).unwrap();
        for contract in CONTRACTS {
            let data = ContractData::builder().contract_id(contract).owner([7; 9]);
            session.deploy(&case.wasm, data, 0)?;
        }
        let (mut seen, mut calls) = (Vec::new(), Vec::new());
        for call in &case.calls {
            if call.probed {
                probe(&mut session, call, &mut seen)?;
            }
            calls.push(seen.len());
            seen.push(make(&mut session, call, call.gas)?);
        }
        let memory = memory(&mut session, CONTRACTS[0])?;
        Ok(Ran {
            seen,
            calls,
            memory,
        })
    }
}

/// Tries a call with limits around what it spends, and undoes each.
fn probe(session: &mut Session, call: &Call, seen: &mut Vec<Seen>) -> Result<(), Error> {
    let mut tried = |gas| -> Result<u64, Error> {
        let before = session.savepoint()?;
        let made = make(session, call, gas)?;
        session.rollback(before)?;
        seen.push(made);
        Ok(seen[seen.len() - 1].gas)
    };
    let spent = tried(call.gas)?;
    let below = spent / 256
        * (call
            .argument
            .iter()
            .fold(spent, |sum, byte| sum + u64::from(*byte))
            % 256);
    for gas in [spent + 1, spent, spent.saturating_sub(1), below] {
        tried(gas)?;
    }
    Ok(())
}

fn make(session: &mut Session, call: &Call, gas: u64) -> Result<Seen, Error> {
    let contract = CONTRACTS[call.contract];
    let called = session.call_raw(contract, &call.function, &call.argument, gas);
    let accesses = session.page_accesses();
    let root = session.root()?;
    let spent = match &called {
        Ok(receipt) => Some(receipt.gas_spent),
        Err(Error::Reverted(reverted)) => Some(reverted.receipt.gas_spent),
        Err(_) => None,
    };
    if let (Some(profile), Some(spent)) = (session.take_profile(), spent) {
        assert_eq!((profile.gas_spent, profile.total_gas()), (spent, spent));
    }
    match called {
        Ok(receipt) => Ok(seen(Ok(receipt.data.clone()), &receipt, accesses, root)),
        Err(Error::Reverted(reverted)) => {
            let failure = &reverted.failure;
            let ended = (failure.code, failure.contract, failure.function.clone());
            Ok(seen(Err(ended), &reverted.receipt, accesses, root))
        }
        Err(error) => Err(error),
    }
}

fn seen<T>(
    ended: Result<Vec<u8>, (Outcome, ContractId, String)>,
    receipt: &CallReceipt<T>,
    accesses: Vec<PageAccesses>,
    root: Root,
) -> Seen {
    let frame = |frame: &crostata::CallTreeElem| {
        let failed = frame.failure.as_ref().map(|failure| failure.code);
        let (contract, function) = (frame.contract_id, frame.function.clone());
        let (depth, limit, spent) = (frame.depth, frame.gas_limit, frame.gas_spent);
        (
            contract,
            function,
            depth,
            limit,
            spent,
            failed,
            frame.reverted,
        )
    };
    Seen {
        ended,
        gas: receipt.gas_spent,
        events: receipt.events.clone(),
        reverted_events: receipt.reverted_events.clone(),
        accesses,
        frames: receipt.call_tree.iter().map(frame).collect(),
        digest: Some(receipt.digest),
        root,
    }
}

/// A contract's memory, each page proven.
fn memory(session: &mut Session, contract: ContractId) -> Result<Memory, Error> {
    let root = session.root()?;
    let len = session.memory_len(&contract)?.unwrap_or(0);
    let pages = session.memory_pages(contract)?;
    let bytes = |(index, opening): (PageIndex, crostata::StateProof)| {
        let proven = shown_page(&opening, &root, &contract, index).unwrap();
        (index.0, proven.to_vec())
    };
    Ok((len, pages.map(bytes).collect()))
}

impl Told {
    /// Where this first differs from what another lane told, in words.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let (left, right) = match (self, other) {
            (Self::Ran(left), Self::Ran(right)) => (left, right),
            _ if self == other => return None,
            _ => return Some(format!("verdict: {self:?} and {other:?}")),
        };
        let mut pairs = left.seen.iter().zip(&right.seen).enumerate();
        let differing = pairs.find_map(|(at, (left, right))| {
            let what = left.difference(right)?;
            Some(format!("run {at}, {what}"))
        });
        let at_the_end = || (left != right).then(|| "memory or number of runs".to_owned());
        differing.or_else(at_the_end)
    }
}

impl Seen {
    fn difference(&self, other: &Self) -> Option<String> {
        macro_rules! compare {
            ($($field:ident)*) => {
                $(if self.$field != other.$field {
                    let (left, right) = (&self.$field, &other.$field);
                    return Some(format!("{}: {left:?} and {right:?}", stringify!($field)));
                })*
            };
        }
        compare!(ended gas events reverted_events frames accesses digest root);
        None
    }
}
