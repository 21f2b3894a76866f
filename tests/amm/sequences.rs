//! Random sequences of calls by anybody, amounts of all sizes: after each, everything that must hold does, and a call that was refused has changed nothing.

use proptest::prelude::*;

use super::market::{Reserves, Scene};

#[derive(Debug, Clone)]
enum Step {
    Add {
        pool: usize,
        amounts: [u64; 2],
    },
    Remove {
        pool: usize,
        part: u64,
    },
    Swap {
        pool: usize,
        side: usize,
        amount: u64,
    },
    Route {
        pools: Vec<usize>,
        token: usize,
        amount: u64,
        output_min: u64,
    },
    Give {
        token: usize,
        to: usize,
        amount: u64,
    },
    /// To a pool, without a swap: whoever swaps next there by the router gets it.
    GivePool {
        pool: usize,
        side: usize,
        amount: u64,
    },
    Burn {
        token: usize,
        amount: u64,
    },
}

/// Amounts of all sizes, mostly below what anybody has.
fn amount() -> impl Strategy<Value = u64> {
    prop_oneof![0..50u64, 0..100_000u64, 0..1u64 << 28, Just(u64::MAX)]
}

fn steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
    let (pool, token, side) = (|| 0..2usize, || 0..3usize, || 0..2usize);
    let amounts = || [amount(), amount()];
    let route = prop::collection::vec(pool(), 0..4);
    let step = prop_oneof![
        3 => (pool(), amounts()).prop_map(|(pool, amounts)| Step::Add { pool, amounts }),
        2 => (pool(), any::<u64>()).prop_map(|(pool, part)| Step::Remove { pool, part }),
        4 => (pool(), side(), amount())
            .prop_map(|(pool, side, amount)| Step::Swap { pool, side, amount }),
        4 => (route, token(), amount(), 0..200u64).prop_map(|(pools, token, amount, output_min)| {
            Step::Route { pools, token, amount, output_min }
        }),
        1 => (token(), 0..3usize, amount())
            .prop_map(|(token, to, amount)| Step::Give { token, to, amount }),
        1 => (pool(), side(), 0..100_000u64)
            .prop_map(|(pool, side, amount)| Step::GivePool { pool, side, amount }),
        1 => (token(), amount()).prop_map(|(token, amount)| Step::Burn { token, amount }),
    ];
    prop::collection::vec((0..3usize, step), 1..40)
}

/// Makes the call; whether it went well.
fn apply(market: &mut Scene, person: usize, step: &Step) -> bool {
    let pools = market.pools;
    match *step {
        Step::Add {
            pool,
            amounts: [first, second],
        } => market
            .act(person, pools[pool], "add", &(first, second, 0u64))
            .is_success(),
        Step::Remove { pool, part } => {
            let owner = market.people[person].id();
            let has: u64 = market.chain.call(pools[pool], "shares_of", &owner).value();
            let shares = part % (has + 2);
            market
                .act(person, pools[pool], "remove", &(shares, 0u64, 0u64))
                .is_success()
        }
        Step::Swap { pool, side, amount } => {
            let argument = (
                market.tokens[pool + side],
                amount,
                0u64,
                market.people[person].id(),
            );
            market
                .act(person, pools[pool], "swap", &argument)
                .is_success()
        }
        Step::Route {
            ref pools,
            token,
            amount,
            output_min,
        } => {
            let route: Vec<_> = pools.iter().map(|pool| market.pools[*pool]).collect();
            let token = market.tokens[token];
            market
                .route(person, &route, token, amount, output_min)
                .is_success()
        }
        Step::Give { token, to, amount } => {
            let argument = (market.people[to].id(), amount);
            market
                .act(person, market.tokens[token], "transfer", &argument)
                .is_success()
        }
        Step::GivePool { pool, side, amount } => {
            let token = market.tokens[pool + side];
            market
                .act(person, token, "transfer", &(pools[pool], amount))
                .is_success()
        }
        Step::Burn { token, amount } => market
            .act(person, market.tokens[token], "burn", &amount)
            .is_success(),
    }
}

/// The invariants of both pools from before a call to after it.
fn check_pools(before: [Reserves; 2], after: [Reserves; 2], step: &Step) {
    for (before, after) in before.iter().zip(&after) {
        let is_removal = matches!(step, Step::Remove { .. });
        assert!(
            is_removal || after.product() >= before.product(),
            "the product fell: {before:?} {after:?}"
        );
        if before.shares > 0 {
            assert!(
                after.shares_keep_their_worth(before),
                "shares lost: {before:?} {after:?}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn whatever_is_called_the_market_keeps_its_promises(steps in steps()) {
        let mut market = Scene::with_liquidity();
        for (person, step) in &steps {
            let (before, root) = (market.all_reserves(), market.chain.root());
            let went_well = apply(&mut market, *person, step);
            check_pools(before, market.all_reserves(), step);
            if !went_well {
                prop_assert_eq!(root, market.chain.root(), "a refused call changed something");
            }
            market.check();
        }
    }
}
