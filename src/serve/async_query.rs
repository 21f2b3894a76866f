//! The asynchronous host queries of a service.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use crate::engine::{AnswerFuture, AsyncHostQuery, QueryContext, QueryError as AnswerError};

/// Asynchronous host queries by name.
#[derive(Clone, Default)]
pub struct AsyncQueries(BTreeMap<String, Arc<dyn AsyncHostQuery>>);

impl AsyncQueries {
    /// Adds a query, or replaces the one of that name.
    pub fn insert(&mut self, name: impl Into<String>, query: impl AsyncHostQuery + 'static) {
        self.0.insert(name.into(), Arc::new(query));
    }

    /// The query of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn AsyncHostQuery>> {
        self.0.get(name)
    }
}

impl fmt::Debug for AsyncQueries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// An asynchronous host query made of a function that gives a future, and a flat price in gas.
///
/// ```
/// use crostata::serve::PricedAsyncQuery;
///
/// let double = PricedAsyncQuery::new(100, |argument: Vec<u8>| async move { Ok(argument.repeat(2)) });
/// ```
#[derive(Debug, Clone)]
pub struct PricedAsyncQuery<F> {
    price_gas: u64,
    answer: F,
}

impl<F, A> PricedAsyncQuery<F>
where
    F: Fn(Vec<u8>) -> A + Send + Sync,
    A: Future<Output = Result<Vec<u8>, AnswerError>> + Send + 'static,
{
    /// A query that costs `price_gas`, whatever its argument, and answers with what becomes of `answer`'s future.
    pub fn new(price_gas: u64, answer: F) -> Self {
        Self { price_gas, answer }
    }
}

impl<F, A> AsyncHostQuery for PricedAsyncQuery<F>
where
    F: Fn(Vec<u8>) -> A + Send + Sync,
    A: Future<Output = Result<Vec<u8>, AnswerError>> + Send + 'static,
{
    fn price(&self, _: &QueryContext<'_>, _: &[u8]) -> u64 {
        self.price_gas
    }

    fn answer(&self, _: &QueryContext<'_>, argument: &[u8]) -> AnswerFuture {
        Box::pin((self.answer)(argument.to_vec()))
    }
}
