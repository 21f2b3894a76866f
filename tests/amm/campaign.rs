//! The same market under the harness's own random sequences: what a contract's author writes who wants to know that a state is sound whatever is called.

use crostata::testing::Chain;
use crostata::testing::properties::{accounts, amounts, properties};
use proptest::prelude::Just;
use proptest::sample::select;

use super::market::{HEIGHT, LIQUIDITY, Market, PEOPLE, POOLS, Reserves};

/// No share is worth less than at the beginning.
fn shares_keep_their_worth(chain: &mut Chain, market: &Market) -> Result<(), String> {
    for (pool, liquidity) in market.pools.iter().zip(LIQUIDITY) {
        let (before, now) = (
            Reserves::of_liquidity(liquidity),
            market.reserves(chain, *pool),
        );
        if !now.shares_keep_their_worth(&before) {
            return Err(format!("{before:?} became {now:?}"));
        }
    }
    Ok(())
}

#[test]
fn the_market_is_sound_whatever_is_called() {
    let ids = Market::set_up(&mut Chain::new());
    let tokens = || select(ids.tokens.to_vec());
    let routes = || proptest::collection::vec(select(ids.pools.to_vec()), 0..4);
    let to = || accounts(PEOPLE);
    let mut campaign = properties("the market is sound", Market::set_up_with_liquidity)
        .callers(PEOPLE)
        .call_weighted(
            3,
            "router",
            "swap",
            (
                routes(),
                tokens(),
                amounts(),
                Just(0u64),
                to(),
                Just(HEIGHT),
            ),
        )
        .call("gold", "transfer", (to(), amounts()))
        .call("salt", "burn", amounts());
    for pool in POOLS {
        campaign = campaign
            .call_weighted(2, pool, "add", (amounts(), amounts(), Just(0u64)))
            .call_weighted(2, pool, "remove", (amounts(), Just(0u64), Just(0u64)))
            .call_weighted(2, pool, "swap", (tokens(), amounts(), Just(0u64), to()));
    }
    let report = campaign
        .invariant("balances add up", |chain: &mut Chain, market: &Market| {
            market.check_tokens(chain)
        })
        .invariant(
            "pools have what they account for",
            |chain: &mut Chain, market: &Market| {
                market.check_pools(chain);
            },
        )
        .invariant("shares keep their worth", shares_keep_their_worth)
        .cases(24)
        .unsaved()
        .run();
    assert!(
        report.reverted * 20 < report.calls * 19,
        "some calls go well: {report}"
    );
}
