//! Transactions that wait for a block: with limits, each once, each sender's in the order of the nonces.
//!
//! The pool is this node's own: what it refuses others may accept. It looks at signatures when transactions come, so that proposing does not, and
//! at the sender's account as the final state has it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::account::{Account, AccountState};
use crate::digest::TransactionDigest;
use crate::rules::Rules;
use crate::run::{Unfit, price};
use crate::transaction::{SignatureError, Transaction, Verified};

/// How much may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolLimits {
    /// Transactions.
    pub transactions_max: usize,
    /// Their bytes.
    pub bytes_max: usize,
    /// Transactions of one sender.
    pub sender_transactions_max: usize,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            transactions_max: 50_000,
            bytes_max: 64 << 20,
            sender_transactions_max: 1_024,
        }
    }
}

/// Why a transaction was not taken into the pool.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It waits already.
    #[error("the transaction waits already")]
    Duplicate,
    /// The signature does not hold.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// It is longer than the chain's rules allow.
    #[error("it has {len_bytes} bytes, and the chain allows {max_bytes}")]
    TooLong {
        /// Its length.
        len_bytes: usize,
        /// The limit.
        max_bytes: usize,
    },
    /// Its price, or its limit of gas, does not do.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// No block has so much gas.
    #[error("its limit of {limit_gas} gas does not fit into a block, which has {block_gas}")]
    NoBlock {
        /// The limit.
        limit_gas: u64,
        /// What blocks have.
        block_gas: u64,
    },
    /// The nonce was used.
    #[error("nonce {given} was used; the next one is {next}")]
    NonceUsed {
        /// Its nonce.
        given: u64,
        /// The next one.
        next: u64,
    },
    /// The nonce is too far ahead of what the sender's account is at.
    #[error(
        "nonce {given} is too far ahead of {next}: at most {ahead_max} transactions of a sender wait"
    )]
    NonceAhead {
        /// Its nonce.
        given: u64,
        /// The next one.
        next: u64,
        /// The limit.
        ahead_max: u64,
    },
    /// The sender can not pay for all that waits.
    #[error("the sender has {has}, and what waits may cost {needs}")]
    Balance {
        /// What the sender has.
        has: u64,
        /// What all transactions of the sender may cost.
        needs: u64,
    },
    /// Another transaction with this nonce waits, and this one does not offer a tenth more.
    #[error("another transaction has the nonce; to replace it offer {least} for a unit of gas")]
    Replacement {
        /// What replaces it.
        least: u64,
    },
    /// The pool is full of transactions that offer at least as much.
    #[error("{transactions} transactions of {bytes} bytes wait, none of which offers less")]
    Full {
        /// How many wait.
        transactions: usize,
        /// Their bytes.
        bytes: usize,
    },
}

#[derive(Debug, Clone)]
struct Waiting {
    transaction: Transaction,
    /// The order in which transactions came.
    arrival: u64,
    /// The most that its fee can be.
    cost: u64,
}

/// Transactions that wait.
#[derive(Debug)]
pub struct Pool {
    rules: Rules,
    limits: PoolLimits,
    senders: HashMap<Account, BTreeMap<u64, Waiting>>,
    known: HashMap<TransactionDigest, (Account, u64)>,
    /// All of them by what they offer, the least first; of those that offer the same the latest first.
    by_price: BTreeSet<(u64, std::cmp::Reverse<u64>, TransactionDigest)>,
    len_bytes: usize,
    arrivals: u64,
}

impl Pool {
    /// An empty pool for a chain of these rules.
    pub fn new(rules: Rules, limits: PoolLimits) -> Self {
        Self {
            rules,
            limits,
            senders: HashMap::new(),
            known: HashMap::new(),
            by_price: BTreeSet::new(),
            len_bytes: 0,
            arrivals: 0,
        }
    }

