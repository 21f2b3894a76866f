//! Answers of host queries: noted while a session is recorded, and given again where nobody can be asked.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::engine::{HostQuery, QueryContext, QueryError};

/// What came of one use of `hq`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The query's name.
    pub query: String,
    /// What was asked and answered; none if there is no such query.
    pub asked: Option<Asked>,
}

/// What a query was asked, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The argument.
    pub argument: Vec<u8>,
    /// The price in gas.
    pub price_gas: u64,
    /// What came of it.
    pub reply: Reply,
}

/// What a query said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Nothing: the gas did not suffice for its price.
    Unpaid,
    /// The answer.
    Answered(Vec<u8>),
    /// It can not answer this argument.
    Refused,
}

/// The answers of a session, in order.
#[derive(Debug, Clone, Default)]
pub struct AnswerLog(Arc<Mutex<Vec<Answer>>>);

impl AnswerLog {
    /// The query, so that its answers are noted.
    pub fn noting(
        &self,
        name: &str,
        query: Option<Arc<dyn HostQuery>>,
    ) -> Option<Arc<dyn HostQuery>> {
        let name = name.to_owned();
        match query {
            Some(query) => {
                let log = self.clone();
                Some(Arc::new(Noted { name, query, log }))
            }
            None => {
                self.push(name, None);
                None
            }
        }
    }

    /// The answers so far.
    pub fn answers(&self) -> Vec<Answer> {
        self.lock().clone()
    }

    fn push(&self, query: String, asked: Option<Asked>) {
        self.lock().push(Answer { query, asked });
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Answer>> {
        // Nothing that is done under the lock can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A query whose answers are noted.
struct Noted {
    name: String,
    query: Arc<dyn HostQuery>,
    log: AnswerLog,
}

impl HostQuery for Noted {
    fn price(&self, context: &QueryContext<'_>, argument: &[u8]) -> u64 {
        let price_gas = self.query.price(context, argument);
        let asked = Asked {
            argument: argument.to_vec(),
            price_gas,
            reply: Reply::Unpaid,
        };
        self.log.push(self.name.clone(), Some(asked));
        price_gas
    }

    fn answer(&self, context: &QueryContext<'_>, argument: &[u8]) -> Result<Vec<u8>, QueryError> {
        let answer = self.query.answer(context, argument);
        if let Some(asked) = self
            .log
            .lock()
            .last_mut()
            .and_then(|last| last.asked.as_mut())
        {
            asked.reply = match &answer {
                Ok(bytes) => Reply::Answered(bytes.clone()),
                Err(_) => Reply::Refused,
            };
        }
        answer
    }
}

/// Recorded answers, given to the same questions in the same order.
#[derive(Debug)]
pub struct Replay {
    answers: Vec<Answer>,
    state: Mutex<ReplayState>,
}

#[derive(Debug, Default)]
struct ReplayState {
    next: usize,
    /// The answer that was paid for and not given yet.
    due: bool,
    /// The first question that was not the recorded one.
    strayed: Option<usize>,
}

impl Replay {
    /// These answers.
    pub fn new(answers: Vec<Answer>) -> Arc<Self> {
        Arc::new(Self {
            answers,
            state: Mutex::default(),
        })
    }

    /// The recorded query of this name.
    pub fn query(self: &Arc<Self>, name: &str) -> Option<Arc<dyn HostQuery>> {
        let mut state = self.lock();
        self.settle(&mut state);
        let answer = self.answers.get(state.next);
        match answer.filter(|answer| answer.query == name) {
            None => {
                state.stray();
                None
            }
            Some(Answer { asked: None, .. }) => {
                state.next += 1;
                None
            }
            Some(_) => Some(Arc::new(Replayed(self.clone()))),
        }
    }

    /// The first answer, counted from 0, that did not fit the question.
    pub fn strayed_so_far(&self) -> Option<usize> {
        self.lock().strayed
    }

    /// The first answer, counted from 0, that did not fit the question, or that nobody asked for.
    pub fn strayed(&self) -> Option<usize> {
        let mut state = self.lock();
        self.settle(&mut state);
        let left = (state.next < self.answers.len()).then_some(state.next);
        state.strayed.or(left)
    }

    /// An answer that was paid for when it was recorded must have been given by now, and no other.
    fn settle(&self, state: &mut ReplayState) {
        let last = state
            .next
            .checked_sub(1)
            .and_then(|at| self.answers.get(at));
        let last = last.and_then(|last| last.asked.as_ref());
        if state.due && last.is_some_and(|asked| asked.reply != Reply::Unpaid) {
            state.stray();
        }
        state.due = false;
    }

    fn price(&self, argument: &[u8]) -> u64 {
        let mut state = self.lock();
        let asked = self
            .answers
            .get(state.next)
            .and_then(|answer| answer.asked.as_ref());
        match asked.filter(|asked| asked.argument == argument) {
            Some(asked) => {
                state.next += 1;
                state.due = true;
                asked.price_gas
            }
            None => {
                state.stray();
                u64::MAX
            }
        }
    }

    fn answer(&self) -> Result<Vec<u8>, QueryError> {
        let mut state = self.lock();
        state.due = false;
        let last = state
            .next
            .checked_sub(1)
            .and_then(|at| self.answers.get(at));
        match last
            .and_then(|last| last.asked.as_ref())
            .map(|asked| &asked.reply)
        {
            Some(Reply::Answered(bytes)) => Ok(bytes.clone()),
            Some(Reply::Refused) => Err(QueryError("refused when it was recorded".to_owned())),
            Some(Reply::Unpaid) | None => {
                state.next = state.next.saturating_sub(1);
                state.stray();
                Err(QueryError("not answered when it was recorded".to_owned()))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, ReplayState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReplayState {
    fn stray(&mut self) {
        self.strayed.get_or_insert(self.next);
    }
}

struct Replayed(Arc<Replay>);

impl HostQuery for Replayed {
    fn price(&self, _: &QueryContext<'_>, argument: &[u8]) -> u64 {
        self.0.price(argument)
    }

    fn answer(&self, _: &QueryContext<'_>, _: &[u8]) -> Result<Vec<u8>, QueryError> {
        self.0.answer()
    }
}
