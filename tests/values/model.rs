//! Blocks of random calls: after each, what is proven is what a plain map and a few numbers say.

use std::collections::BTreeMap;

use crostata::{ContractId, Root, VM, Value};
use proptest::prelude::*;

use super::{call, deploy, entry, value};
use crate::common::{fresh, over};

/// Accounts that calls name.
const ACCOUNTS: u8 = 200;

#[derive(Debug, Clone)]
enum Step {
    Mint(u8, u64),
    Transfer(u8, u8, u64),
    Burn(u8),
}

#[derive(Default)]
struct Model {
    balances: BTreeMap<u8, u64>,
    supply: u64,
    transfers: u32,
}

impl Model {
    /// Makes the call, and does the same here.
    fn apply(&mut self, session: &mut crostata::Session, accounts: ContractId, step: &Step) {
        match *step {
            Step::Mint(to, amount) => {
                call(session, accounts, "mint", &([to; 32], amount));
                *self.balances.entry(to).or_default() += amount;
                self.supply += amount;
            }
            Step::Transfer(from, to, part) => {
                let Some(balance) = self.balances.get(&from).copied() else {
                    return;
                };
                let amount = 1 + part % balance;
                call(
                    session,
                    accounts,
                    "transfer",
                    &([from; 32], [to; 32], amount, 1u8),
                );
                self.take(from, amount);
                *self.balances.entry(to).or_default() += amount;
                self.transfers += 1;
            }
            Step::Burn(from) => {
                if let Some(balance) = self.balances.get(&from).copied() {
                    call(session, accounts, "burn", &([from; 32], balance));
                    self.take(from, balance);
                    self.supply -= balance;
                }
            }
        }
    }

    fn take(&mut self, from: u8, amount: u64) {
        let left = self.balances[&from] - amount;
        match left {
            0 => self.balances.remove(&from),
            left => self.balances.insert(from, left),
        };
    }

    fn check(&self, vm: &VM, root: Root, accounts: ContractId) {
        assert_eq!(
            value(vm, root, accounts, "total_supply"),
            Value::from(self.supply)
        );
        let transfers = value(vm, root, accounts, "counters.transfers");
        assert_eq!(transfers, Value::from(self.transfers));
        for account in (0..=255u8).step_by(7).chain([ACCOUNTS - 1]) {
            let expected = self
                .balances
                .get(&account)
                .map(|balance| Value::from(*balance));
            assert_eq!(
                entry(vm, root, accounts, "balances", [account; 32]),
                expected
            );
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let account = || 0..ACCOUNTS;
    prop_oneof![
        4 => (account(), 1..1_000u64).prop_map(|(to, amount)| Step::Mint(to, amount)),
        2 => (account(), account(), any::<u64>())
            .prop_map(|(from, to, part)| Step::Transfer(from, to, part)),
        2 => account().prop_map(Step::Burn),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn proven_values_follow_the_blocks(
        blocks in prop::collection::vec(prop::collection::vec(step(), 1..120), 1..5),
    ) {
        let vm = VM::ephemeral().unwrap();
        let mut session = fresh(&vm);
        let accounts = deploy(&mut session);
        let mut commit = session.commit().unwrap();
        let mut model = Model::default();
        for block in &blocks {
            let mut session = over(&vm, commit);
            for step in block {
                model.apply(&mut session, accounts, step);
            }
            commit = session.commit().unwrap();
            model.check(&vm, commit.root, accounts);
        }
    }
}
