//! Receipts, for people and for programs.

use std::collections::BTreeMap;

use crostata::{CallReceipt, CallTreeElem, Commit, ContractId, Event, Failure};
use serde_json::{Value, json};

use crate::error::CliError;
use crate::hex;
use crate::interface::Interface;
use crate::labels::Labels;
use crate::screen::{Screen, Tone, plain};

/// What texts about contracts are made with.
#[derive(Debug)]
pub struct Names {
    /// What contracts are called.
    pub labels: Labels,
    /// Their interfaces, as far as they are known.
    pub interfaces: BTreeMap<ContractId, Interface>,
}

impl Names {
    /// What a function gave, as JSON: decoded, or `null`.
    pub fn result(&self, contract: &ContractId, function: &str, bytes: &[u8]) -> Option<Value> {
        self.interfaces.get(contract)?.result(function, bytes)
    }

    fn event(&self, event: &Event) -> Value {
        let interface = self.interfaces.get(&event.source);
        let data = interface.and_then(|interface| interface.event(&event.topic, &event.data));
        json!({
            "contract": event.source.to_string(),
            "label": self.labels.label(&event.source),
            "topic": event.topic,
            "data": data,
            "data_hex": hex::shown(&event.data),
        })
    }

    fn failure(&self, failure: &Failure) -> Value {
        json!({
            "code": format!("{:?}", failure.code),
            "reason": failure.reason(),
            "contract": failure.contract.to_string(),
            "label": self.labels.label(&failure.contract),
            "function": failure.function,
            "message": failure.text(),
            "backtrace": failure.backtrace,
        })
    }

    fn frame(&self, frame: &CallTreeElem) -> Value {
        json!({
            "contract": frame.contract_id.to_string(),
            "label": self.labels.label(&frame.contract_id),
            "function": frame.function,
            "depth": frame.depth,
            "caller": frame.caller,
            "gas_limit": frame.gas_limit,
            "gas_spent": frame.gas_spent,
            "reverted": frame.reverted,
            "failure": frame.failure.as_ref().map(|failure| self.failure(failure)),
        })
    }

    /// A receipt for programs, without the result.
    pub fn receipt<T>(&self, receipt: &CallReceipt<T>, failure: Option<&Failure>) -> Value {
        let events = |events: &[Event]| -> Value {
            let events = events.iter().map(|event| self.event(event));
            events.collect()
        };
        let frames: Value = receipt
            .call_tree
            .iter()
            .map(|one| self.frame(one))
            .collect();
        json!({
            "outcome": if failure.is_none() { "success" } else { "reverted" },
            "failure": failure.map(|failure| self.failure(failure)),
            "gas_spent": receipt.gas_spent,
            "gas_limit": receipt.gas_limit,
            "digest": receipt.digest.to_string(),
            "events": events(&receipt.events),
            "reverted_events": events(&receipt.reverted_events),
            "call_tree": frames,
        })
    }

    /// What a receipt says besides the result, for people.
    pub fn note<T>(&self, screen: &mut Screen, receipt: &CallReceipt<T>) {
        let (spent, limit) = (number(receipt.gas_spent), number(receipt.gas_limit));
        screen.note(format!("gas    {spent} of {limit}"));
        for event in &receipt.events {
            let source = self.labels.shown(&event.source);
            let interface = self.interfaces.get(&event.source);
            let data = interface.and_then(|interface| interface.event(&event.topic, &event.data));
            let data = data.map_or_else(|| short(&event.data), |data| data.to_string());
            screen.note(plain(&format!("event  {source} {} {data}", event.topic)));
        }
    }

    /// How a call failed, for people: the tree of calls, and where it went wrong.
    pub fn note_failure<T>(
        &self,
        screen: &mut Screen,
        receipt: &CallReceipt<T>,
        failure: &Failure,
    ) -> Result<(), CliError> {
        for frame in &receipt.call_tree {
            screen.note(self.frame_line(screen, frame));
        }
        let mark = screen.paint_note(Tone::Bad, "reverted:");
        let place = self.labels.shown(&failure.contract);
        let (reason, function) = (failure.reason(), plain(&failure.function));
        let message = match failure.message.is_empty() {
            true => String::new(),
            false => format!(": {}", plain(&failure.text())),
        };
        screen.note(format!(
            "{mark} {reason} in `{function}` of {place}{message}"
        ));
        for function in &failure.backtrace {
            screen.note(plain(&format!("    at {function}")));
        }
        let (spent, limit) = (number(receipt.gas_spent), number(receipt.gas_limit));
        screen.note(format!("gas    {spent} of {limit}; nothing was changed"));
        Ok(())
    }

    fn frame_line(&self, screen: &Screen, frame: &CallTreeElem) -> String {
        let (indent, place) = (2 * frame.depth, self.labels.shown(&frame.contract_id));
        let (function, spent) = (plain(&frame.function), number(frame.gas_spent));
        let line = format!("{:indent$}{place}::{function}  {spent} gas", "");
        match (&frame.failure, frame.reverted) {
            (Some(failure), _) => {
                let mark = screen.paint_note(Tone::Bad, "failed");
                format!("{line}  {mark}: {}", failure.reason())
            }
            (None, true) => format!("{line}  reverted"),
            (None, false) => line,
        }
    }
}

/// A commit for programs.
pub fn commit(commit: &Commit) -> Value {
    json!({
        "id": commit.id.to_string(),
        "parent": commit.parent.to_string(),
        "root": commit.root.to_string(),
        "tag": hex::shown(&commit.tag),
    })
}

/// A number with its thousands told apart.
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes that a line has room for.
pub fn short(bytes: &[u8]) -> String {
    match bytes.len() {
        0..=64 => hex::shown(bytes),
        len => format!("{}… ({len} bytes)", hex::shown(&bytes[..32])),
    }
}
