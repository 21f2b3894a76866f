//! Values: decoded by the contract's schema, or their first bytes.

use crostata_abi::raised::{self, Raised};
use crostata_schema::{Schema, Type, shown};

use super::super::level::Level;
use super::super::safe;
use super::Rendering;
use crate::engine::Failure;
use crate::session::{TracedBytes, TracedFrame};
use crostata_proof::CodeHash;
use crostata_proof::receipt::Outcome;

/// Characters of a value that are shown.
const VALUE_MAX: usize = 300;

impl Rendering<'_> {
    fn schema(&self, frame: &TracedFrame) -> Option<&Schema> {
        self.known.schema(frame.code.as_ref()?)
    }

    /// The call of a frame: function and arguments.
    pub fn call_text(&self, frame: &TracedFrame) -> String {
        let method = self
            .schema(frame)
            .and_then(|schema| schema.method(&frame.function));
        let text = match method {
            Some(method) if !frame.argument.is_cut() => method.shown_call(&frame.argument),
            _ if frame.argument.len_bytes == 0 => format!("{}()", frame.function),
            _ => format!("{}({})", frame.function, bytes(&frame.argument)),
        };
        self.shown(&text)
    }

    /// The result of a frame that succeeded; nothing if there is nothing.
    pub fn result_text(&self, frame: &TracedFrame, result: &TracedBytes) -> Option<String> {
        let method = self
            .schema(frame)
            .and_then(|schema| schema.method(&frame.function));
        match method {
            Some(method) if method.result == Type::Unit => None,
            Some(method) => Some(self.typed(&method.result, result)),
            None if result.len_bytes == 0 => None,
            None => Some(bytes(result)),
        }
    }

    /// The data of an event.
    pub fn event_text(&self, frame: &TracedFrame, topic: &str, data: &TracedBytes) -> String {
        let event = self.schema(frame).and_then(|schema| schema.event(topic));
        match event {
            Some(event) => {
                let text = self.typed(&event.data, data);
                // The topic says what it is.
                match &event.data {
                    Type::Struct { name, .. } => match text.strip_prefix(name.as_str()) {
                        Some(fields) => fields.trim_start().to_owned(),
                        None => text,
                    },
                    _ => text,
                }
            }
            None if data.len_bytes == 0 => String::new(),
            None => bytes(data),
        }
    }

    fn typed(&self, value_type: &Type, data: &TracedBytes) -> String {
        let value = (!data.is_cut()).then(|| value_type.decode(data));
        match value {
            Some(Ok(value)) => self.shown(&shown(&value, value_type)),
            _ => bytes(data),
        }
    }

    /// Why a frame failed, in words.
    pub fn reason(&self, failure: &Failure, code: Option<&CodeHash>) -> String {
        let typed = code.and_then(|code| self.typed_error(failure, code));
        match (typed, failure.code) {
            (Some(error), _) => format!("error {error}"),
            (None, Outcome::Panic) => {
                format!("panic: {}", safe::message(raised::text(&failure.message)))
            }
            (None, _) if failure.message.is_empty() => failure.reason().to_owned(),
            (None, _) => format!("{}: {}", failure.reason(), safe::line(&failure.text())),
        }
    }

    fn shown(&self, text: &str) -> String {
        let text = &self.known.with_labels(text);
        match self.level {
            Level::Everything => safe::cut(text, usize::MAX),
            _ => safe::cut(text, VALUE_MAX),
        }
    }

    /// An error that a contract raised with its value, if the panic carries one.
    fn typed_error(&self, failure: &Failure, code: &CodeHash) -> Option<String> {
        let raised = Raised::read(&failure.message)?;
        let name = std::str::from_utf8(raised.name).ok()?;
        let error = self.known.schema(code)?.error(name)?;
        let value = error.value.decode(raised.archive).ok()?;
        let text = String::from_utf8_lossy(raised.text);
        let value = self.shown(&format!("{name}::{}", shown(&value, &error.value)));
        Some(format!("{value} ({})", safe::line(&text)))
    }
}

/// The first bytes.
pub fn bytes(data: &TracedBytes) -> String {
    safe::hex(data, data.len_bytes)
}
