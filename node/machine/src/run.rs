//! Running a signed transaction in a block of the VM: its fee before and behind it, and what it came to.
//!
//! A signed transaction is up to three of the VM: the bank *charges* the sender the most that the fee can be and uses up the nonce; what was signed
//! is done, wholly or not at all; the bank *settles*, and what was not spent goes back. The tag of the middle one is the transaction's digest.
//! A transaction that fails pays. One that can not be charged can not be in the block at all.

use std::sync::Arc;

use crostata::{
    Block, ContractData, ContractId, Encode, Event, Executed, ReceiptOpening, TransactionOutcome,
    TransactionReceipt,
};

use crate::account::Account;
use crate::digest::TransactionDigest;
use crate::error::{Fatal, Invalid};
use crate::machine::Context;
use crate::rules::Rules;
use crate::transaction::{Action, SignatureError, Transaction};

/// The contract that keeps accounts, nonces and fees.
pub const BANK: ContractId =
    ContractId::from_bytes(*b"crostata bank\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");

/// The code of the bank, built from `contracts/bank`.
pub const BANK_CODE: &[u8] = include_bytes!("../../../contracts/artifacts/bank.wasm");

/// Why a transaction can not be in a block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The signature does not hold.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// It offers less for a unit of gas than the chain asks for.
    #[error("it offers {offered} for a unit of gas, and the chain asks for {least}")]
    Underpaid {
        /// What it offers.
        offered: u64,
        /// The least.
        least: u64,
    },
    /// Its limit is less than it spends before it does anything.
    #[error(
        "its limit of {limit_gas} gas is below the {needs_gas} that it spends before it does anything"
    )]
    TooLittleGas {
        /// The limit.
        limit_gas: u64,
        /// What it needs at least.
        needs_gas: u64,
    },
    /// The fee can be more than all tokens there are.
    #[error("limit and price of its gas are more than all tokens there are")]
    Price,
    /// The block has not enough gas for it.
    #[error("it may spend {needs_gas} gas, and the block has {left_gas} left")]
    Full {
        /// What it may spend, and the chain around it.
        needs_gas: u64,
        /// What is left.
        left_gas: u64,
    },
    /// The block has not enough room for it.
    #[error("the block has no room for it")]
    Room,
    /// The bank refuses to charge the sender: the nonce is not the next one, or the balance too small.
    #[error("the sender can not be charged: {0}")]
    Charge(String),
}

/// Why a transaction did not run.
pub enum NotRun {
    Unfit(Unfit),
    /// What the chain does itself fails: the block can not be.
    System(Invalid),
    Fatal(Fatal),
}

impl From<crostata::Fatal> for NotRun {
    fn from(fatal: crostata::Fatal) -> Self {
        Self::Fatal(Fatal::new("a block's result is unknown", fatal))
    }
}

impl From<Unfit> for NotRun {
    fn from(unfit: Unfit) -> Self {
        Self::Unfit(unfit)
    }
}

/// What became of a transaction in a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It happened, and gave these bytes.
    Success {
        /// The result of the call; of a deployment the id of the contract.
        data: Vec<u8>,
        /// What was emitted.
        events: Vec<Event>,
    },
    /// It failed, and changed nothing but nonce and balance of the sender.
    Failed {
        /// Why.
        reason: String,
    },
}

/// What a block says of one of its transactions.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// The transaction.
    pub transaction: TransactionDigest,
    /// Who signed it.
    pub sender: Account,
    /// The gas that it spent, everything included.
    pub gas_spent: u64,
    /// What the sender paid for it.
    pub fee: u64,
    /// What became of it.
    pub outcome: Outcome,
    /// What the VM says of it: its place in the tree of receipts, its calls. None where its gas did not even pay for its code.
    pub executed: Option<Arc<Executed>>,
    /// That what the VM says is in the block's tree of receipts. There once the block is final.
    pub opening: Option<ReceiptOpening>,
}

/// Whether a transaction keeps the rules that can be looked at without a state. The signature is not looked at.
pub fn price(transaction: &Transaction, rules: &Rules) -> Result<u64, Unfit> {
    let draft = transaction.draft();
    if draft.gas_price < rules.gas_price_min {
        return Err(Unfit::Underpaid {
            offered: draft.gas_price,
            least: rules.gas_price_min,
        });
    }
    let needs_gas = rules.intrinsic_gas(transaction.bytes().len());
    if draft.limit_gas < needs_gas {
        return Err(Unfit::TooLittleGas {
            limit_gas: draft.limit_gas,
            needs_gas,
        });
    }
    let fee = draft.limit_gas.checked_mul(draft.gas_price);
    fee.ok_or(Unfit::Price)
}

/// A block of the VM in which signed transactions run.
pub struct Run<'a> {
    pub block: Block,
    pub rules: &'a Rules,
    pub collector: Account,
    pub receipts: Vec<Receipt>,
}

impl<'a> Run<'a> {
    /// Begins the block.
    pub fn begin(block: Block, rules: &'a Rules, context: &Context) -> Result<Self, NotRun> {
        let mut run = Self {
            block,
            rules,
            collector: context.proposer,
            receipts: Vec::new(),
        };
        run.system("begin", &(context.height, context.time_ms))?;
        Ok(run)
    }

