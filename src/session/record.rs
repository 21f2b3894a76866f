//! The record of a running call: events and frames, with what was reverted marked.

use crostata_abi::{ContractId, Event};

use super::error::Reverted;
use super::receipt::{CallReceipt, CallTree, CallTreeElem, digest};
use crate::engine::{Completed, Failure, FrameEnd, FrameStart};

/// What a call did so far.
#[derive(Debug, Default)]
pub struct Record {
    events: Vec<Event>,
    frames: Vec<CallTreeElem>,
    open: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    frame: usize,
    events_before: usize,
}

/// Bytes that the call tree keeps of the message of a failure that a caller may catch: any number of them may be in it.
const CAUGHT_MESSAGE_BYTES: usize = 1_024;

fn caught(failure: &Failure) -> Failure {
    let message = &failure.message[..failure.message.len().min(CAUGHT_MESSAGE_BYTES)];
    Failure {
        message: message.to_vec(),
        function: failure.function.clone(),
        backtrace: failure.backtrace.clone(),
        positions: failure.positions.clone(),
        ..*failure
    }
}

impl Record {
    pub fn started(&mut self, start: &FrameStart<'_>) {
        self.frames.push(CallTreeElem {
            contract_id: start.contract,
            function: start.function.to_owned(),
            depth: self.open.len(),
            caller: self.open.last().map(|open| open.frame),
            gas_limit: start.limit_gas,
            gas_spent: 0,
            failure: None,
            reverted: false,
        });
        self.open.push(Open {
            frame: self.frames.len() - 1,
            events_before: self.events.len(),
        });
    }

    pub fn ended(&mut self, end: &FrameEnd<'_>) {
        let Some(open) = self.open.pop() else {
            return;
        };
        self.frames[open.frame].gas_spent = end.spent_gas;
        if let Err(failure) = end.result {
            self.frames[open.frame].failure = Some(match self.open.is_empty() {
                true => failure.clone(),
                false => caught(failure),
            });
            self.frames[open.frame..]
                .iter_mut()
                .for_each(|frame| frame.reverted = true);
            self.events[open.events_before..]
                .iter_mut()
                .for_each(|event| event.reverted = true);
        }
    }

    pub fn emit(&mut self, source: ContractId, topic: String, data: Vec<u8>) {
        self.events.push(Event {
            source,
            topic,
            data,
            reverted: false,
        });
    }

    /// Closes the record into a receipt.
    pub fn finish(
        self,
        completed: Completed,
        gas_limit: u64,
    ) -> Result<CallReceipt<Vec<u8>>, Box<Reverted>> {
        let (reverted_events, events): (Vec<_>, Vec<_>) =
            self.events.into_iter().partition(|event| event.reverted);
        let gas_spent = completed.spent_gas;
        let result = completed.result;
        let digest = digest(result.as_deref(), gas_spent, gas_limit, &events);
        let receipt = CallReceipt {
            data: (),
            gas_spent,
            gas_limit,
            events,
            reverted_events,
            call_tree: CallTree {
                frames: self.frames,
            },
            digest,
        };
        match result {
            Ok(data) => Ok(receipt.map(|()| data)),
            Err(failure) => Err(Box::new(Reverted { failure, receipt })),
        }
    }
}
