//! P2, P6: the market of `contracts/token`, `contracts/pool` and `contracts/router` keeps what `docs/amm.md` says, whatever is called in
//! whatever order: nothing is made or lost, the product of the reserves falls by removal only, no share gets worth less, and a route that fails anywhere has done nothing.

mod campaign;
mod market;
mod sequences;

use crostata::{ContractData, SessionData, VM, Value, ValuePath, ValueProof, contract_bytecode};
use market::{HEIGHT, LOCKED_SHARES, PURSE, Scene};

/// What a pool's formula gives, worked out here once more.
fn output(input: u64, reserve_in: u64, reserve_out: u64) -> u64 {
    let fee = (u128::from(input) * 3).div_ceil(1_000);
    let net = u128::from(input) - fee;
    (net * u128::from(reserve_out) / (u128::from(reserve_in) + net)) as u64
}

#[test]
fn a_swap_gives_what_was_quoted() {
    let mut market = Scene::with_liquidity();
    let [gold, salt, _] = market.tokens;
    let pool = market.pools[0];
    let before = market.reserves(pool);
    let expected = output(10_000, before.first, before.second);
    let quoted: u64 = market.chain.call(pool, "quote", &(gold, 10_000u64)).value();
    assert_eq!(quoted, expected);
    let (carol, held) = (market.people[2].id(), PURSE);
    let argument = (gold, 10_000u64, quoted, carol);
    let swap = market.act(1, pool, "swap", &argument);
    swap.expect_success();
    swap.expect_event_from(
        pool,
        "Swapped",
        |(token, amount, output, to): &(_, u64, u64, _)| {
            (*token, *amount, *output, *to) == (gold, 10_000, quoted, carol)
        },
    );
    assert_eq!(market.balance(salt, carol), held + quoted);
    let after = market.reserves(pool);
    assert_eq!(
        (after.first, after.second),
        (before.first + 10_000, before.second - quoted)
    );
    assert!(after.product() > before.product());
    market.check();
}

#[test]
fn a_route_swaps_through_all_its_pools() {
    let mut market = Scene::with_liquidity();
    let ([gold, _, iron], pools) = (market.tokens, market.pools);
    let [first, second] = market.all_reserves();
    let between = output(50_000, first.first, first.second);
    let expected = output(between, second.first, second.second);
    let bob = market.people[1].id();
    let (iron_before, gold_before) = (market.balance(iron, bob), market.balance(gold, bob));
    let paid = market.route(1, &pools, gold, 50_000, expected).value();
    assert_eq!(paid, (iron, expected));
    assert_eq!(market.balance(iron, bob), iron_before + expected);
    assert_eq!(market.balance(gold, bob), gold_before - 50_000);
    market.check();
}

/// Every failure of a route, at its first pool, its last, or after all of them: nothing anywhere has changed.
#[test]
fn a_route_that_fails_has_done_nothing() {
    let mut market = Scene::with_liquidity();
    let ([gold, _, iron], pools) = (market.tokens, market.pools);
    let (before, bob) = (market.all_reserves(), market.people[1].id());
    let late = (pools.to_vec(), gold, 500u64, 0u64, bob, HEIGHT - 1);
    let too_much = PURSE + 1;
    let routes = [
        market.route(1, &pools, gold, 50_000, 200_000),
        market.route(1, &[pools[0], pools[0]], gold, u64::MAX, 0),
        market.route(1, &[pools[1]], gold, 50_000, 0),
        market.route(
            1,
            &[pools[0], pools[0], pools[1], pools[0]],
            gold,
            50_000,
            0,
        ),
        market.route(1, &pools, gold, too_much, 0),
        market.route(1, &[], gold, 50_000, 0),
        market.route(1, &[pools[0], iron], gold, 50_000, 0),
        market.act(1, market.router, "swap", &late).decoded(),
    ];
    let texts = [
        "The route gives less than the minimum",
        "A token refused to move",
        "A pool refused to swap",
        "A pool refused to swap",
        "A token refused to move",
        "A route has one pool at least",
        "",
        "The block is later than the caller wanted",
    ];
    for (route, text) in routes.iter().zip(texts) {
        route.expect_revert(text);
        assert!(route.events().is_empty());
    }
    assert_eq!(market.all_reserves(), before);
    assert_eq!(market.balance(gold, bob), PURSE);
    market.check();
}