    /// Whether a transaction would be taken, the signature aside, which takes longer to look at than everything else: the most that it can cost.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn check(&self, transaction: &Transaction, account: AccountState) -> Result<u64, Refusal> {
        if self.known.contains_key(&transaction.digest()) {
            return Err(Refusal::Duplicate);
        }
        let cost = self.require_terms(transaction)?;
        self.require_place(transaction, account, cost)?;
        Ok(cost)
    }

    /// Takes a transaction, given what the final state says of its sender.
    ///
    /// # Errors
    /// [`Refusal`]; the pool is as before.
    pub fn add(
        &mut self,
        transaction: Verified,
        account: AccountState,
    ) -> Result<TransactionDigest, Refusal> {
        let transaction = transaction.into_transaction();
        let cost = self.check(&transaction, account)?;
        self.make_room(&transaction)?;
        let digest = transaction.digest();
        self.insert(transaction, cost);
        Ok(digest)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// How many bytes wait.
    pub fn len_bytes(&self) -> usize {
        self.len_bytes
    }

    /// Whether a transaction waits, so that its signature holds.
    pub fn contains(&self, transaction: &TransactionDigest) -> bool {
        self.known.contains_key(transaction)
    }

    /// How many transactions of a sender wait, from this nonce on and without a gap: the next nonce to sign with.
    pub fn next_nonce(&self, sender: &Account, nonce: u64) -> u64 {
        let waiting = self.senders.get(sender);
        let run = waiting.map(|waiting| run_from(waiting, nonce).count() as u64);
        nonce.saturating_add(run.unwrap_or_default())
    }

    /// What to offer for a block: at most so many, best paid first, each sender's in order, without those that are in blocks which are not
    /// final yet.
    pub fn offer(&self, max: usize, pending: &BTreeSet<TransactionDigest>) -> Vec<Transaction> {
        let mut offered = Vec::new();
        let mut next: BTreeSet<Candidate<'_>> = BTreeSet::new();
        for waiting in self.senders.values() {
            next.extend(candidate(waiting.values(), pending));
        }
        while let Some(best) = next.pop_last() {
            if offered.len() >= max {
                break;
            }
            offered.push(best.waiting.transaction.clone());
            let waiting = &self.senders[&best.waiting.transaction.sender()];
            let after = best.waiting.transaction.draft().nonce.saturating_add(1);
            next.extend(candidate(run_from(waiting, after), pending));
        }
        offered
    }

    /// Whether there is anything to offer.
    pub fn has_offer(&self, pending: &BTreeSet<TransactionDigest>) -> bool {
        let mut senders = self.senders.values();
        senders.any(|waiting| candidate(waiting.values(), pending).is_some())
    }

    /// Forgets what a final block has, and what can never be in one again: everything of its senders below their next nonces.
    pub fn finalized(&mut self, transactions: &[Transaction]) {
        for transaction in transactions {
            let next = transaction.draft().nonce.saturating_add(1);
            self.forget_below(&transaction.sender(), next);
        }
    }

    /// Who signed a transaction that waits.
    pub fn sender(&self, transaction: &TransactionDigest) -> Option<Account> {
        self.known.get(transaction).map(|(sender, _)| *sender)
    }

    /// Forgets what a sender used up the nonces of, and of the rest what can not be paid for any more, the latest first.
    pub fn refresh(&mut self, sender: &Account, account: AccountState) {
        self.forget_below(sender, account.nonce);
        let waiting = self.senders.get(sender).into_iter().flatten();
        let mut left = account.balance;
        let unpaid = waiting.filter_map(|(nonce, waiting)| match left.checked_sub(waiting.cost) {
            Some(rest) => {
                left = rest;
                None
            }
            None => Some(*nonce),
        });
        for nonce in unpaid.collect::<Vec<_>>() {
            self.take(sender, nonce);
        }
    }

    /// Forgets a transaction that turned out not to fit into any block.
    pub fn remove(&mut self, transaction: &TransactionDigest) {
        if let Some((sender, nonce)) = self.known.get(transaction).copied() {
            self.take(&sender, nonce);
        }
    }

    fn forget_below(&mut self, sender: &Account, next: u64) {
        let Some(waiting) = self.senders.get(sender) else {
            return;
        };
        let used: Vec<u64> = waiting.range(..next).map(|(nonce, _)| *nonce).collect();
        for nonce in used {
            self.take(sender, nonce);
        }
    }

    /// What can be said without the sender's account.
    fn require_terms(&self, transaction: &Transaction) -> Result<u64, Refusal> {
        let len_bytes = transaction.bytes().len();
        let room = self.rules.block_bytes_max as usize;
        let room = room.saturating_sub(crate::Block::EMPTY_BYTES + 4);
        let max_bytes = room.min(self.rules.transaction_bytes_max as usize);
        if len_bytes > max_bytes {
            return Err(Refusal::TooLong {
                len_bytes,
                max_bytes,
            });
        }
        let limit_gas = transaction.draft().limit_gas;
        let block_gas = self.rules.block_gas;
        // What the chain does at the block's beginning and around the transaction.
        let around = self.rules.system_gas.saturating_mul(3);
        if limit_gas > block_gas.saturating_sub(around) {
            return Err(Refusal::NoBlock {
                limit_gas,
                block_gas,
            });
        }
        Ok(price(transaction, &self.rules)?)
    }

    /// What can be said with it.
    fn require_place(
        &self,
        transaction: &Transaction,
        account: AccountState,
        cost: u64,
    ) -> Result<(), Refusal> {
        let (given, next) = (transaction.draft().nonce, account.nonce);
        if given < next {
            return Err(Refusal::NonceUsed { given, next });
        }
        let ahead_max = self.limits.sender_transactions_max as u64;
        if given - next >= ahead_max {
            return Err(Refusal::NonceAhead {
                given,
                next,
                ahead_max,
            });
        }
        let waiting = self.senders.get(&transaction.sender());
        let waiting = waiting.into_iter().flatten();
        let others = waiting.filter(|(nonce, _)| **nonce != given);
        let costs = others.map(|(_, waiting)| waiting.cost);
        let needs = costs.fold(cost, u64::saturating_add);
        match needs <= account.balance {
            true => self.require_better(transaction),
            false => Err(Refusal::Balance {
                has: account.balance,
                needs,
            }),
        }
    }

    /// That it may replace what waits with its nonce.
    fn require_better(&self, transaction: &Transaction) -> Result<(), Refusal> {
        let waiting = self.senders.get(&transaction.sender());
        let other = waiting.and_then(|waiting| waiting.get(&transaction.draft().nonce));
        let Some(other) = other else {
            return Ok(());
        };
        let price = other.transaction.draft().gas_price;
        let least = price.saturating_add(price.div_ceil(10).max(1));
        match transaction.draft().gas_price >= least {
            true => Ok(()),
            false => Err(Refusal::Replacement { least }),
        }
    }

    /// Lets go of what offers less, until there is room.
    fn make_room(&mut self, transaction: &Transaction) -> Result<(), Refusal> {
        let len_bytes = transaction.bytes().len();
        let (mut count, mut bytes) = (self.len(), self.len_bytes);
        let mut leaving = Vec::new();
        let mut cheapest = self.by_price.iter();
        while count >= self.limits.transactions_max || bytes + len_bytes > self.limits.bytes_max {
            let full = Refusal::Full {
                transactions: self.len(),
                bytes: self.len_bytes,
            };
            let (price, _, digest) = cheapest.next().ok_or(full.clone())?;
            if *price >= transaction.draft().gas_price {
                return Err(full);
            }
            leaving.push(*digest);
            count -= 1;
            bytes -= self.len_of(digest);
        }
        leaving.iter().for_each(|digest| self.remove(digest));
        Ok(())
    }

    fn len_of(&self, digest: &TransactionDigest) -> usize {
        let place = self.known.get(digest);
        let waiting = place.and_then(|(sender, nonce)| self.senders.get(sender)?.get(nonce));
        waiting.map_or(0, |waiting| waiting.transaction.bytes().len())
    }

    fn insert(&mut self, transaction: Transaction, cost: u64) {
        let (sender, nonce) = (transaction.sender(), transaction.draft().nonce);
        self.take(&sender, nonce);
        self.arrivals += 1;
        let arrival = self.arrivals;
        self.len_bytes += transaction.bytes().len();
        self.known.insert(transaction.digest(), (sender, nonce));
        self.by_price.insert(key(&transaction, arrival));
        let waiting = Waiting {
            transaction,
            arrival,
            cost,
        };
        let waitings = self.senders.entry(sender).or_default();
        waitings.insert(nonce, waiting);
    }

    fn take(&mut self, sender: &Account, nonce: u64) {
        let Some(waitings) = self.senders.get_mut(sender) else {
            return;
        };
        if let Some(taken) = waitings.remove(&nonce) {
            self.len_bytes -= taken.transaction.bytes().len();
            self.known.remove(&taken.transaction.digest());
            self.by_price
                .remove(&key(&taken.transaction, taken.arrival));
        }
        if waitings.is_empty() {
            self.senders.remove(sender);
        }
    }
}

