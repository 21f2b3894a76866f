//! What a call did, and what a test expects of it.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crostata_abi::ContractId;
use crostata_abi::raised::Raised;
use crostata_abi::typed::{CodecError, Decode, decode};
use crostata_proof::receipt::Outcome;

use super::Shared;
use super::failed::{Failed, LazyTrace};
use super::text::{harmless, says};
use crate::machine::{CallAnswer, CallFailure, EmittedEvent, Frame, Reverted};

/// A call that ended, well or not. Its expectations panic with what happened and the trace.
///
/// ```ignore
/// let balance = chain.call::<_, u64>(token, "balance", &alice.id()).value();
/// chain.call_as::<_, ()>(&alice, token, "transfer", &(bob.id(), balance + 1)).expect_revert("too little");
/// ```
#[must_use = "a call that failed is noticed only by who looks: `.value()`, `.expect_success()` or `.expect_revert(..)`"]
pub struct Called<R> {
    shared: Shared,
    contract: ContractId,
    function: String,
    answer: Arc<CallAnswer>,
    _result: PhantomData<fn() -> R>,
}

/// An event that happened.
pub type Event = EmittedEvent;

impl<R> fmt::Debug for Called<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Called")
            .field("function", &self.function)
            .field("answer", &self.answer)
            .finish_non_exhaustive()
    }
}

impl Called<Vec<u8>> {
    pub(super) fn new(
        shared: &Shared,
        contract: ContractId,
        function: &str,
        answer: CallAnswer,
    ) -> Self {
        Self {
            shared: shared.clone(),
            contract,
            function: function.to_owned(),
            answer: Arc::new(answer),
            _result: PhantomData,
        }
    }

    /// The bytes of the result.
    ///
    /// # Errors
    /// [`Failed`].
    pub fn bytes(&self) -> Result<&[u8], Failed> {
        self.answer
            .result
            .as_deref()
            .map_err(|failure| self.failed(failure))
    }

    /// The same call with a typed result.
    pub fn decoded<R: Decode>(self) -> Called<R> {
        Called {
            shared: self.shared,
            contract: self.contract,
            function: self.function,
            answer: self.answer,
            _result: PhantomData,
        }
    }
}

impl<R: Decode> Called<R> {
    /// The result.
    ///
    /// # Errors
    /// [`Failed`].
    pub fn result(&self) -> Result<R, Failed> {
        let bytes = self.answer.result.as_deref();
        let bytes = bytes.map_err(|failure| self.failed(failure))?;
        decode(bytes).map_err(|error| Failed::Undecodable {
            function: self.function.clone(),
            error,
            trace: self.lazy_trace(),
        })
    }

    /// The result of a call that must have succeeded.
    ///
    /// # Panics
    /// When it failed, or its result is of another type.
    #[track_caller]
    pub fn value(&self) -> R {
        match self.result() {
            Ok(value) => value,
            Err(Failed::Undecodable { error, .. }) => {
                self.fail(&format!("{} gave something else: {error}", self.name()))
            }
            Err(_) => {
                self.expect_success();
                unreachable!("a call that succeeded has a result")
            }
        }
    }
}

impl<R> Called<R> {
    /// Gas spent.
    pub fn gas_spent(&self) -> u64 {
        self.answer.gas_spent
    }

    /// The events that happened, in order.
    pub fn events(&self) -> &[Event] {
        &self.answer.events
    }

    /// The events of what was undone.
    pub fn reverted_events(&self) -> &[Event] {
        &self.answer.reverted_events
    }

    /// Every frame that started, in order of starting.
    pub fn frames(&self) -> &[Frame] {
        &self.answer.frames
    }

    /// The contract's failure, if that is how the call ended.
    pub fn reverted(&self) -> Option<&Reverted> {
        match &self.answer.result {
            Err(CallFailure::Reverted(reverted)) => Some(reverted),
            _ => None,
        }
    }

    /// Whether the call succeeded.
    pub fn is_success(&self) -> bool {
        self.answer.result.is_ok()
    }

    /// The trace: `level` 1 to 5, or what `CROSTATA_TRACE` says, or 3. The traces of a chain's latest calls are kept; of an older one only
    /// the call tree is left.
    pub fn trace(&self, level: Option<u8>) -> String {
        self.shared.trace(&self.answer, level)
    }

