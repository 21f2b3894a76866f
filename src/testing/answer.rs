//! Receipts and errors of a session, as the test's crate knows them.

use crostata_testing::machine::{CallAnswer, CallFailure, EmittedEvent, Frame, Reverted};

use crate::engine::Failure;
use crate::session::{CallReceipt, CallTreeElem, Error};
use crostata_abi::Event;

/// How a call went.
pub fn called(
    number: u64,
    gas_limit: u64,
    outcome: Result<CallReceipt<Vec<u8>>, Error>,
) -> CallAnswer {
    match outcome {
        Ok(receipt) => {
            let data = receipt.data.clone();
            answer(number, Ok(data), &receipt)
        }
        Err(Error::Reverted(failed)) => {
            let reverted = CallFailure::Reverted(reverted(&failed.failure));
            answer(number, Err(reverted), &failed.receipt)
        }
        Err(Error::Rejected(rejected)) => {
            let reason = rejected.to_string();
            without_receipt(number, gas_limit, Err(CallFailure::Rejected { reason }))
        }
        Err(other) => {
            let reason = other.to_string();
            without_receipt(number, gas_limit, Err(CallFailure::Fatal { reason }))
        }
    }
}

/// The answer of something that ran nothing.
pub fn without_receipt(
    number: u64,
    gas_limit: u64,
    result: Result<Vec<u8>, CallFailure>,
) -> CallAnswer {
    CallAnswer {
        number,
        result,
        gas_spent: 0,
        gas_limit,
        events: Vec::new(),
        reverted_events: Vec::new(),
        frames: Vec::new(),
    }
}

fn answer<T>(
    number: u64,
    result: Result<Vec<u8>, CallFailure>,
    receipt: &CallReceipt<T>,
) -> CallAnswer {
    CallAnswer {
        number,
        result,
        gas_spent: receipt.gas_spent,
        gas_limit: receipt.gas_limit,
        events: receipt.events.iter().map(event).collect(),
        reverted_events: receipt.reverted_events.iter().map(event).collect(),
        frames: receipt.call_tree.iter().map(frame).collect(),
    }
}

fn event(event: &Event) -> EmittedEvent {
    EmittedEvent {
        source: event.source,
        topic: event.topic.clone(),
        data: event.data.clone(),
    }
}

fn frame(frame: &CallTreeElem) -> Frame {
    Frame {
        contract: frame.contract_id,
        function: frame.function.clone(),
        depth: frame.depth,
        caller: frame.caller,
        gas_limit: frame.gas_limit,
        gas_spent: frame.gas_spent,
        failure: frame.failure.as_ref().map(reverted),
        reverted: frame.reverted,
    }
}

fn reverted(failure: &Failure) -> Reverted {
    Reverted {
        outcome: failure.code,
        reason: failure.reason().to_owned(),
        contract: failure.contract,
        function: failure.function.clone(),
        message: failure.message.clone(),
        backtrace: failure.backtrace.clone(),
    }
}
