//! The host queries of a VM: by name, in force in some blocks or in all, raw or typed.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crostata_abi::typed::{Decode, Encode, decode, encode};

use crate::engine::{BlockContext, Heights, HostQuery, QueryContext, QueryError};

/// Host queries by name.
///
/// A name may have several, at heights that do not meet: one query until some height, another from there on.
#[derive(Clone, Default)]
pub struct HostQueries {
    queries: BTreeMap<String, Vec<Registered>>,
}

#[derive(Clone)]
struct Registered {
    heights: Heights,
    query: Arc<dyn HostQuery>,
}

/// A query of this name is in force at some of the heights already.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the host query `{name}` is registered {there} already, which meets {new}; let one end where the other begins"
)]
pub struct HeightsTaken {
    /// The name.
    pub name: String,
    /// When the one that is there is in force.
    pub there: Heights,
    /// When the new one would be.
    pub new: Heights,
}

impl HostQueries {
    /// Adds a query in place of all of that name.
    pub fn insert(&mut self, name: impl Into<String>, query: impl HostQuery + 'static) {
        self.queries
            .insert(name.into(), vec![Registered::new(query)]);
    }

    /// Adds a query beside those of that name.
    ///
    /// # Errors
    /// [`HeightsTaken`] when one of them is in force at one of its [`heights`](HostQuery::heights).
    pub fn add(
        &mut self,
        name: impl Into<String>,
        query: impl HostQuery + 'static,
    ) -> Result<(), HeightsTaken> {
        let (name, new) = (name.into(), Registered::new(query));
        let there = self.queries.entry(name.clone()).or_default();
        if let Some(met) = there.iter().find(|one| one.heights.meet(&new.heights)) {
            let there = met.heights.clone();
            let new = new.heights;
            return Err(HeightsTaken { name, there, new });
        }
        there.push(new);
        Ok(())
    }

    /// The query of this name that is in force in a block, or without one.
    pub fn get(&self, name: &str, block: Option<&BlockContext>) -> Option<&Arc<dyn HostQuery>> {
        let mut named = self.queries.get(name)?.iter();
        let found = named.find(|one| one.heights.contain(block));
        found.map(|found| &found.query)
    }

    /// The names, sorted, whenever the queries are in force.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.queries.keys().map(String::as_str)
    }
}

impl Registered {
    fn new(query: impl HostQuery + 'static) -> Self {
        Self {
            heights: query.heights(),
            query: Arc::new(query),
        }
    }
}

impl fmt::Debug for HostQueries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.queries.keys()).finish()
    }
}

/// The methods of a query that say in which blocks it is in force.
macro_rules! in_some_blocks {
    () => {
        /// The same query, in force from the block of this height on. Sessions without a block do not have it.
        #[must_use]
        pub fn from_height(mut self, height: u64) -> Self {
            self.heights = self.heights.from_height(height);
            self
        }

        /// The same query, in force in blocks below this height. Sessions without a block do not have it.
        #[must_use]
        pub fn until_height(mut self, height: u64) -> Self {
            self.heights = self.heights.until_height(height);
            self
        }
    };
}

type PriceOf = dyn Fn(&QueryContext<'_>, &[u8]) -> u64 + Send + Sync;

/// A host query made of a function over types, and a price.
///
/// The argument is decoded where it lies in the contract's memory, and checked; one that is no archive of its type is refused, and the contract
/// that asked traps.
///
/// ```
/// use crostata::{Query, QueryContext, QueryError};
///
/// # let mut vm = crostata::VM::ephemeral()?;
/// let sum = Query::new(200, |_: &QueryContext, (one, other): (u64, u64)| {
///     one.checked_add(other).ok_or_else(|| QueryError("too much".to_owned()))
/// });
/// vm.register_query("sum", sum)?;
///
/// // Until a height, one rule, and from there on another; the price goes by the length of the argument.
/// let price = |_: &QueryContext, argument: &[u8]| 100 + argument.len() as u64;
/// let old = Query::priced_by(price, |_: &QueryContext, name: String| Ok(name.len() as u64));
/// let new = Query::new(90, |_: &QueryContext, name: String| Ok(name.chars().count() as u64));
/// vm.register_query("length", old.until_height(1_000))?;
/// vm.register_query("length", new.from_height(1_000))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Query<A, R, F> {
    price: Price,
    heights: Heights,
    answer: F,
    types: PhantomData<fn(A) -> R>,
}

enum Price {
    Flat(u64),
    By(Box<PriceOf>),
}

impl<A, R, F> Query<A, R, F>
where
    A: Decode,
    R: Encode,
    F: Fn(&QueryContext<'_>, A) -> Result<R, QueryError> + Send + Sync,
{
    /// A query that costs `price_gas`, whatever its argument, and answers with `answer`.
    pub fn new(price_gas: u64, answer: F) -> Self {
        Self::priced(Price::Flat(price_gas), answer)
    }

    /// A query whose price in gas follows from the context and the argument's bytes. Finding the price must be cheap.
    pub fn priced_by(
        price: impl Fn(&QueryContext<'_>, &[u8]) -> u64 + Send + Sync + 'static,
        answer: F,
    ) -> Self {
        Self::priced(Price::By(Box::new(price)), answer)
    }

    fn priced(price: Price, answer: F) -> Self {
        Self {
            price,
            heights: Heights::ALWAYS,
            answer,
            types: PhantomData,
        }
    }

    in_some_blocks!();
}

impl<A, R, F> fmt::Debug for Query<A, R, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query")
            .field("heights", &self.heights)
            .finish_non_exhaustive()
    }
}

impl<A, R, F> HostQuery for Query<A, R, F>
where
    A: Decode,
    R: Encode,
    F: Fn(&QueryContext<'_>, A) -> Result<R, QueryError> + Send + Sync,
{
    fn price(&self, context: &QueryContext<'_>, argument: &[u8]) -> u64 {
        match &self.price {
            Price::Flat(price_gas) => *price_gas,
            Price::By(price) => price(context, argument),
        }
    }

    fn answer(&self, context: &QueryContext<'_>, argument: &[u8]) -> Result<Vec<u8>, QueryError> {
        let argument = decode(argument).map_err(|error| QueryError(error.to_string()))?;
        let answer = (self.answer)(context, argument)?;
        encode(&answer).map_err(|error| QueryError(error.to_string()))
    }

    fn heights(&self) -> Heights {
        self.heights.clone()
    }
}

/// A host query made of a function over bytes and a flat price in gas.
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
    heights: Heights,
    answer: F,
}

impl<F: Fn(&[u8]) -> Result<Vec<u8>, QueryError> + Send + Sync> PricedQuery<F> {
    /// A query that costs `price_gas`, whatever its argument, and answers with `answer`.
    pub fn new(price_gas: u64, answer: F) -> Self {
        Self {
            price_gas,
            heights: Heights::ALWAYS,
            answer,
        }
    }

    in_some_blocks!();
}

impl<F: Fn(&[u8]) -> Result<Vec<u8>, QueryError> + Send + Sync> HostQuery for PricedQuery<F> {
    fn price(&self, _: &QueryContext<'_>, _: &[u8]) -> u64 {
        self.price_gas
    }

    fn answer(&self, _: &QueryContext<'_>, argument: &[u8]) -> Result<Vec<u8>, QueryError> {
        (self.answer)(argument)
    }

    fn heights(&self) -> Heights {
        self.heights.clone()
    }
}
