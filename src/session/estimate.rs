//! The smallest gas limit that suffices for a call.

use crostata_abi::ContractId;

use super::error::{Error, Fatal};
use super::receipt::{CallReceipt, CallTreeElem};
use super::run::Session;

/// What a call needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Estimate {
    /// The gas limit: with it the call does what it did with the limit given, with one less it does not.
    pub gas_limit: u64,
    /// What the call did with the limit given.
    pub receipt: CallReceipt<Vec<u8>>,
    /// How often the call was run.
    pub runs: u32,
}

impl Session {
    /// Finds the smallest gas limit, up to `gas_limit_max`, with which a call does what it does with `gas_limit_max`: the
    /// same data and events, and frames that end the same way. Nothing of it stays.
    ///
    /// A call needs more than it spends: it must end with gas left, and a callee gets all but a sixty-fourth of what its
    /// caller has. A contract that looks at its gas may need one limit and fail with a greater one; the limit found is one
    /// that works where one less does not. Debug messages and the trace come from the first run only; host queries and the call
    /// hook are asked in each of about 40.
    ///
    /// ```
    /// # use crostata::{contract_bytecode, ContractData, SessionData, VM};
    /// # let vm = VM::ephemeral()?;
    /// # let mut session = vm.session(SessionData::builder())?;
    /// # let counter = session.deploy(contract_bytecode!("counter"), ContractData::builder(), 1_000_000)?;
    /// let estimate = session.estimate(counter, "increment", [], 1_000_000)?;
    /// assert!(session.call_raw(counter, "increment", [], estimate.gas_limit - 1).is_err());
    /// let receipt = session.call_raw(counter, "increment", [], estimate.gas_limit)?;
    /// assert_eq!(receipt.gas_spent, estimate.receipt.gas_spent);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Reverted`] if the call fails with `gas_limit_max`; otherwise as [`call_raw`](Self::call_raw).
    pub fn estimate(
        &mut self,
        contract: ContractId,
        function: &str,
        argument: impl AsRef<[u8]>,
        gas_limit_max: u64,
    ) -> Result<Estimate, Error> {
        let argument = argument.as_ref();
        let receipt = self.trial(contract, function, argument, gas_limit_max)?;
        let watch = self.suspend_watch();
        let profile = self.runner_mut()?.set_profile_aside();
        let debug = self.context_mut()?.debug.take();
        let found = self.smallest(contract, function, argument, &receipt);
        if let Ok(context) = self.context_mut() {
            context.debug = debug;
        }
        self.resume_watch(watch);
        if let Some(runner) = &mut self.runner {
            runner.go_back_to_profile(profile);
        }
        let (gas_limit, runs) = found?;
        Ok(Estimate {
            gas_limit,
            receipt,
            runs,
        })
    }

    /// Between a limit that does not suffice and one that does, closing in.
    fn smallest(
        &mut self,
        contract: ContractId,
        function: &str,
        argument: &[u8],
        wanted: &CallReceipt<Vec<u8>>,
    ) -> Result<(u64, u32), Error> {
        // What was spent is not enough, since a call succeeds only with gas left. But a callee that trapped spent a share
        // of all there was, so that less may do where a call failed below.
        let traps = wanted.call_tree.iter().any(|frame| frame.failure.is_some());
        let least = if traps { 0 } else { wanted.gas_spent };
        let (mut short, mut enough) = (least, wanted.gas_limit);
        let mut runs = 1;
        // Most calls need little more than they spend, so the first steps are small.
        let mut step = 1;
        while enough - short > 1 {
            let middle = short + (enough - short) / 2;
            let limit = short.saturating_add(step).min(middle);
            runs += 1;
            match self.trial(contract, function, argument, limit) {
                Ok(receipt) if is_same(&receipt, wanted) => {
                    enough = limit;
                    step = u64::MAX;
                }
                Ok(_) | Err(Error::Reverted(_)) => short = limit,
                Err(error) => return Err(error),
            }
            step = step.saturating_mul(8);
        }
        Ok((enough, runs))
    }

    /// A call of which nothing stays.
    fn trial(
        &mut self,
        contract: ContractId,
        function: &str,
        argument: &[u8],
        gas_limit: u64,
    ) -> Result<CallReceipt<Vec<u8>>, Error> {
        let before = self.savepoint()?;
        let receipt = self.call_raw(contract, function, argument, gas_limit);
        if !matches!(&receipt, Err(Error::Fatal(Fatal::Poisoned))) && !self.poisoned {
            self.rollback(before)?;
        }
        receipt
    }
}

/// Whether two runs did the same.
fn is_same(one: &CallReceipt<Vec<u8>>, other: &CallReceipt<Vec<u8>>) -> bool {
    one.data == other.data
        && one.events == other.events
        && one.reverted_events == other.reverted_events
        && one.call_tree.len() == other.call_tree.len()
        && one
            .call_tree
            .iter()
            .zip(&other.call_tree)
            .all(|(one, other)| is_same_frame(one, other))
}

fn is_same_frame(one: &CallTreeElem, other: &CallTreeElem) -> bool {
    let code = |frame: &CallTreeElem| frame.failure.as_ref().map(|failure| failure.code);
    one.contract_id == other.contract_id
        && one.function == other.function
        && one.caller == other.caller
        && one.reverted == other.reverted
        && code(one) == code(other)
}
