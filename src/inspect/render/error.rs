//! The error: what failed, through which contracts, and where in the sources.

use super::super::debug::SourceLine;
use super::super::level::Level;
use super::super::safe;
use super::Rendering;
use super::lines::{Ink, Lines};
use crate::engine::{CodePosition, Failure};
use crate::session::TracedFrame;

/// Frames on the way to a failure that are shown unless everything is.
const CALLERS_MAX: usize = 8;

/// Places in the sources that are shown unless everything is.
const PLACES_MAX: usize = 8;

impl Rendering<'_> {
    /// Writes the error of a call that failed.
    pub fn error(&self, lines: &mut Lines) {
        let path = self.failing_path();
        let Some(innermost) = path.last().map(|at| &self.trace.frames[*at]) else {
            return;
        };
        let Err(failure) = &innermost.result else {
            return;
        };
        let names = self.names(&path);
        let reason = self.reason(failure, innermost.code.as_ref());
        lines
            .line()
            .put(Ink::Bad, "failed: ")
            .put(Ink::Bad, &reason);
        lines.line().put(Ink::Plain, "  in ").put(Ink::Name, &names);
        self.places(failure, lines);
        let outer = path.iter().rev().skip(1);
        let shown = if self.level == Level::Everything {
            usize::MAX
        } else {
            CALLERS_MAX
        };
        outer
            .take(shown)
            .for_each(|at| self.consequence(*at, lines));
        if self.level == Level::Everything {
            self.backtraces(&path, lines);
        }
    }

    /// The contracts and functions on a path; of a long one the last.
    fn names(&self, path: &[usize]) -> String {
        let start = match self.level {
            Level::Everything => 0,
            _ => path.len().saturating_sub(CALLERS_MAX),
        };
        let names = path[start..].iter();
        let names = names.map(|at| self.name(&self.trace.frames[*at]));
        let names = names.collect::<Vec<_>>().join(" > ");
        match start {
            0 => names,
            left_out => format!("… {left_out} more > {names}"),
        }
    }

    /// A caller that failed after its callee had.
    fn consequence(&self, at: usize, lines: &mut Lines) {
        let frame = &self.trace.frames[at];
        let Err(failure) = &frame.result else {
            return;
        };
        let reason = self.reason(failure, frame.code.as_ref());
        let line = lines.line();
        line.put(Ink::Plain, "then ")
            .put(Ink::Name, &self.name(frame))
            .put(Ink::Bad, &format!(" failed: {reason}"));
        let own = failure.positions.iter();
        let own = own.filter(|position| position.contract == frame.contract);
        let place = own.flat_map(|position| self.own_lines(position)).next();
        if let Some((_, place)) = place {
            line.put(Ink::Plain, &format!(" at {place}"));
        }
    }

    /// The frames that failed because the next one did, from the call on: each the last that its caller called.
    ///
    /// Whether a caller failed because of its callee, or for a reason of its own after it had caught that, is not known: the
    /// latest failure below it is the one that is told.
    pub fn failing_path(&self) -> Vec<usize> {
        let mut last_callee = vec![None; self.trace.frames.len()];
        for (at, frame) in self.trace.frames.iter().enumerate() {
            if let Some(caller) = frame.caller {
                last_callee[caller] = Some(at);
            }
        }
        let mut path = Vec::new();
        let mut next = (!self.trace.frames.is_empty()).then_some(0);
        while let Some(at) = next {
            if self.trace.frames[at].result.is_ok() {
                break;
            }
            path.push(at);
            next = last_callee[at];
        }
        path
    }

    /// A contract and its function.
    pub fn name(&self, frame: &TracedFrame) -> String {
        let function = safe::cut(&frame.function, 80);
        format!("{}::{function}", self.known.name(&frame.contract))
    }

    /// Where the failure happened, and where the functions and frames below it were: the author's own lines.
    fn places(&self, failure: &Failure, lines: &mut Lines) {
        let all = failure.positions.iter();
        let all = all.flat_map(|position| self.own_lines(position));
        let mut shown = 0;
        let mut before = None;
        for (position, line) in all {
            let text = line.to_string();
            let key = (position.contract, text.clone());
            // Of a function that was inlined and its caller on the same line, one is enough; and where the method itself is told,
            // nobody needs what was made around it.
            let contract = before.as_ref().map(|(contract, _): &(_, _)| contract);
            let is_around = line.is_generated() && contract == Some(&position.contract);
            if before.as_ref() == Some(&key) || is_around {
                continue;
            }
            before = Some(key);
            shown += 1;
            if shown > PLACES_MAX && self.level < Level::Everything {
                lines.line().put(Ink::Faint, "  …");
                break;
            }
            let written = lines.line();
            written.put(Ink::Plain, "  at ").put(Ink::Plain, &text);
            written.put(Ink::Faint, &self.within(position, &line));
        }
        if shown == 0 && !failure.positions.is_empty() {
            self.unknown_lines(failure, lines);
        }
    }

    fn within(&self, position: &CodePosition, line: &SourceLine) -> String {
        let contract = self.known.name(&position.contract);
        let function = line.function.as_deref();
        match function.map(|function| function.strip_prefix("export_").unwrap_or(function)) {
            Some(function) => format!("  ({contract}: {function})"),
            None => format!("  ({contract})"),
        }
    }

    /// The author's own lines of a place; if there are none, nothing.
    fn own_lines<'p>(
        &self,
        position: &'p CodePosition,
    ) -> impl Iterator<Item = (&'p CodePosition, SourceLine)> + use<'p> {
        let lines = self.known.lines(position).into_iter();
        lines
            .filter(|line| line.is_own)
            .map(move |line| (position, line))
    }

    /// What can be said where no lines are known: the function and the offset.
    fn unknown_lines(&self, failure: &Failure, lines: &mut Lines) {
        let Some(position) = failure.positions.first() else {
            return;
        };
        let function = self.function(position);
        let offset = position.offset;
        let text = format!("  at {function}, byte {offset} of its code");
        lines.line().put(Ink::Plain, &text);
        if !self.known.has_lines(&position.code) {
            let name = self.known.name(&position.contract);
            let text = format!(
                "  no lines: {name} was built without debug information, or its side file is missing"
            );
            lines.line().put(Ink::Faint, &text);
        }
    }

    fn function(&self, position: &CodePosition) -> String {
        let index = position.function_index;
        let debug = self.known.debug(&position.code);
        let name = debug.and_then(|debug| debug.function(index));
        name.map_or_else(|| format!("function {index}"), str::to_owned)
    }

    /// Every function of the backtraces of the failures on the way, libraries included.
    fn backtraces(&self, path: &[usize], lines: &mut Lines) {
        for at in path.iter().rev() {
            let frame = &self.trace.frames[*at];
            let Err(failure) = &frame.result else {
                continue;
            };
            let text = format!("  backtrace of {}:", self.name(frame));
            lines.line().put(Ink::Faint, &text);
            if failure.positions.is_empty() {
                for name in &failure.backtrace {
                    let text = format!("    {}", safe::line(name));
                    lines.line().put(Ink::Faint, &text);
                }
            }
            for position in &failure.positions {
                self.backtrace_place(position, lines);
            }
        }
    }

    fn backtrace_place(&self, position: &CodePosition, lines: &mut Lines) {
        let contract = self.known.name(&position.contract);
        let function = self.function(position);
        let text = format!("    {contract} byte {}: {function}", position.offset);
        lines.line().put(Ink::Faint, &text);
        for line in self.known.lines(position) {
            let function = line.function.as_deref().unwrap_or("?");
            let text = format!("      {line}  {function}");
            lines.line().put(Ink::Faint, &text);
        }
    }
}