/// Who brings all liquidity and takes it out again gets all of it but the locked shares' part, rounded down; the pool keeps on.
#[test]
fn liquidity_comes_back_but_for_the_locked_part() {
    let mut market = Scene::with_liquidity();
    let pool = market.pools[0];
    let before = market.reserves(pool);
    let shares = before.shares - LOCKED_SHARES;
    market
        .act(0, pool, "remove", &(shares + 1, 0u64, 0u64))
        .expect_revert("The shares are less");
    let minimum = (shares, 1_000_000u64, 0u64);
    market
        .act(0, pool, "remove", &minimum)
        .expect_revert("The removal gives less");
    market
        .act(0, pool, "remove", &(shares, 0u64, 0u64))
        .expect_success();
    let left = market.reserves(pool);
    assert_eq!(
        (left.first, left.second, left.shares),
        (500, 2_000, LOCKED_SHARES)
    );
    assert!(left.shares_keep_their_worth(&before));
    let added = market.act(1, pool, "add", &(5_000u64, 20_000u64, 10_000u64));
    added.expect_success();
    market.check();
}

/// What is sent to a pool without being swapped makes no share worth more than the pool accounts for, so that nobody's addition rounds to nothing by it.
#[test]
fn gifts_do_not_move_prices() {
    let mut market = Scene::with_liquidity();
    let ([gold, ..], pool) = (market.tokens, market.pools[0]);
    let before = market.reserves(pool);
    market
        .act(1, gold, "transfer", &(pool, PURSE / 2))
        .expect_success();
    assert_eq!(market.reserves(pool), before);
    let cheap = market.act(2, pool, "add", &(10u64, 40u64, 20u64));
    cheap.expect_success();
    market.check();
}

#[test]
fn nobody_moves_what_is_not_theirs() {
    let mut market = Scene::with_liquidity();
    let ([gold, salt, _], [alice, bob, _]) =
        (market.tokens, market.people.clone().map(|one| one.id()));
    market
        .act(1, gold, "transfer_from", &(alice, bob, 1u64))
        .expect_revert("The allowance is too small");
    market
        .act(1, gold, "transfer", &(alice, PURSE + 1))
        .expect_revert("The balance is too small");
    market
        .act(1, gold, "mint", &(bob, 1u64))
        .expect_revert("Only the owner");
    market
        .act(0, gold, "approve", &(bob, 5u64))
        .expect_success();
    market
        .act(1, gold, "transfer_from", &(alice, bob, 6u64))
        .expect_revert("The allowance is too small");
    market
        .act(1, gold, "transfer_from", &(alice, bob, 5u64))
        .expect_success();
    market
        .act(1, gold, "transfer_from", &(alice, bob, 1u64))
        .expect_revert("The allowance is too small");
    let called = market.chain.call::<_, ()>(gold, "transfer", &(bob, 1u64));
    called.expect_revert("The call comes from no account");
    market.act(1, salt, "burn", &7u64).expect_success();
    market.check();
}

/// A token whose `transfer_from` enters its caller again, and says how that went.
const THIEF: &str = r#"(module
  (import "env" "caller" (func $caller (result i32)))
  (import "env" "c" (func $c (param i32 i32 i32 i32 i64) (result i32)))
  (import "env" "panic" (func $panic (param i32)))
  (memory (export "memory") 3)
  (global (export "A") i32 (i32.const 65536))
  (data (i32.const 1024) "reserves")
  (data (i32.const 1040) "entering again was refusedentering again went well")
  (func (export "transfer_from") (param i32) (result i32)
    (drop (call $caller))
    (memory.copy (i32.const 2048) (i32.const 65536) (i32.const 32))
    (if (i32.eq (i32.const -2147483648)
          (call $c (i32.const 2048) (i32.const 1024) (i32.const 8) (i32.const 0) (i64.const 0)))
      (then (memory.copy (i32.const 65536) (i32.const 1040) (i32.const 26)))
      (else (memory.copy (i32.const 65536) (i32.const 1066) (i32.const 24))))
    (call $panic (i32.const 24))
    (i32.const 0)))"#;

