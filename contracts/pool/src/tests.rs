//! The pool's accounts, without the tokens: what is accounted for before anybody is called.

use super::*;

const GOLD: ContractId = ContractId::from_bytes([0xaa; 32]);
const SALT: ContractId = ContractId::from_bytes([0xbb; 32]);
const ALICE: ContractId = ContractId::from_bytes([1; 32]);
const BOB: ContractId = ContractId::from_bytes([2; 32]);

fn pool() -> Pool {
    let mut pool = Pool::new();
    pool.init(GOLD, SALT).unwrap();
    pool.account_addition(ALICE, [1_000_000, 4_000_000], 0)
        .unwrap();
    pool
}

#[test]
fn the_first_liquidity_sets_the_price_and_locks_some_shares() {
    let pool = pool();
    let reserves = pool.reserves();
    assert_eq!((reserves.first, reserves.second), (1_000_000, 4_000_000));
    assert_eq!(reserves.shares, 2_000_000);
    assert_eq!(pool.shares_of(ALICE), 2_000_000 - math::LOCKED_SHARES);
    let mut empty = Pool::new();
    assert_eq!(
        empty.account_addition(ALICE, [1_000, 1_000], 0),
        Err(PoolError::Nothing)
    );
}

#[test]
fn later_liquidity_is_taken_in_the_ratio_of_the_reserves() {
    let mut pool = pool();
    let added = pool.account_addition(BOB, [500, 1_000_000], 0).unwrap();
    let expected = Liquidity {
        first: 500,
        second: 2_000,
        shares: 1_000,
    };
    assert_eq!(added, expected);
    let refused = PoolError::Shares { gives: 2, wants: 3 };
    assert_eq!(pool.account_addition(BOB, [1, 4], 3), Err(refused));
}

#[test]
fn swaps_keep_their_minimum_and_the_product() {
    let mut pool = pool();
    let before = pool.reserves();
    let quoted = pool.quote(GOLD, 1_000).unwrap();
    let refused = PoolError::Output {
        gives: quoted,
        wants: quoted + 1,
    };
    assert_eq!(pool.account_swap(GOLD, 1_000, quoted + 1), Err(refused));
    let paid = pool.account_swap(GOLD, 1_000, quoted).unwrap();
    assert_eq!((paid.token, paid.amount), (SALT, 3_984));
    let after = pool.reserves();
    let product = |reserves: Liquidity| u128::from(reserves.first) * u128::from(reserves.second);
    assert!(product(after) >= product(before));
    assert_eq!(pool.account_swap(ALICE, 5, 0), Err(PoolError::NotInPool));
    assert_eq!(pool.account_swap(GOLD, 1, 0), Err(PoolError::Nothing));
    assert_eq!(
        pool.account_swap(GOLD, u64::MAX, 0),
        Err(PoolError::TooMuch)
    );
}

#[test]
fn shares_give_back_what_they_are_worth() {
    let mut pool = pool();
    let shares = pool.shares_of(ALICE);
    let refused = PoolError::Shares {
        gives: shares,
        wants: shares + 1,
    };
    assert_eq!(
        pool.account_removal(ALICE, shares + 1, [0, 0]),
        Err(refused)
    );
    let removed = pool.account_removal(ALICE, shares, [0, 0]).unwrap();
    assert_eq!((removed.first, removed.second), (999_500, 3_998_000));
    assert_eq!(pool.reserves().shares, math::LOCKED_SHARES);
    assert!(pool.shares.is_empty());
}

#[test]
fn a_pool_has_two_tokens() {
    assert_eq!(Pool::new().init(GOLD, GOLD), Err(PoolError::SameToken));
}
