//! Watching: the session tells what its calls do to a [`CallTrace`], if somebody wants one.
//!
//! Everything is copied from what happens anyway. While nobody watches, nothing is kept and nothing allocated.

use crostata_abi::PageIndex;
use crostata_proof::CodeHash;
use crostata_proof::receipt::Outcome;

use super::run::Session;
use super::trace::{
    CallTrace, TRACE_BYTES_MAX, TRACE_PAGES_MAX, TRACE_STEPS_MAX, TraceStep, TracedBytes,
    TracedFrame, TracedPages,
};
use crate::engine::{Answered, Failure, FrameEnd, FrameStart, GasSplit, Profile, Refusal};
use crate::memory::Access;

/// Who watches: the trace of the running call, and that of the latest one that ended.
#[derive(Debug, Default)]
pub struct Watch {
    trace: CallTrace,
    /// The running frames; none for those that are left out.
    open: Vec<Option<usize>>,
    bytes: usize,
    pages: usize,
    latest: Option<CallTrace>,
}

impl Watch {
    /// A call begins.
    pub fn begin(&mut self) {
        *self = Self::default();
    }

    /// The call ended. There is no trace if nothing started.
    pub fn end(&mut self) {
        let trace = std::mem::take(&mut self.trace);
        self.latest = (!trace.frames.is_empty()).then_some(trace);
    }

    pub fn started(&mut self, start: &FrameStart<'_>, code: Option<CodeHash>) {
        // A frame that is left out has callees that are left out, and the end of each frame that is kept has its place.
        let kept = self.has_room() && self.open.last().is_none_or(Option::is_some);
        if !kept {
            self.trace.omitted_steps += 1;
            self.open.push(None);
            return;
        }
        let at = self.trace.frames.len();
        let argument = self.copy(start.argument);
        self.trace.frames.push(TracedFrame {
            contract: start.contract,
            code,
            function: start.function.to_owned(),
            depth: self.open.len(),
            caller: self.open.last().copied().flatten(),
            argument,
            // Until it ends.
            result: Err(unfinished(start)),
            gas_limit: start.limit_gas,
            gas_spent: 0,
            gas: GasSplit::default(),
            reverted: false,
            pages_read: TracedPages::default(),
            pages_written: TracedPages::default(),
        });
        self.open.push(Some(at));
        self.trace.order.push(TraceStep::Enter(at));
    }

    pub fn ended(&mut self, end: &FrameEnd<'_>) {
        let Some(Some(at)) = self.open.pop() else {
            return;
        };
        let result = match end.result {
            Ok(data) => Ok(self.copy(data)),
            Err(failure) => Err(Failure {
                message: self.copy(&failure.message).bytes,
                ..failure.clone()
            }),
        };
        if result.is_err() {
            let inside = &mut self.trace.frames[at..];
            inside.iter_mut().for_each(|frame| frame.reverted = true);
        }
        let frame = &mut self.trace.frames[at];
        frame.result = result;
        frame.gas_spent = end.spent_gas;
        frame.gas = end.gas;
        self.trace.order.push(TraceStep::Leave(at));
    }

    pub fn refused(&mut self, start: &FrameStart<'_>, refusal: &Refusal) {
        self.note(|_, frame| TraceStep::Refused {
            frame,
            contract: start.contract,
            function: start.function.to_owned(),
            refusal: refusal.clone(),
        });
    }

    pub fn event(&mut self, topic: &str, data: &[u8]) {
        self.note(|watch, frame| TraceStep::Event {
            frame,
            topic: topic.to_owned(),
            data: watch.copy(data),
        });
    }

    pub fn answered(&mut self, answered: &Answered<'_>) {
        self.note(|watch, frame| TraceStep::Query {
            frame,
            name: answered.name.to_owned(),
            argument: watch.copy(answered.argument),
            price_gas: answered.price_gas,
            answer: match answered.answer {
                Ok(bytes) => Ok(watch.copy(bytes)),
                Err(error) => Err(error.0.clone()),
            },
        });
    }

    pub fn datum(&mut self, name: &str, bytes: Option<&[u8]>) {
        self.note(|watch, frame| TraceStep::Datum {
            frame,
            name: name.to_owned(),
            bytes: bytes.map(|bytes| watch.copy(bytes)),
        });
    }

    pub fn debug(&mut self, message: &[u8]) {
        self.note(|watch, frame| TraceStep::Debug {
            frame,
            message: watch.copy(message),
        });
    }

    pub fn feed(&mut self, data: &[u8]) {
        self.note(|watch, frame| TraceStep::Feed {
            frame,
            data: watch.copy(data),
        });
    }