/// While a pool waits for a token, nobody can enter it, for reading neither: what they would read is half done.
#[test]
fn a_token_can_not_enter_the_pool_that_calls_it() {
    let mut market = Scene::empty();
    let gold = market.tokens[0];
    let thief = market.chain.deploy(wat::parse_str(THIEF).unwrap()).send();
    let deployment = market.chain.deploy(contract_bytecode!("pool"));
    let pool = deployment.init(&(thief, gold)).send();
    let added = market.act(0, pool, "add", &(10_000u64, 10_000u64, 0u64));
    added.expect_revert("entering again was refu");
    assert_eq!(market.reserves(pool).shares, 0);
}

/// Everybody can verify what somebody has, and that somebody has nothing, with the root alone.
#[test]
fn balances_are_proven() {
    let vm = VM::ephemeral().unwrap();
    let mut session = vm.session(SessionData::builder()).unwrap();
    let owner = crostata::ContractId::from_bytes([1; 32]);
    let data = ContractData::builder().init_arg(&(owner, 500u64));
    let token = session
        .deploy(contract_bytecode!("token"), data, 1 << 30)
        .unwrap();
    let root = session.commit().unwrap().root;
    let proven = |account: crostata::ContractId| {
        let key = Value::from(account);
        let path = ValuePath::key("balances", key.clone());
        let proof = vm.prove_value(root, token, path).unwrap().encode();
        let proof = ValueProof::decode(&proof).unwrap();
        proof
            .verify_key(&root, &token, "balances", &key)
            .unwrap()
            .into_inner()
    };
    assert_eq!(proven(owner), Some(Value::Uint(500)));
    assert_eq!(proven(crostata::ContractId::from_bytes([2; 32])), None);
}

/// What `docs/amm.md` says that operations cost, and no more. With `--nocapture` it prints them.
#[test]
fn operations_cost_what_the_docs_say() {
    let mut market = Scene::with_liquidity();
    let ([gold, ..], pools, bob) = (market.tokens, market.pools, market.people[1].id());
    let calls = [
        (
            "transfer",
            market.act(0, gold, "transfer", &(bob, 5u64)).gas_spent(),
        ),
        (
            "approve",
            market.act(0, gold, "approve", &(bob, 5u64)).gas_spent(),
        ),
        (
            "transfer_from",
            market
                .act(
                    1,
                    gold,
                    "transfer_from",
                    &(market.people[0].id(), bob, 5u64),
                )
                .gas_spent(),
        ),
        (
            "add",
            market
                .act(1, pools[0], "add", &(1_000u64, 4_000u64, 0u64))
                .gas_spent(),
        ),
        (
            "swap",
            market
                .act(1, pools[0], "swap", &(gold, 1_000u64, 0u64, bob))
                .gas_spent(),
        ),
        (
            "route of 1",
            market.route(1, &pools[..1], gold, 1_000, 0).gas_spent(),
        ),
        (
            "route of 2",
            market.route(1, &pools, gold, 1_000, 0).gas_spent(),
        ),
        (
            "remove",
            market
                .act(1, pools[0], "remove", &(1_000u64, 0u64, 0u64))
                .gas_spent(),
        ),
        (
            "quote",
            market
                .chain
                .call::<_, u64>(pools[0], "quote", &(gold, 5u64))
                .gas_spent(),
        ),
    ];
    let documented = include_str!("../../docs/amm.md");
    for (name, gas) in calls {
        println!("| {name} | {gas} |");
        let name = format!("`{name}`");
        let row = documented
            .lines()
            .find_map(|line| line.strip_prefix(&format!("| {name} | ")));
        let most: u64 = row
            .unwrap()
            .trim_end_matches(" |")
            .replace(',', "")
            .parse()
            .unwrap();
        assert!(
            gas <= most,
            "{name} costs {gas}, the docs say at most {most}"
        );
    }
}
