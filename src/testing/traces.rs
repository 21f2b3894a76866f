//! The traces of a chain's latest calls, rendered when somebody wants to see one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crostata_abi::ContractId;

use crate::inspect::{Known, Level, Style, render};
use crate::session::{CallTrace, Session};
use crate::state::Contents;

/// Traces that are kept: a test that looks at a call has mostly just made it.
const KEPT_MAX: usize = 64;

/// Traces, and what is known for reading them.
#[derive(Default)]
pub struct Traces {
    kept: VecDeque<(u64, CallTrace)>,
    pub labels: BTreeMap<ContractId, String>,
    /// Code with its debug information, read when a trace is rendered.
    pub codes: Vec<Vec<u8>>,
}

impl Traces {
    /// Keeps the trace of a call.
    pub fn keep(&mut self, call: u64, trace: CallTrace) {
        if self.kept.len() == KEPT_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back((call, trace));
    }

    /// The trace of a call, if it is kept.
    pub fn of(&self, call: u64) -> Option<&CallTrace> {
        let mut kept = self.kept.iter();
        kept.find(|(number, _)| *number == call)
            .map(|(_, trace)| trace)
    }

    /// The trace of a call as text, if it is kept.
    pub fn render(&self, call: u64, level: Level, session: &mut Session) -> Option<String> {
        let trace = self.of(call)?;
        let known = self.known(trace, session);
        Some(render(trace, &known, level, Style::Plain))
    }

    /// What the chain knows of the code that ran. Code that says nothing of itself is shown as bytes.
    fn known(&self, trace: &CallTrace, session: &mut Session) -> Known {
        let mut known = Known::new();
        for (contract, name) in &self.labels {
            known.add_contract(name, *contract);
        }
        let ran: BTreeSet<_> = trace.frames.iter().filter_map(|frame| frame.code).collect();
        for code in ran {
            if let Ok(wasm) = session.code(&code) {
                let _ = known.add_code(&wasm);
            }
        }
        for unstripped in &self.codes {
            let _ = known.add_code(unstripped);
        }
        known
    }
}
