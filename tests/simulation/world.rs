//! What is on the chain, and what its blocks do: a function of seed, height and branch.

use crostata::{
    BlockContext, ContractData, ContractId, Encode, Query, QueryContext, Transaction, VM,
    contract_bytecode,
};
use crostata_abi::typed::encode;

use crate::fixtures::{Narrow, id, module};
use crate::random::Random;

pub const TOKENS: [u8; 2] = [1, 2];
pub const POOL: u8 = 3;
pub const ROUTER: u8 = 4;
pub const LEDGER: u8 = 5;
pub const FEEDER: u8 = 6;
pub const ASKER: u8 = 7;
/// Contracts that act for people.
pub const PURSES: std::ops::Range<u8> = 10..18;
/// What each token has in all.
pub const SUPPLY: u64 = 1 << 40;
/// What the ledger begins with.
pub const LEDGER_SUPPLY: u64 = 1 << 30;
/// The most that a transaction may spend.
pub const LIMIT: u64 = 20_000_000;
/// The most that a block may spend: now and then it is full.
pub const BLOCK_GAS: u64 = 62_000_000;
/// From this height on there is another rule.
const SWITCH: u64 = 50;

/// Calls any contract: id, length of the function's name, name, argument.
const PURSE: &str = r#"
  (func (export "act") (param $len i32) (result i32) (local $name i32) (local $argument i32) (local $code i32)
    (memory.copy (PTR.const 200000) (PTR.const 65536) (call $at (local.get $len)))
    (local.set $name (i32.load (PTR.const 200032)))
    (local.set $argument (i32.sub (i32.sub (local.get $len) (i32.const 36)) (local.get $name)))
    (memory.copy (PTR.const 65536) (call $at (i32.add (i32.const 200036) (local.get $name))) (call $at (local.get $argument)))
    (local.set $code (call $c (PTR.const 200000) (PTR.const 200036) (local.get $name) (local.get $argument) (i64.const 0)))
    (memory.fill (PTR.const 200000) (i32.const 0) (call $at (local.get $len)))
    (if (i32.lt_s (local.get $code) (i32.const 0)) (then (call $panic (i32.const 0)) (unreachable)))
    (local.get $code))"#;

/// The queries of the chain.
pub fn register(vm: &mut VM) {
    let height = |context: &QueryContext<'_>| context.block().map_or(0, |block| block.height());
    let old = Query::new(900, move |context: &QueryContext<'_>, more: u64| {
        Ok(height(context).wrapping_add(more))
    });
    let new = Query::new(1_900, move |context: &QueryContext<'_>, more: u64| {
        Ok(height(context).wrapping_mul(more))
    });
    vm.register_query("rule", old.until_height(SWITCH)).unwrap();
    vm.register_query("rule", new.from_height(SWITCH)).unwrap();
}

/// What the chain says of a block.
pub fn context(height: u64, branch: u8) -> BlockContext {
    BlockContext::new(height, 1_774_000_000_000 + 10_000 * height)
        .with_proposer([branch; 32])
        .and_then(|context| context.with_chain("simulated"))
        .unwrap()
}

/// A contract that exists when the chain begins.
fn deploys(number: u8, code: &[u8], data: crostata::ContractDataBuilder) -> Transaction {
    Transaction::deploy(code, data.contract_id(id(number)), LIMIT)
}

/// A purse calls a contract.
pub fn acts<A: Encode>(purse: u8, contract: u8, function: &str, argument: &A) -> Transaction {
    let mut bytes = id(contract).to_bytes().to_vec();
    bytes.extend((function.len() as u32).to_le_bytes());
    bytes.extend(function.as_bytes());
    bytes.extend(encode(argument).unwrap());
    Transaction::call_raw(id(purse), "act", bytes, LIMIT)
}

fn calls<A: Encode>(contract: u8, function: &str, argument: &A) -> Transaction {
    Transaction::call(id(contract), function, argument, LIMIT).unwrap()
}

