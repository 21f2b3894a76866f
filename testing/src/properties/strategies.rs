//! What random arguments are made of.

use crostata_abi::ContractId;
use proptest::num::u64::BinarySearch;
use proptest::prelude::{Just, Rng, Strategy};
use proptest::sample::select;
use proptest::strategy::NewTree;
use proptest::test_runner::TestRunner;

use crate::chain::Account;

/// No argument.
pub fn nothing() -> Just<()> {
    Just(())
}

/// The ids of accounts of these names.
pub fn accounts<const N: usize>(
    names: [&str; N],
) -> impl Strategy<Value = ContractId> + Clone + use<N> {
    let ids = names.map(|name| Account::named(name).id());
    select(ids.to_vec())
}

/// Amounts as they break things: mostly small ones, then the largest, and the powers of two with what is around them.
pub fn amounts() -> Amounts {
    Amounts
}

/// The strategy of [`amounts`]. Amounts become simpler by becoming smaller, whichever way they were made.
#[derive(Debug, Clone, Copy)]
pub struct Amounts;

impl Strategy for Amounts {
    type Tree = BinarySearch;
    type Value = u64;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let rng = runner.rng();
        let (choice, bits) = (rng.next_u64() % 10, rng.next_u64());
        let amount = match choice {
            0..6 => bits % 101,
            6..8 => (1u64 << (bits % 64))
                .wrapping_add((bits >> 6) % 3)
                .wrapping_sub(1),
            8 => u64::MAX,
            _ => bits,
        };
        Ok(BinarySearch::new(amount))
    }
}
