//! What the sessions of a VM did, in numbers. A session counts for itself and hands its numbers over when it is sealed, committed or
//! dropped, so that no call touches what threads share.

use std::sync::atomic::{AtomicU64, Ordering};

use super::error::{Error, Rejected};
use super::lanes::Ended;
use super::receipt::CallReceipt;
use super::run::Session;

macro_rules! activity {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What the sessions of a VM did since it was opened. For watching only. A session's part is in it from when the session was last
        /// sealed, committed or dropped.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        #[non_exhaustive]
        pub struct SessionCounters {
            $($(#[$doc])* pub $name: u64,)*
        }

        /// The numbers of all sessions of a VM.
        #[derive(Debug, Default)]
        pub struct Activity {
            $($name: AtomicU64,)*
        }

        impl Activity {
            /// Adds what a session did, which then has done nothing.
            pub fn take(&self, did: &mut SessionCounters) {
                let did = std::mem::take(did);
                $(if did.$name != 0 {
                    self.$name.fetch_add(did.$name, Ordering::Relaxed);
                })*
            }

            /// The numbers now.
            pub fn read(&self) -> SessionCounters {
                SessionCounters {
                    $($name: self.$name.load(Ordering::Relaxed),)*
                }
            }
        }
    };
}

activity! {
    /// Sessions that ended.
    sessions,
    /// Calls from the host that succeeded, constructors included.
    succeeded,
    /// Calls that reverted.
    reverted,
    /// Calls that could not start.
    rejected,
    /// Calls that the host failed at.
    fatal,
    /// Calls past the deadline of their session.
    timed_out,
    /// Gas that calls spent, of sessions that are dropped too.
    gas_spent,
    /// Pages that calls touched, as the limit on them counts: a page that is read, then written, and copied for a savepoint is three.
    pages_touched,
    /// Contracts deployed.
    deployed,
    /// Sessions that were sealed or committed.
    sealed,
}

impl Session {
    /// Counts a call that ended.
    pub(super) fn count_call(&mut self, result: &Result<CallReceipt<Vec<u8>>, Error>) {
        let runner = self.runner.as_ref();
        let pages_touched = runner.map_or(0, |runner| runner.pages_touched());
        self.count(result, pages_touched);
    }

    /// Counts a call that ran ahead and stays.
    pub(crate) fn count_ended(&mut self, ended: &Ended) {
        // One after another, a call that can not have its data is not begun.
        if !matches!(ended.result, Err(Error::Rejected(Rejected::Datum(_)))) {
            self.count(&ended.result, ended.pages_touched);
        }
    }

    fn count(&mut self, result: &Result<CallReceipt<Vec<u8>>, Error>, pages_touched: u64) {
        let gas_spent = match result {
            Ok(receipt) => Some(receipt.gas_spent),
            Err(Error::Reverted(reverted)) => Some(reverted.receipt.gas_spent),
            Err(_) => None,
        };
        let did = &mut self.did;
        if let Some(gas_spent) = gas_spent {
            did.gas_spent = did.gas_spent.saturating_add(gas_spent);
            did.pages_touched += pages_touched;
        }
        match result {
            Ok(_) => did.succeeded += 1,
            Err(Error::Reverted(_)) => did.reverted += 1,
            Err(Error::Timeout) => did.timed_out += 1,
            Err(Error::Fatal(_)) => did.fatal += 1,
            Err(_) => did.rejected += 1,
        }
    }

    /// Hands over what was counted.
    pub(super) fn hand_over_counts(&mut self) {
        if let Some(runner) = &self.runner {
            runner.host().runtime.shared().activity.take(&mut self.did);
        }
    }
}