    pub fn touched(&mut self, pages: &[PageIndex], access: Access) {
        let Some(Some(at)) = self.open.last() else {
            return;
        };
        let frame = &mut self.trace.frames[*at];
        let list = match access {
            Access::Read => &mut frame.pages_read,
            Access::Write => &mut frame.pages_written,
        };
        let room = TRACE_PAGES_MAX - self.pages;
        let kept = &pages[..pages.len().min(room)];
        list.pages.extend(kept);
        list.count += pages.len() as u64;
        self.pages += kept.len();
        if access == Access::Write {
            frame.pages_read.without(pages);
        }
    }

    /// Adds a step of the running frame, unless that is left out or there are too many.
    fn note(&mut self, step: impl FnOnce(&mut Self, usize) -> TraceStep) {
        match self.open.last() {
            Some(Some(at)) if self.has_room() => {
                let step = step(self, *at);
                self.trace.order.push(step);
            }
            _ => self.trace.omitted_steps += 1,
        }
    }

    fn has_room(&self) -> bool {
        self.trace.order.len() < TRACE_STEPS_MAX
    }

    fn copy(&mut self, bytes: &[u8]) -> TracedBytes {
        let room = TRACE_BYTES_MAX - self.bytes;
        let kept = if bytes.len() <= room { bytes } else { &[] };
        self.bytes += kept.len();
        TracedBytes {
            bytes: kept.to_vec(),
            len_bytes: bytes.len(),
        }
    }
}

impl TracedPages {
    /// Takes pages out that turned out to be written as well. Those are looked for at the end: reads come right before.
    fn without(&mut self, written: &[PageIndex]) {
        let before = self.pages.len();
        if before > 0 {
            self.pages.retain(|page| !written.contains(page));
        }
        self.count -= (before - self.pages.len()) as u64;
    }
}

/// What a frame has for a result while it runs. Nobody sees it: a call that the host fails in has no trace.
fn unfinished(start: &FrameStart<'_>) -> Failure {
    Failure {
        code: Outcome::OtherTrap,
        contract: start.contract,
        function: start.function.to_owned(),
        message: Vec::new(),
        backtrace: Vec::new(),
        positions: Vec::new(),
    }
}

impl Session {
    /// Watches what calls do from here on, until [`unwatch`](Self::unwatch). Gas, events, outcomes and roots are the same.
    ///
    /// A call costs copies of what it moves: arguments, results, events, answers.
    ///
    /// ```
    /// # use crostata::{contract_bytecode, ContractData, SessionData, VM};
    /// # let vm = VM::ephemeral()?;
    /// # let mut session = vm.session(SessionData::builder())?;
    /// # let counter = session.deploy(contract_bytecode!("counter"), ContractData::builder(), 1_000_000)?;
    /// session.watch();
    /// let receipt = session.call_raw(counter, "read_value", [], 1_000_000)?;
    /// let trace = session.take_trace().unwrap();
    /// assert_eq!(trace.frames[0].gas.total(), receipt.gas_spent);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn watch(&mut self) {
        if let Some(runner) = &mut self.runner {
            runner.host_mut().watch.get_or_insert_default();
        }
    }

    /// Stops watching, and forgets the latest trace.
    pub fn unwatch(&mut self) {
        if let Some(runner) = &mut self.runner {
            runner.host_mut().watch = None;
        }
    }

    /// Takes the trace of the latest top-level call, or of the `init` of the latest deployment; failed ones have one too.
    /// None if nobody watched, nothing started, the host failed, or it was taken already.
    pub fn take_trace(&mut self) -> Option<CallTrace> {
        let watch = self.runner.as_mut()?.host_mut().watch.as_mut()?;
        watch.latest.take()
    }

    /// Takes what is written down of where gas went since this was last called: in all top-level calls that ended, constructors and failed calls
    /// included. `None` if there were none, or the session was not asked for with
    /// [`profiled`](crate::SessionDataBuilder::profiled).
    ///
    /// ```
    /// use crostata::{contract_bytecode, ContractData, SessionData, VM};
    ///
    /// let vm = VM::ephemeral()?;
    /// let mut session = vm.session(SessionData::builder().profiled())?;
    /// let counter = session.deploy(contract_bytecode!("counter"), ContractData::builder(), 1_000_000)?;
    /// session.take_profile();
    /// let receipt = session.call::<_, ()>(counter, "increment", &(), 1_000_000)?;
    /// let profile = session.take_profile().unwrap();
    /// assert_eq!(profile.total_gas(), receipt.gas_spent);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn take_profile(&mut self) -> Option<Profile> {
        self.runner.as_mut()?.take_profile()
    }

    /// Whether it is watched, the trace of the latest call included: to be put back.
    pub(super) fn suspend_watch(&mut self) -> Option<Box<Watch>> {
        self.runner.as_mut()?.host_mut().watch.take()
    }

    pub(super) fn resume_watch(&mut self, watch: Option<Box<Watch>>) {
        if let Some(runner) = &mut self.runner {
            runner.host_mut().watch = watch;
        }
    }
}
