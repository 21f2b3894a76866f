//! Traces as text.
//!
//! Lines are made of plain pieces, each with a meaning; what a meaning looks like is decided at the end, so that both styles say the
//! same. Nothing is shown of a contract's bytes and names but what `safe` and the schema's own texts let through.

mod error;
mod lines;
mod tree;
mod value;

#[cfg(test)]
mod tests;

use super::known::Known;
use super::level::{Level, Style};
use super::safe;
use crate::session::CallTrace;
use lines::{Ink, Lines};

/// A trace as text, with what is known, so much of it, in this style. Every line ends in a line feed.
///
/// ```
/// # use crostata::{contract_bytecode, ContractData, SessionData, VM};
/// use crostata::inspect::{Known, Level, Style, render};
/// # let vm = VM::ephemeral()?;
/// # let mut session = vm.session(SessionData::builder())?;
/// # let counter = session.deploy(contract_bytecode!("counter"), ContractData::builder(), 1_000_000)?;
/// session.watch();
/// session.call_raw(counter, "increment", [], 1_000_000)?;
/// let mut known = Known::new();
/// known.add_contract("counter", counter);
/// let text = render(&session.take_trace().unwrap(), &known, Level::Tree, Style::Plain);
/// assert!(text.starts_with("counter::increment("));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn render(trace: &CallTrace, known: &Known, level: Level, style: Style) -> String {
    let mut lines = Lines::default();
    let rendering = Rendering {
        trace,
        known,
        level,
    };
    rendering.error(&mut lines);
    if level >= Level::Path {
        rendering.tree(&mut lines);
    }
    rendering.totals(&mut lines);
    lines.finish(style)
}

/// What is rendered.
struct Rendering<'a> {
    trace: &'a CallTrace,
    known: &'a Known,
    level: Level,
}

impl Rendering<'_> {
    /// What the call cost, and how much happened.
    fn totals(&self, lines: &mut Lines) {
        let Some(call) = self.trace.call() else {
            lines.line().put(Ink::Faint, "nothing ran");
            return;
        };
        let frames = &self.trace.frames;
        let sum = |gas: fn(&crate::engine::GasSplit) -> u64| {
            safe::number(frames.iter().map(|frame| gas(&frame.gas)).sum())
        };
        let (instructions, host, memory) = (
            sum(|gas| gas.instructions),
            sum(|gas| gas.host),
            sum(|gas| gas.memory),
        );
        let spent = safe::number(call.gas_spent);
        let limit = safe::number(call.gas_limit);
        let line = lines.line();
        line.put(Ink::Gas, &format!("gas {spent} of {limit}"));
        line.put(
            Ink::Faint,
            &format!(": instructions {instructions}, host {host}, memory {memory}; "),
        );
        line.put(Ink::Faint, &self.counts());
        if self.trace.omitted_steps > 0 {
            let omitted = safe::number(self.trace.omitted_steps);
            let text = format!("{omitted} steps are left out: there were too many");
            lines.line().put(Ink::Bad, &text);
        }
    }

    fn counts(&self) -> String {
        let frames = self.trace.frames.len();
        let (mut events, mut reverted) = (0, 0);
        for step in &self.trace.order {
            if let crate::session::TraceStep::Event { frame, .. } = step {
                events += 1;
                reverted += usize::from(self.trace.frames[*frame].reverted);
            }
        }
        let pages = |count: fn(&crate::session::TracedFrame) -> u64| {
            self.trace.frames.iter().map(count).sum::<u64>()
        };
        let written = pages(|frame| frame.pages_written.count);
        let read = pages(|frame| frame.pages_read.count);
        let of_events = match (events, reverted) {
            (0, _) => String::new(),
            (events, 0) => format!(", {}", plural(events, "event")),
            (events, reverted) => format!(", {} ({reverted} reverted)", plural(events, "event")),
        };
        format!(
            "{}{of_events}, {} written, {read} read",
            plural(frames, "frame"),
            plural(written as usize, "page")
        )
    }
}

fn plural(number: usize, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", safe::number(number as u64))
}
