//! Tests of contracts in the test's own process: a [`Chain`] over a VM in memory.
//!
//! All chains of a process share one engine and its compiled code; their states are their own.

mod answer;
mod in_process;
mod open;
mod overlay;
mod traces;

pub use crostata_testing::*;

#[doc(inline)]
pub use crostata_testing::contract;

pub use in_process::InProcess;

/// A chain whose contracts run in the test's process.
///
/// ```
/// use crostata::contract_bytecode;
/// use crostata::testing::Chain;
///
/// let mut chain = Chain::new();
/// let counter = chain.deploy(contract_bytecode!("counter")).label("counter").send();
/// chain.call::<_, ()>(counter, "increment", &()).expect_success();
/// assert_eq!(chain.call::<_, i64>(counter, "read_value", &()).value(), 0xfd);
/// ```
pub type Chain = crostata_testing::Chain<InProcess>;
