//! What is said over HTTP, as JSON: hashes and bytes are hexadecimal digits, amounts are numbers.

use std::fmt::Write as _;

use crostata::{
    CallReceipt, CallTree, Event, Outcome as CallOutcome, TransactionOutcome, TransactionReceipt,
};
use crostata_chain::FinalBlock;
use crostata_machine::{AccountState, Block, Outcome, Receipt};
use serde::{Deserialize, Serialize};

use crate::hex::{Hex, Hex32};
use crate::recent::Placed;

/// What a node says of itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    /// The release of the node.
    pub version: String,
    /// The chain's name.
    pub name: String,
    /// The chain's id, which signatures are for.
    pub chain: Hex32,
    /// Its public key.
    pub public_key: Hex32,
    /// The account that gets its fees.
    pub account: Hex32,
    /// Whether it votes.
    pub validator: bool,
    /// How many vote.
    pub validators: usize,
    /// The height of the block that is final.
    pub height: u64,
    /// That block.
    pub block: Hex32,
    /// The root of the state behind it.
    pub state_root: Hex32,
    /// Transactions that wait.
    pub waiting: usize,
    /// What its operator must know.
    pub alarms: Vec<String>,
}

/// What a block says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockAnswer {
    /// Its height.
    pub height: u64,
    /// Its digest: the tag of its commit.
    pub digest: Hex32,
    /// The block before it.
    pub parent: Hex32,
    /// Milliseconds of Unix time.
    pub time_ms: u64,
    /// Who proposed it.
    pub proposer: Hex32,
    /// The root of the state behind it.
    pub state_root: Hex32,
    /// The root of the tree of its receipts.
    pub receipts_root: Hex32,
    /// Its transactions.
    pub transactions: Vec<Hex32>,
    /// The gas that they spent, if this node knows.
    pub gas_spent: Option<u64>,
    /// Its header, whose digest is the block's.
    pub header: Hex,
}

impl BlockAnswer {
    /// What is said of a block.
    pub fn new(block: &Block, gas_spent: Option<u64>) -> Self {
        let header = block.header();
        let transactions = block.transactions().iter();
        Self {
            height: header.height,
            digest: Hex32(block.digest().to_bytes()),
            parent: Hex32(header.parent.to_bytes()),
            time_ms: header.time_ms,
            proposer: Hex32(header.proposer.to_bytes()),
            state_root: Hex32(header.state_root.to_bytes()),
            receipts_root: Hex32(header.receipts_root.to_bytes()),
            transactions: transactions
                .map(|one| Hex32(one.digest().to_bytes()))
                .collect(),
            gas_spent,
            header: Hex(header.encode()),
        }
    }

    /// What is said of a block whose receipts may be known.
    pub fn of_final(known: &FinalBlock) -> Self {
        let complete = known.receipts.len() == known.block.transactions().len();
        let gas = known.receipts.iter().map(|receipt| receipt.gas_spent);
        Self::new(&known.block, complete.then(|| gas.sum()))
    }
}

/// That a transaction waits now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submitted {
    /// What names it.
    pub transaction: Hex32,
}

/// What became of one of several transactions: it waits, or was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Taken {
    /// It waits.
    Transaction(Hex32),
    /// It was refused.
    Error(Problem),
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// For programs: one word for each kind.
    pub code: String,
    /// For people.
    pub message: String,
}

/// Where a transaction is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum TransactionAnswer {
    /// It waits for a block.
    Waiting,
    /// It is in a final block.
    Final(Box<FinalAnswer>),
}

/// A transaction in a final block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinalAnswer {
    /// The height of the block.
    pub height: u64,
    /// The block.
    pub block: Hex32,
    /// How many transactions are before it.
    pub index: usize,
    /// The root that the opening leads to.
    pub receipts_root: Hex32,
    /// What became of it. None if this node did not execute it, since it joined later, or has no room for it any more: ask another.
    pub receipt: Option<ReceiptAnswer>,
}