/// The transactions of the first block, which all succeed.
pub fn genesis() -> Vec<Transaction> {
    let data = ContractData::builder;
    let first = PURSES.start;
    let mut all: Vec<Transaction> = PURSES
        .map(|purse| deploys(purse, &module(Narrow, PURSE), data()))
        .collect();
    for token in TOKENS {
        let init = data().init_arg(&(id(first), SUPPLY));
        all.push(deploys(token, contract_bytecode!("token"), init));
    }
    let pair = data().init_arg(&(id(TOKENS[0]), id(TOKENS[1])));
    let holder = data().init_arg(&(account(0), LEDGER_SUPPLY));
    all.extend([
        deploys(POOL, contract_bytecode!("pool"), pair),
        deploys(ROUTER, contract_bytecode!("router"), data()),
        deploys(LEDGER, contract_bytecode!("ledger"), holder),
        deploys(FEEDER, contract_bytecode!("feeder"), data()),
        deploys(ASKER, contract_bytecode!("host_query"), data()),
    ]);
    for token in TOKENS {
        for purse in PURSES {
            all.push(acts(first, token, "transfer", &(id(purse), SUPPLY / 16)));
            for spender in [POOL, ROUTER] {
                all.push(acts(purse, token, "approve", &(id(spender), u64::MAX)));
            }
        }
    }
    all.push(acts(first, POOL, "add", &(1_u64 << 30, 1_u64 << 31, 0_u64)));
    all
}

fn account(number: u64) -> [u8; 32] {
    let mut account = [0; 32];
    account[..8].copy_from_slice(&number.to_le_bytes());
    account
}

/// The transactions that the pool has for a block.
pub fn transactions(seed: u64, height: u64, branch: u8) -> Vec<Transaction> {
    let mut random = Random::spread(seed ^ height << 8 ^ u64::from(branch));
    (0..1 + random.below(7))
        .map(|_| transaction(&mut random, height))
        .collect()
}

fn transaction(random: &mut Random, height: u64) -> Transaction {
    let purse = |random: &mut Random| PURSES.start + random.below(PURSES.len() as u64) as u8;
    let (one, other) = (purse(random), purse(random));
    let token = random.among(&TOKENS);
    let amount = 1 + random.below(5_000);
    let transaction = match random.below(20) {
        0..5 => acts(one, token, "transfer", &(id(other), amount)),
        5 => acts(one, token, "transfer", &(id(other), SUPPLY)),
        6..8 => acts(one, POOL, "swap", &(id(token), amount, 0_u64, id(other))),
        8..10 => {
            let deadline = height - 1 + random.below(4).min(2);
            let route: Vec<ContractId> = vec![id(POOL)];
            acts(
                one,
                ROUTER,
                "swap",
                &(route, id(token), amount, 0_u64, id(other), deadline),
            )
        }
        10 => acts(one, POOL, "add", &(amount, 2 * amount, 0_u64)),
        11..15 => {
            let (from, to) = (account(random.below(48)), account(random.below(48)));
            calls(LEDGER, "transfer", &(from, to, amount))
        }
        15 => calls(LEDGER, "mint", &(account(random.below(48)), amount)),
        16 => calls(FEEDER, "feed_numbers", &(random.below(9) as u32)).feeding(),
        17 => {
            let argument = encode(&amount).unwrap();
            calls(ASKER, "ask", &("rule".to_owned(), argument))
        }
        18 => calls(LEDGER, "no such function", &()),
        _ => {
            let number = 100 + random.below(20) as u8;
            deploys(
                number,
                contract_bytecode!("counter"),
                ContractData::builder(),
            )
        }
    };
    let tag: [u8; 32] = random.bytes(32).try_into().unwrap();
    transaction
        .tagged(tag)
        .with_datum("sender", &id(one))
        .unwrap()
}

/// The digest of a block, for the tag of its commit.
pub fn tag(height: u64, branch: u8) -> [u8; 32] {
    let mut tag = [branch; 32];
    tag[..8].copy_from_slice(&height.to_le_bytes());
    tag
}
