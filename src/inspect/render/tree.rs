//! The tree of calls, with what happened in each.

use super::super::level::Level;
use super::super::safe;
use super::lines::{Ink, Line, Lines};
use super::value::bytes;
use super::{Rendering, plural};
use crate::session::{TraceStep, TracedBytes, TracedFrame};

/// Frames and steps of one frame that are shown below each other unless everything is.
const SIBLINGS_MAX: usize = 200;

/// Depth from which on frames are not indented any more.
const INDENT_MAX: usize = 40;

/// A line of the tree.
enum Item<'a> {
    Frame(usize),
    Step(&'a TraceStep),
}

impl Rendering<'_> {
    /// Writes the tree, or, if only that is wanted, the failing path.
    pub fn tree(&self, lines: &mut Lines) {
        if self.level == Level::Path {
            for (depth, at) in self.failing_path().into_iter().enumerate() {
                let indent = "  ".repeat(depth.min(INDENT_MAX));
                self.frame_line(at, &indent, lines);
            }
            return;
        }
        let items = self.items();
        if items.is_empty() {
            return;
        }
        // Not by recursion: the depth of calls is the contracts' to choose.
        let mut open = vec![(0, 0)];
        self.frame_line(0, "", lines);
        self.details(0, !items[0].is_empty(), "", lines);
        while let Some((frame, next)) = open.pop() {
            let prefix = prefix(&open, &items);
            let inside = &items[frame];
            let Some(item) = inside.get(next) else {
                continue;
            };
            open.push((frame, next + 1));
            if next >= SIBLINGS_MAX && self.level < Level::Everything {
                let more = plural(inside.len() - next, "step");
                let text = format!("{prefix}└─ … {more} more");
                lines.line().put(Ink::Faint, &text);
                open.pop();
                continue;
            }
            let is_last = next + 1 == inside.len();
            let branch = if is_last { "└─ " } else { "├─ " };
            match item {
                Item::Step(step) => self.step(step, &format!("{prefix}{branch}"), lines),
                Item::Frame(at) => {
                    self.frame_line(*at, &format!("{prefix}{branch}"), lines);
                    let below = format!("{prefix}{}", if is_last { "   " } else { "│  " });
                    self.details(*at, !items[*at].is_empty(), &below, lines);
                    open.push((*at, 0));
                }
            }
        }
    }

    /// What is shown below each frame.
    fn items(&self) -> Vec<Vec<Item<'_>>> {
        let mut items: Vec<Vec<Item<'_>>> = Vec::new();
        items.resize_with(self.trace.frames.len(), Vec::new);
        for step in &self.trace.order {
            let (frame, item) = match step {
                TraceStep::Enter(at) => match self.trace.frames[*at].caller {
                    Some(caller) => (caller, Item::Frame(*at)),
                    None => continue,
                },
                TraceStep::Leave(_) => continue,
                TraceStep::Event { frame, .. } | TraceStep::Refused { frame, .. } => {
                    (*frame, Item::Step(step))
                }
                TraceStep::Query { frame, .. }
                | TraceStep::Datum { frame, .. }
                | TraceStep::Debug { frame, .. }
                | TraceStep::Feed { frame, .. } => match self.level >= Level::Details {
                    true => (*frame, Item::Step(step)),
                    false => continue,
                },
            };
            items[frame].push(item);
        }
        items
    }

    fn frame_line(&self, at: usize, prefix: &str, lines: &mut Lines) {
        let frame = &self.trace.frames[at];
        let line = lines.line();
        line.put(Ink::Faint, prefix);
        let name = self.known.name(&frame.contract);
        line.put(Ink::Name, &format!("{name}::"));
        line.put(Ink::Plain, &self.call_text(frame));
        match &frame.result {
            Ok(result) => {
                if let Some(text) = self.result_text(frame, result) {
                    line.put(Ink::Plain, " = ").put(Ink::Plain, &text);
                }
            }
            Err(failure) => {
                let reason = self.reason(failure, frame.code.as_ref());
                line.put(Ink::Bad, " FAILED ").put(Ink::Bad, &reason);
            }
        }
        let gas = safe::number(frame.gas_spent);
        line.put(Ink::Gas, &format!("  gas {gas}"));
        if frame.reverted && frame.result.is_ok() {
            line.put(Ink::Bad, "  reverted");
        }
    }

    /// What gas went to, and the pages.
    fn details(&self, at: usize, has_inside: bool, prefix: &str, lines: &mut Lines) {
        if self.level < Level::Details {
            return;
        }
        let frame = &self.trace.frames[at];
        let prefix = format!("{prefix}{}", if has_inside { "│    " } else { "     " });
        let gas = &frame.gas;
        let parts = [gas.instructions, gas.host, gas.memory, gas.calls].map(safe::number);
        let [instructions, host, memory, calls] = parts;
        let limit = safe::number(frame.gas_limit);
        let text = format!(
            "{prefix}gas limit {limit}: instructions {instructions}, host {host}, memory {memory}, calls {calls}"
        );
        lines.line().put(Ink::Faint, &text);
        self.pages(frame, &prefix, lines);
        if self.level == Level::Everything {
            raw("argument", &frame.argument, &prefix, lines);
            if let Ok(result) = &frame.result {
                raw("result", result, &prefix, lines);
            }
        }
    }

    fn pages(&self, frame: &TracedFrame, prefix: &str, lines: &mut Lines) {
        let lists = [
            ("written", &frame.pages_written),
            ("read", &frame.pages_read),
        ];
        for (what, list) in lists {
            if list.count > 0 {
                let pages = list.pages.iter().map(|page| u64::from(page.0));
                let text = format!("{prefix}pages {what}: {}", runs(pages, list.count));
                lines.line().put(Ink::Faint, &text);
            }
        }
    }

    fn step(&self, step: &TraceStep, prefix: &str, lines: &mut Lines) {
        let line = lines.line();
        line.put(Ink::Faint, prefix);
        match step {
            TraceStep::Enter(_) | TraceStep::Leave(_) => {}
            TraceStep::Event { frame, topic, data } => self.event(*frame, topic, data, line),
            TraceStep::Refused {
                contract,
                function,
                refusal,
                ..
            } => {
                let name = self.known.name(contract);
                let function = safe::cut(function, 80);
                line.put(Ink::Name, &format!("{name}::"));
                line.put(Ink::Plain, &function);
                let reason = safe::line(&refusal.to_string());
                line.put(Ink::Bad, &format!(" NOT CALLED {reason}"));
            }
            TraceStep::Query {
                name,
                argument,
                price_gas,
                answer,
                ..
            } => {
                let answer = match answer {
                    Ok(answer) => self.value(answer),
                    Err(error) => format!("FAILED {}", safe::line(error)),
                };
                let name = safe::cut(name, 80);
                let text = format!("query {name}({}) = {answer}", self.value(argument));
                line.put(Ink::Plain, &text);
                let gas = safe::number(*price_gas);
                line.put(Ink::Gas, &format!("  gas {gas}"));
            }
            TraceStep::Datum { name, bytes, .. } => {
                let value = bytes.as_ref().map(|bytes| self.value(bytes));
                let value = value.unwrap_or_else(|| "nothing".to_owned());
                let text = format!("datum {} = {value}", safe::cut(name, 80));
                line.put(Ink::Plain, &text);
            }
            TraceStep::Debug { message, .. } => {
                let text = format!("debug {}", safe::message(message));
                line.put(Ink::Plain, &text);
            }
            TraceStep::Feed { data, .. } => {
                line.put(Ink::Plain, &format!("feed {}", self.value(data)));
            }
        }
    }

    fn event(&self, frame: usize, topic: &str, data: &TracedBytes, line: &mut Line) {
        let frame = &self.trace.frames[frame];
        let text = self.event_text(frame, topic, data);
        line.put(Ink::Event, &format!("event {}", safe::cut(topic, 80)));
        if !text.is_empty() {
            line.put(Ink::Plain, &format!(" {text}"));
        }
        if self.level == Level::Everything {
            let all = safe::all_hex(data, data.len_bytes);
            line.put(Ink::Faint, &format!("  {all}"));
        }
        if frame.reverted {
            line.put(Ink::Bad, "  reverted");
        }
    }

    fn value(&self, data: &TracedBytes) -> String {
        match self.level {
            Level::Everything => safe::all_hex(data, data.len_bytes),
            _ => bytes(data),
        }
    }
}