/// What became of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptAnswer {
    /// Who signed it.
    pub sender: Hex32,
    /// Whether it happened.
    pub success: bool,
    /// What it gave.
    pub data: Hex,
    /// Why it did not happen.
    pub reason: Option<String>,
    /// What was emitted.
    pub events: Vec<EventAnswer>,
    /// The gas that it spent, everything included.
    pub gas_spent: u64,
    /// What the sender paid.
    pub fee: u64,
    /// Its calls, indented.
    pub calls: Option<String>,
    /// That it is in the tree of receipts: `crostata_proof::ReceiptOpening`.
    pub opening: Option<Hex>,
    /// What the digest in that tree is of, besides the events. None where the VM ran nothing, and of deployments that failed.
    pub vm: Option<VmReceiptAnswer>,
}

/// What the VM did for a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmReceiptAnswer {
    /// What was deployed, if something was.
    pub deployed: Option<DeployedAnswer>,
    /// What ran: the call, or the `init` of what was deployed, if it has one.
    pub ran: Option<RanAnswer>,
}

/// A contract that was deployed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeployedAnswer {
    /// Its id.
    pub contract: Hex32,
    /// The gas that its code cost.
    pub code_gas: u64,
}

/// A call as the VM made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RanAnswer {
    /// How it ended: 0 for success, else the code of a `crostata_proof::receipt::Outcome`.
    pub code: u32,
    /// The gas that it spent.
    pub gas_spent: u64,
    /// The most that it could spend.
    pub limit_gas: u64,
    /// What it gave. Nothing where it failed.
    pub result: Hex,
}

/// Something that was emitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventAnswer {
    /// By which contract.
    pub source: Hex32,
    /// What about.
    pub topic: String,
    /// Its bytes.
    pub data: Hex,
}

impl From<&Event> for EventAnswer {
    fn from(event: &Event) -> Self {
        Self {
            source: Hex32(event.source.to_bytes()),
            topic: event.topic.clone(),
            data: Hex(event.data.clone()),
        }
    }
}

impl From<&Receipt> for ReceiptAnswer {
    fn from(receipt: &Receipt) -> Self {
        let (success, data, reason, events) = match &receipt.outcome {
            Outcome::Success { data, events } => (true, data.clone(), None, events.as_slice()),
            Outcome::Failed { reason } => (false, Vec::new(), Some(reason.clone()), &[][..]),
        };
        let opening = receipt.opening.as_ref();
        Self {
            sender: Hex32(receipt.sender.to_bytes()),
            success,
            data: Hex(data),
            reason,
            events: events.iter().map(EventAnswer::from).collect(),
            gas_spent: receipt.gas_spent,
            fee: receipt.fee,
            calls: calls(receipt),
            opening: opening.map(|opening| Hex(opening.encode())),
            vm: vm(receipt),
        }
    }
}

/// What the digest of a receipt is of.
fn vm(receipt: &Receipt) -> Option<VmReceiptAnswer> {
    let executed = receipt.executed.as_ref()?;
    match &executed.outcome {
        TransactionOutcome::Success(TransactionReceipt::Call(call)) => Some(VmReceiptAnswer {
            deployed: None,
            ran: Some(succeeded(call)),
        }),
        TransactionOutcome::Success(TransactionReceipt::Deploy(deploy)) => Some(VmReceiptAnswer {
            deployed: Some(DeployedAnswer {
                contract: Hex32(deploy.contract_id.to_bytes()),
                code_gas: deploy.code_gas,
            }),
            ran: deploy.init.as_ref().map(succeeded),
        }),
        // Of a deployment the code was paid for besides; which contract it would have been is not in the receipt.
        TransactionOutcome::Reverted(reverted)
            if reverted.receipt.gas_spent == executed.gas_spent =>
        {
            let ran = RanAnswer {
                code: reverted.failure.code.code(),
                gas_spent: reverted.receipt.gas_spent,
                limit_gas: reverted.receipt.gas_limit,
                result: Hex::default(),
            };
            Some(VmReceiptAnswer {
                deployed: None,
                ran: Some(ran),
            })
        }
        TransactionOutcome::Reverted(_) | TransactionOutcome::Rejected(_) => None,
    }
}

