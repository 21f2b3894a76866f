//! crostata as the state machine of a replicated chain, whatever engine orders its blocks.
//!
//! [`Machine`] is what an engine of consensus needs of a state machine; [`VmMachine`] is that over a [`crostata::VM`]. What holds of a chain
//! beside the VM's own rules is here too: signed [`Transaction`]s, their fee, [`Block`]s and their limits ([`Rules`]), the [`Genesis`], and the [`Pool`]
//! of transactions that wait.
//!
//! What this crate never does: talk to peers, read a clock, or know which engine calls it.
#![cfg_attr(not(test), deny(clippy::unwrap_used))]

mod account;
mod block;
mod bytes;
mod difference;
mod digest;
mod error;
mod genesis;
mod machine;
mod pool;
mod rules;
mod run;
mod snapshot;
mod transaction;
mod vm;

pub use account::{Account, AccountState};
pub use block::{Block, BlockError, Header};
pub use bytes::{Malformed, Reader};
pub use difference::{Difference, difference, difference_of_committed};
pub use digest::{BlockDigest, ChainId, TransactionDigest};
pub use error::{ExecuteError, Fatal, FinalizeError, Invalid, OpenError};
pub use genesis::{Deployment, Genesis, GenesisError};
pub use machine::{Built, Context, Executed, Finalized, Machine, Roots};
pub use pool::{Pool, PoolLimits, Refusal};
pub use rules::Rules;
pub use run::{BANK, BANK_CODE, Outcome, Receipt, Unfit};
pub use snapshot::{Arrival, ArriveError, CURSOR_BYTES, Snapshot, VmSnapshot};
pub use transaction::{Action, Draft, SecretKey, SignatureError, Transaction, Verified};
pub use vm::{Sealed, VmMachine};
