//! The host queries of a VM.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::engine::{HostQuery, QueryError};

/// Host queries by name.
#[derive(Clone, Default)]
pub struct HostQueries {
    queries: BTreeMap<String, Arc<dyn HostQuery>>,
}

impl HostQueries {
    /// Adds a query, or replaces the one of that name.
    pub fn insert(&mut self, name: impl Into<String>, query: impl HostQuery + 'static) {
        self.queries.insert(name.into(), Arc::new(query));
    }

    /// The query of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn HostQuery>> {
        self.queries.get(name)
    }

    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.queries.keys().map(String::as_str)
    }
}

impl fmt::Debug for HostQueries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.queries.keys()).finish()
    }
}

/// A host query made of a function and a flat price in gas.
///
/// ```
/// use crostata::PricedQuery;
///
/// let double = PricedQuery::new(100, |argument: &[u8]| Ok([argument, argument].concat()));
/// # let mut vm = crostata::VM::ephemeral().unwrap();
/// vm.register_host_query("double", double);
/// ```
#[derive(Debug, Clone)]
pub struct PricedQuery<F> {
    price_gas: u64,
    answer: F,
}

impl<F: Fn(&[u8]) -> Result<Vec<u8>, QueryError> + Send + Sync> PricedQuery<F> {
    /// A query that costs `price_gas`, whatever its argument, and answers with `answer`.
    pub fn new(price_gas: u64, answer: F) -> Self {
        Self { price_gas, answer }
    }
}

impl<F: Fn(&[u8]) -> Result<Vec<u8>, QueryError> + Send + Sync> HostQuery for PricedQuery<F> {
    fn price(&self, _: &[u8]) -> u64 {
        self.price_gas
    }

    fn answer(&self, argument: &[u8]) -> Result<Vec<u8>, QueryError> {
        (self.answer)(argument)
    }
}
