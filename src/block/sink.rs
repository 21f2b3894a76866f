//! Who hears of a block's transactions as they are done: events, feeds, receipts. Hearing changes nothing.
//!
//! What is told of a transaction is bounded by what the protocol lets one emit and feed, and a [`Subscription`] holds no more transactions than it was
//! given room for: there is no queue without a bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};

use super::executed::Executed;

/// Hears of each transaction of a block in the block's order, rejected ones too, when it is done.
///
/// It is told on the thread that executes the block, which waits for it. Nothing that it does changes a result.
pub trait Sink {
    /// Hears of a transaction.
    fn executed(&mut self, executed: &Arc<Executed>);
}

impl<F: FnMut(&Arc<Executed>)> Sink for F {
    fn executed(&mut self, executed: &Arc<Executed>) {
        self(executed);
    }
}

/// Hears nothing.
pub struct Deaf;

impl Sink for Deaf {
    fn executed(&mut self, _: &Arc<Executed>) {}
}

/// What happens when a subscriber has no room for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// The block waits until there is room, or the subscriber is gone. The subscriber must be on another thread, and is trusted to go on.
    Wait,
    /// The transaction is dropped for this subscriber, and counted.
    Drop,
    /// The subscription ends: the subscriber gets what was there, and then its end.
    Close,
}

/// The end of a subscription that a block tells.
#[derive(Debug)]
pub struct Publisher {
    sender: Option<SyncSender<Arc<Executed>>>,
    when_full: WhenFull,
    counts: Arc<Counts>,
}

/// The end of a subscription that hears of a block's transactions, on any thread.
#[derive(Debug)]
pub struct Subscription {
    receiver: Receiver<Arc<Executed>>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    dropped: AtomicU64,
}

/// Why a subscription gives nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NothingHeard {
    /// There is nothing at the moment.
    #[error("no transaction was done yet")]
    Yet,
    /// There will be nothing more: the publisher is gone, or closed the subscription because it was full.
    #[error("the subscription has ended")]
    Ended,
}

/// A subscription with room for so many transactions, at least one.
///
/// ```
/// use crostata::{subscription, WhenFull};
///
/// let (mut publisher, subscription) = subscription(1_024, WhenFull::Drop);
/// let listener = std::thread::spawn(move || subscription.into_iter().count());
/// // block.execute_all_into(&transactions, &mut publisher)?;
/// drop(publisher);
/// assert_eq!(listener.join().unwrap(), 0);
/// ```
pub fn subscription(capacity: usize, when_full: WhenFull) -> (Publisher, Subscription) {
    let (sender, receiver) = sync_channel(capacity.max(1));
    let counts = Arc::new(Counts::default());
    let publisher = Publisher {
        sender: Some(sender),
        when_full,
        counts: counts.clone(),
    };
    (publisher, Subscription { receiver, counts })
}

impl Publisher {
    /// Whether somebody may still hear.
    pub fn is_open(&self) -> bool {
        self.sender.is_some()
    }

    /// Transactions that found no room.
    pub fn dropped(&self) -> u64 {
        self.counts.dropped.load(Ordering::Relaxed)
    }
}

impl Sink for Publisher {
    fn executed(&mut self, executed: &Arc<Executed>) {
        let Some(sender) = &self.sender else {
            return;
        };
        let is_gone = match self.when_full {
            WhenFull::Wait => sender.send(executed.clone()).is_err(),
            WhenFull::Drop | WhenFull::Close => match sender.try_send(executed.clone()) {
                Ok(()) => false,
                Err(TrySendError::Disconnected(_)) => true,
                Err(TrySendError::Full(_)) => {
                    self.counts.dropped.fetch_add(1, Ordering::Relaxed);
                    self.when_full == WhenFull::Close
                }
            },
        };
        if is_gone {
            self.sender = None;
        }
    }
}

impl Subscription {
    /// The next transaction, if one is there.
    ///
    /// # Errors
    /// [`NothingHeard`].
    pub fn try_next(&self) -> Result<Arc<Executed>, NothingHeard> {
        self.receiver.try_recv().map_err(|error| match error {
            TryRecvError::Empty => NothingHeard::Yet,
            TryRecvError::Disconnected => NothingHeard::Ended,
        })
    }

    /// Transactions that found no room.
    pub fn dropped(&self) -> u64 {
        self.counts.dropped.load(Ordering::Relaxed)
    }
}

/// Waits for each transaction, until the end of the subscription.
impl Iterator for Subscription {
    type Item = Arc<Executed>;

    fn next(&mut self) -> Option<Arc<Executed>> {
        self.receiver.recv().ok()
    }
}