    /// Expects success.
    ///
    /// # Panics
    /// When the call failed.
    #[track_caller]
    pub fn expect_success(&self) -> &Self {
        if let Err(failure) = &self.answer.result {
            self.fail(&format!(
                "{} failed: {}",
                self.name(),
                self.shared.why(failure)
            ));
        }
        self
    }

    /// Expects that the contract failed, and that its message or the reason contains `text`.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub fn expect_revert(&self, text: &str) -> &Self {
        let reverted = self.expect_reverted();
        if !says(reverted, text) {
            self.fail(&format!(
                "{} should have failed with {text:?}, and failed otherwise: {}",
                self.name(),
                self.shared.why(&CallFailure::Reverted(reverted.clone()))
            ));
        }
        self
    }

    /// Expects that the contract returned this error, of a type under `#[crostata_sdk::error]`.
    ///
    /// # Panics
    /// When it did not, saying what it returned.
    #[track_caller]
    pub fn expect_error<E: Decode + PartialEq + fmt::Debug>(&self, expected: &E) -> &Self {
        let reverted = self.expect_reverted();
        let own_name = std::any::type_name::<E>().rsplit("::").next();
        let raised = Raised::read(&reverted.message);
        let raised = raised.filter(|raised| Some(raised.name) == own_name.map(str::as_bytes));
        let found = match raised.map(|raised| decode::<E>(raised.archive)) {
            Some(Ok(error)) if error == *expected => return self,
            Some(Ok(error)) => format!("it is {error:?}"),
            Some(Err(_)) | None => {
                let failure = CallFailure::Reverted(reverted.clone());
                format!("it is no such error: {}", self.shared.why(&failure))
            }
        };
        let name = self.name();
        self.fail(&format!(
            "{name} should have failed with {expected:?}; {found}"
        ))
    }

    /// Expects that the contract failed with this outcome: out of gas, for example, or a trap.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub fn expect_outcome(&self, outcome: Outcome) -> &Self {
        if outcome == Outcome::Success {
            return self.expect_success();
        }
        let reverted = self.expect_reverted();
        if reverted.outcome != outcome {
            self.fail(&format!(
                "{} should have failed with {outcome:?}, and failed with {:?}: {}",
                self.name(),
                reverted.outcome,
                self.shared.why(&CallFailure::Reverted(reverted.clone()))
            ));
        }
        self
    }

    /// Expects that the call could not start, and that the reason contains `text`.
    ///
    /// # Panics
    /// When it started.
    #[track_caller]
    pub fn expect_rejected(&self, text: &str) -> &Self {
        let what = match &self.answer.result {
            Err(CallFailure::Rejected { reason }) if reason.contains(text) => return self,
            Ok(_) => "and it succeeded".to_owned(),
            Err(other) => format!("and it was {}", self.shared.why(other)),
        };
        let name = self.name();
        self.fail(&format!(
            "{name} should have been rejected with {text:?}, {what}"
        ))
    }

    /// Expects an event of any contract with this topic, whose data is a `T` that `is_expected` accepts.
    ///
    /// # Panics
    /// When there is none, saying what the events with this topic were.
    #[track_caller]
    pub fn expect_event<T: Decode + fmt::Debug>(
        &self,
        topic: &str,
        is_expected: impl Fn(&T) -> bool,
    ) -> &Self {
        self.expect_event_of(None, topic, &is_expected)
    }

    /// Expects an event of this contract.
    ///
    /// # Panics
    /// As [`expect_event`](Self::expect_event).
    #[track_caller]
    pub fn expect_event_from<T: Decode + fmt::Debug>(
        &self,
        contract: ContractId,
        topic: &str,
        is_expected: impl Fn(&T) -> bool,
    ) -> &Self {
        self.expect_event_of(Some(contract), topic, &is_expected)
    }

    /// Expects that no event with this topic happened.
    ///
    /// # Panics
    /// When one did.
    #[track_caller]
    pub fn expect_no_event(&self, topic: &str) -> &Self {
        let there = self.events().iter().filter(|event| event.topic == topic);
        match there.count() {
            0 => self,
            count => self.fail(&format!(
                "{} should have emitted no `{topic}`, and emitted {count}",
                self.name()
            )),
        }
    }

    /// Expects that the call spent at most so much gas. Gas is exact: the same call spends the same everywhere.
    ///
    /// # Panics
    /// When it spent more.
    #[track_caller]
    pub fn assert_gas(&self, at_most: u64) -> &Self {
        let spent = self.gas_spent();
        if spent > at_most {
            let more = spent - at_most;
            self.fail(&format!(
                "{} spent {spent} gas, {more} more than the {at_most} expected",
                self.name()
            ));
        }
        self
    }

    #[track_caller]
    fn expect_reverted(&self) -> &Reverted {
        match &self.answer.result {
            Err(CallFailure::Reverted(reverted)) => reverted,
            Ok(_) => self.fail(&format!(
                "{} should have failed, and succeeded",
                self.name()
            )),
            Err(other) => self.fail(&format!(
                "{} should have failed, and was {}",
                self.name(),
                self.shared.why(other)
            )),
        }
    }

    #[track_caller]
    fn expect_event_of<T: Decode + fmt::Debug>(
        &self,
        contract: Option<ContractId>,
        topic: &str,
        is_expected: &dyn Fn(&T) -> bool,
    ) -> &Self {
        let of_contract = |event: &&Event| contract.is_none_or(|source| source == event.source);
        let candidates = self.events().iter().filter(of_contract);
        let candidates = candidates.filter(|event| event.topic == topic);
        let decoded: Vec<Result<T, CodecError>> =
            candidates.map(|event| decode(&event.data)).collect();
        if decoded.iter().flatten().any(is_expected) {
            return self;
        }
        let of = contract.map(|source| format!(" of {}", self.shared.labels.of(&source)));
        self.fail(&format!(
            "{} should have emitted `{topic}`{} as expected; {}",
            self.name(),
            of.unwrap_or_default(),
            self.others(&decoded)
        ))
    }

    /// What there was in place of the event that was expected.
    fn others<T: fmt::Debug>(&self, decoded: &[Result<T, CodecError>]) -> String {
        if !decoded.is_empty() {
            let texts = decoded.iter().map(|event| match event {
                Ok(value) => format!("{value:?}"),
                Err(error) => error.to_string(),
            });
            let texts: Vec<String> = texts.collect();
            return format!("those with this topic are: {}", texts.join("; "));
        }
        let topics = self.events().iter().map(|event| event.topic.as_bytes());
        let topics: Vec<String> = topics.map(harmless).collect();
        match (topics.is_empty(), self.reverted_events().len()) {
            (true, 0) => "it emitted nothing".to_owned(),
            (true, reverted) => format!("its {reverted} events were reverted"),
            (false, _) => format!("it emitted: {}", topics.join(", ")),
        }
    }

    fn lazy_trace(&self) -> LazyTrace {
        LazyTrace::new(&self.shared, &self.answer)
    }

    fn name(&self) -> String {
        let contract = self.shared.labels.of(&self.contract);
        format!("{contract}::{}", harmless(self.function.as_bytes()))
    }

    fn failed(&self, failure: &CallFailure) -> Failed {
        match failure {
            CallFailure::Reverted(reverted) => Failed::Reverted {
                reverted: Box::new(reverted.clone()),
                text: self.shared.why(failure),
                trace: self.lazy_trace(),
            },
            CallFailure::Rejected { reason } => Failed::Rejected {
                reason: self.shared.labels.put_into(reason),
            },
            CallFailure::Fatal { reason } => Failed::Fatal {
                reason: self.shared.labels.put_into(reason),
            },
        }
    }

    #[track_caller]
    fn fail(&self, headline: &str) -> ! {
        let trace = self.trace(None);
        let capsule = self.shared.save_capsule();
        panic!("{headline}\n\n{trace}{capsule}")
    }
}

impl Called<Vec<u8>> {
    pub(super) fn into_answer(self) -> CallAnswer {
        Arc::unwrap_or_clone(self.answer)
    }

    /// The same once more, for who keeps it.
    pub(super) fn again(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            contract: self.contract,
            function: self.function.clone(),
            answer: self.answer.clone(),
            _result: PhantomData,
        }
    }
}