    /// Runs a transaction. After an error that says it is unfit the block is as before.
    pub fn transaction(&mut self, transaction: &Transaction) -> Result<(), NotRun> {
        let held = price(transaction, self.rules)?;
        let action = self.action(transaction)?;
        self.require_gas(transaction)?;
        self.charge(transaction, held)?;
        let executed = match action {
            Some(action) => Some(self.block.execute(&action)?),
            None => None,
        };
        let outcome = executed
            .as_deref()
            .map_or_else(too_little_for_code, outcome);
        let spent = executed.as_ref().map_or(0, |executed| executed.gas_spent);
        let intrinsic = self.rules.intrinsic_gas(transaction.bytes().len());
        let gas_spent = intrinsic.saturating_add(spent);
        // INVARIANT: what is spent is not above the limit, whose product with the price fits.
        let fee = gas_spent.saturating_mul(transaction.draft().gas_price);
        let sender = transaction.sender();
        let settled = (sender.to_bytes(), self.collector.to_bytes(), fee.min(held));
        self.system("settle", &settled)?;
        self.receipts.push(Receipt {
            transaction: transaction.digest(),
            sender,
            gas_spent,
            fee,
            outcome,
            executed,
            opening: None,
        });
        Ok(())
    }

    /// The VM's transaction, with what is left of the gas; none if that does not even pay for deployed code.
    fn action(&self, signed: &Transaction) -> Result<Option<crostata::Transaction>, NotRun> {
        let draft = signed.draft();
        let intrinsic = self.rules.intrinsic_gas(signed.bytes().len());
        let limit = draft.limit_gas.saturating_sub(intrinsic);
        let sender = signed.sender().to_bytes();
        let mut transaction = unlimited(&draft.action, &sender, draft.nonce);
        let code_gas = self.block.code_gas(&transaction);
        let Some(limit) = limit.checked_sub(code_gas) else {
            return Ok(None);
        };
        transaction.limit_gas = limit;
        let transaction = transaction.tagged(signed.digest().to_bytes());
        let named = transaction.with_datum("sender", &sender);
        named.map(Some).map_err(|error| system("sender", &error))
    }

    fn require_gas(&self, transaction: &Transaction) -> Result<(), Unfit> {
        let around = self.rules.system_gas.saturating_mul(2);
        let needs_gas = transaction.draft().limit_gas.saturating_add(around);
        let left_gas = self.block.gas_left();
        match needs_gas <= left_gas {
            true => Ok(()),
            false => Err(Unfit::Full {
                needs_gas,
                left_gas,
            }),
        }
    }

    fn charge(&mut self, transaction: &Transaction, held: u64) -> Result<(), NotRun> {
        let argument = (
            transaction.sender().to_bytes(),
            transaction.draft().nonce,
            held,
        );
        let executed = self.block.execute(&self.call("charge", &argument)?)?;
        let reason = match &executed.outcome {
            TransactionOutcome::Success(_) => return Ok(()),
            TransactionOutcome::Reverted(reverted) => reverted.failure.to_string(),
            TransactionOutcome::Rejected(rejected) => rejected.to_string(),
        };
        if executed.included.is_some() {
            let undone = self.block.undo_last();
            undone.map_err(|error| NotRun::Fatal(Fatal::new("a charge is not undone", error)))?;
        }
        Err(Unfit::Charge(reason).into())
    }

    fn call<A: Encode>(
        &self,
        function: &str,
        argument: &A,
    ) -> Result<crostata::Transaction, NotRun> {
        let limit = self.rules.system_gas;
        let call = crostata::Transaction::call(BANK, function, argument, limit);
        call.map_err(|error| system(function, &error))
    }

    /// Does what the chain does itself, which must not fail.
    fn system<A: Encode>(&mut self, function: &str, argument: &A) -> Result<(), NotRun> {
        let executed = self.block.execute(&self.call(function, argument)?)?;
        match &executed.outcome {
            TransactionOutcome::Success(_) => Ok(()),
            TransactionOutcome::Reverted(reverted) => Err(system(function, &reverted.failure)),
            TransactionOutcome::Rejected(rejected) => Err(system(function, rejected)),
        }
    }
}

fn system(function: &str, reason: &dyn std::fmt::Display) -> NotRun {
    NotRun::System(Invalid::System(format!("{function}: {reason}")))
}

fn unlimited(action: &Action, sender: &[u8; 32], nonce: u64) -> crostata::Transaction {
    match action {
        Action::Call {
            contract,
            function,
            argument,
        } => crostata::Transaction::call_raw(*contract, function.clone(), argument.clone(), 0),
        Action::Deploy { code, argument } => {
            let data = ContractData::builder().owner(*sender).nonce(nonce);
            let data = match argument {
                Some(argument) => data.init_arg_raw(argument.clone()),
                None => data,
            };
            crostata::Transaction::deploy(Arc::clone(code), data, 0)
        }
    }
}

fn too_little_for_code() -> Outcome {
    Outcome::Failed {
        reason: "the gas limit does not pay for the code".to_owned(),
    }
}

fn outcome(executed: &Executed) -> Outcome {
    match &executed.outcome {
        TransactionOutcome::Success(receipt) => Outcome::Success {
            data: match receipt {
                TransactionReceipt::Call(call) => call.data.clone(),
                TransactionReceipt::Deploy(deploy) => deploy.contract_id.to_bytes().to_vec(),
            },
            events: executed.events().to_vec(),
        },
        TransactionOutcome::Reverted(reverted) => Outcome::Failed {
            reason: reverted.failure.to_string(),
        },
        TransactionOutcome::Rejected(rejected) => Outcome::Failed {
            reason: rejected.to_string(),
        },
    }
}