fn key(
    transaction: &Transaction,
    arrival: u64,
) -> (u64, std::cmp::Reverse<u64>, TransactionDigest) {
    let price = transaction.draft().gas_price;
    (price, std::cmp::Reverse(arrival), transaction.digest())
}

/// A sender's next transaction.
struct Candidate<'a> {
    waiting: &'a Waiting,
}

impl Candidate<'_> {
    fn rank(&self) -> (u64, std::cmp::Reverse<u64>) {
        let price = self.waiting.transaction.draft().gas_price;
        (price, std::cmp::Reverse(self.waiting.arrival))
    }
}

impl PartialEq for Candidate<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Candidate<'_> {}

impl PartialOrd for Candidate<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Candidate<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

/// The first that is not pending.
fn candidate<'a>(
    mut waiting: impl Iterator<Item = &'a Waiting>,
    pending: &BTreeSet<TransactionDigest>,
) -> Option<Candidate<'a>> {
    let waiting = waiting.find(|waiting| !pending.contains(&waiting.transaction.digest()))?;
    Some(Candidate { waiting })
}

/// The transactions from a nonce on, up to the first gap.
fn run_from(waiting: &BTreeMap<u64, Waiting>, nonce: u64) -> impl Iterator<Item = &Waiting> {
    let nonces = nonce..;
    let run = waiting.range(nonce..).zip(nonces);
    run.take_while(|((found, _), wanted)| *found == wanted)
        .map(|((_, waiting), _)| waiting)
}
