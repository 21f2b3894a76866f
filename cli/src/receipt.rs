//! Receipts, for people and for programs.

use crostata::{CallReceipt, CallTreeElem, Commit, Event, Failure};
use serde_json::{Value, json};

use crate::hex;
use crate::interface::Decoded;
use crate::screen::{Screen, Tone, plain};
use crate::view::Names;

impl Names {
    fn decoded(&self, event: &Event) -> Option<Decoded> {
        let interface = self.interfaces.get(&event.source)?;
        interface.event(&event.topic, &event.data)
    }

    fn event(&self, event: &Event) -> Value {
        let data = self.decoded(event).map(|data| data.json);
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
            let data = self.decoded(event).map(|data| data.text);
            let data = data.unwrap_or_else(|| short(&event.data));
            screen.note(plain(&format!("event  {source} {} {data}", event.topic)));
        }
    }

    /// Where a call failed that has no trace, for people.
    pub fn note_failure(&self, screen: &mut Screen, failure: &Failure) {
        let mark = screen.paint_note(Tone::Bad, "error:");
        let place = self.labels.shown(&failure.contract);
        let (reason, function) = (failure.reason(), plain(&failure.function));
        let message = match failure.message.is_empty() {
            true => String::new(),
            false => format!(": {}", plain(&failure.text())),
        };
        screen.note(format!(
            "{mark} {reason} in `{function}` of {place}{message}"
        ));
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