/// What stands before the lines below frames: a bar for each that has more to come.
fn prefix(open: &[(usize, usize)], items: &[Vec<Item<'_>>]) -> String {
    let bars = open.iter().take(INDENT_MAX);
    bars.map(|(frame, next)| match *next < items[*frame].len() {
        true => "│  ",
        false => "   ",
    })
    .collect()
}

fn raw(what: &str, data: &TracedBytes, prefix: &str, lines: &mut Lines) {
    if data.len_bytes > 0 {
        let all = safe::all_hex(data, data.len_bytes);
        let text = format!("{prefix}{what}: {all}");
        lines.line().put(Ink::Faint, &text);
    }
}

/// Runs of page numbers that are shown.
const RUNS_MAX: usize = 24;

/// Numbers as runs: `3, 5-9`.
fn runs(pages: impl Iterator<Item = u64>, count: u64) -> String {
    let mut pages: Vec<u64> = pages.collect();
    pages.sort_unstable();
    pages.dedup();
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for page in pages {
        match runs.last_mut() {
            Some((_, end)) if *end + 1 == page => *end = page,
            _ => runs.push((page, page)),
        }
    }
    let shown = runs.iter().take(RUNS_MAX);
    let shown = shown.map(|(start, end)| match start == end {
        true => start.to_string(),
        false => format!("{start}-{end}"),
    });
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if runs.len() > RUNS_MAX {
        text.push_str(&format!(", … ({} in all)", safe::number(count)));
    }
    text
}