fn succeeded(call: &CallReceipt<Vec<u8>>) -> RanAnswer {
    RanAnswer {
        code: CallOutcome::Success.code(),
        gas_spent: call.gas_spent,
        limit_gas: call.gas_limit,
        result: Hex(call.data.clone()),
    }
}

fn calls(receipt: &Receipt) -> Option<String> {
    let executed = receipt.executed.as_ref()?;
    let tree = match &executed.outcome {
        TransactionOutcome::Success(TransactionReceipt::Call(call)) => &call.call_tree,
        TransactionOutcome::Reverted(reverted) => &reverted.receipt.call_tree,
        _ => return None,
    };
    Some(told(tree))
}

fn told(tree: &CallTree) -> String {
    let mut text = String::new();
    for frame in tree {
        let (depth, contract) = (frame.depth * 2, frame.contract_id.to_string());
        let contract = contract.get(..8).unwrap_or_default();
        let end = if frame.reverted { ", undone" } else { "" };
        // Writing to a string can not fail.
        let _ = writeln!(
            text,
            "{:depth$}{contract} {} {} gas{end}",
            "", frame.function, frame.gas_spent
        );
    }
    text
}

impl From<&Placed> for FinalAnswer {
    fn from(placed: &Placed) -> Self {
        let header = placed.block.block.header();
        Self {
            height: header.height,
            block: Hex32(placed.block.block.digest().to_bytes()),
            index: placed.index,
            receipts_root: Hex32(header.receipts_root.to_bytes()),
            receipt: placed.receipt().map(ReceiptAnswer::from),
        }
    }
}

/// What the final state says of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountAnswer {
    /// Its tokens.
    pub balance: u64,
    /// The nonce of its next transaction in a block.
    pub nonce: u64,
    /// The nonce to sign with next, behind what waits here.
    pub next_nonce: u64,
}

impl AccountAnswer {
    /// What the state says, and how far what waits goes.
    pub fn new(state: AccountState, next_nonce: u64) -> Self {
        Self {
            balance: state.balance,
            nonce: state.nonce,
            next_nonce,
        }
    }
}

/// A call that changes nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueryRequest {
    /// The contract.
    pub contract: Hex32,
    /// The function.
    pub function: String,
    /// The argument's bytes.
    #[serde(default)]
    pub argument: Hex,
    /// The most gas that it may spend; as much as the node allows if it does not say.
    #[serde(default)]
    pub limit_gas: Option<u64>,
}

/// What a query gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryAnswer {
    /// The final block that it was asked of.
    pub block: Hex32,
    /// The root of the state behind it.
    pub state_root: Hex32,
    /// The result's bytes.
    pub data: Hex,
    /// The gas that it spent.
    pub gas_spent: u64,
    /// What it emitted.
    pub events: Vec<EventAnswer>,
}

/// What is to be proven: a named value of a contract, or what one of its maps has under a key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofRequest {
    /// The contract.
    pub contract: Hex32,
    /// The value's or the map's name.
    pub name: String,
    /// The key, where it is a map: 64 hexadecimal digits for 32 bytes.
    pub key: Option<Hex32>,
}

/// A proof for `crostata_proof::ValueProof`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofAnswer {
    /// The height of the final block.
    pub height: u64,
    /// The final block.
    pub block: Hex32,
    /// The root that the proof leads to.
    pub state_root: Hex32,
    /// The proof.
    pub proof: Hex,
}

/// That a block is final.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateAnswer {
    /// The block's height.
    pub height: u64,
    /// The proof: `crostata_chain::FinalityProof`.
    pub proof: Hex,
}
