//! Texts of failed expectations.

use std::borrow::Cow;

use crostata_abi::raised;

use super::Shared;
use crate::machine::{CallAnswer, CallFailure, Request, Response, Reverted};

/// Bytes of a contract's message that a text shows.
const SHOWN_BYTES_MAX: usize = 4_096;

/// What contracts wrote, harmless on a terminal: control characters but line ends are shown as `\u{..}`, and long texts are cut.
pub fn harmless(bytes: &[u8]) -> String {
    let shown = bytes.get(..SHOWN_BYTES_MAX).unwrap_or(bytes);
    let text = String::from_utf8_lossy(shown);
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' => out.push(character),
            _ if is_unsafe(character) => out.extend(character.escape_unicode()),
            _ => out.push(character),
        }
    }
    if bytes.len() > shown.len() {
        out += &format!("… ({} bytes)", bytes.len());
    }
    out
}

/// Control characters, and those that turn the direction of writing.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl Shared {
    /// Why a call has no result.
    pub fn why(&self, failure: &CallFailure) -> String {
        match failure {
            CallFailure::Reverted(reverted) => self.revert(reverted),
            CallFailure::Rejected { reason } => {
                format!("rejected: {}", self.labels.put_into(reason))
            }
            CallFailure::Fatal { reason } => format!("fatal: {}", self.labels.put_into(reason)),
        }
    }

    fn revert(&self, reverted: &Reverted) -> String {
        let contract = self.labels.of(&reverted.contract);
        let place = format!("{contract}::{}", harmless(reverted.function.as_bytes()));
        match reverted.message.is_empty() {
            true => format!("{} in {place}", reverted.reason),
            false => {
                let message = self
                    .labels
                    .put_into(&harmless(raised::text(&reverted.message)));
                format!("{} in {place}: {message}", reverted.reason)
            }
        }
    }

    /// The trace of a call as far as it can be had.
    pub fn trace(&self, answer: &CallAnswer, level: Option<u8>) -> String {
        let call = answer.number;
        match self.ask(Request::Trace { call, level }) {
            Ok(Response::Text(Some(text))) => text,
            _ => self.frames(answer),
        }
    }

    /// The call tree without what only a trace knows.
    fn frames(&self, answer: &CallAnswer) -> String {
        let mut out = String::new();
        for frame in &answer.frames {
            let contract = self.labels.of(&frame.contract);
            let function = harmless(frame.function.as_bytes());
            let indent = 2 * frame.depth;
            let ending = match &frame.failure {
                Some(failure) => format!("  FAILED: {}", self.revert(failure)),
                None if frame.reverted => "  reverted".to_owned(),
                None => String::new(),
            };
            out += &format!(
                "{:indent$}{contract}::{function}  gas {}{ending}\n",
                "", frame.gas_spent
            );
        }
        let happened = answer.events.iter().map(|event| (event, ""));
        let reverted = answer
            .reverted_events
            .iter()
            .map(|event| (event, " (reverted)"));
        for (event, mark) in happened.chain(reverted) {
            let source = self.labels.of(&event.source);
            let topic = harmless(event.topic.as_bytes());
            out += &format!(
                "event {topic} of {source}, {} bytes{mark}\n",
                event.data.len()
            );
        }
        out
    }
}

/// Whether an expectation's text is what the contract said: part of the message, or of the reason in words.
pub fn says(reverted: &Reverted, text: &str) -> bool {
    reverted.reason.contains(text) || message(reverted).contains(text)
}

fn message(reverted: &Reverted) -> Cow<'_, str> {
    String::from_utf8_lossy(raised::text(&reverted.message))
}
