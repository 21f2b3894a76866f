//! How many signed transfers one machine executes: building blocks of them, checking them as others do, and making them final.
//!
//! ```text
//! cargo run --release --workspace --example throughput -- 2000 5
//! ```

use std::error::Error;
use std::time::Instant;

use crostata::{Protocol, VM};
use crostata_machine::{
    Account, BANK, BANK_CODE, Block, Context, Draft, Genesis, Machine, Rules, SecretKey,
    Transaction, VmMachine,
};

const GAS: u64 = 2_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |otherwise: u64| match arguments.next() {
        Some(text) => text.parse(),
        None => Ok(otherwise),
    };
    let (transfers, blocks) = (number(1_000)?, number(3)?);
    let keys: Vec<SecretKey> = (0..transfers).map(key).collect();
    let genesis = Genesis {
        time_ms: 0,
        rules: Rules {
            block_gas: u64::MAX / 4,
            block_bytes_max: 64 << 20,
            block_transactions_max: u32::MAX,
            ..Rules::default()
        },
        protocol: Protocol::default(),
        bank: BANK_CODE.into(),
        balances: keys.iter().map(|key| (key.account(), 1 << 50)).collect(),
        contracts: Vec::new(),
    };
    let proposer = VmMachine::open(VM::ephemeral()?.into(), &genesis)?;
    let voter = VmMachine::open(VM::ephemeral()?.into(), &genesis)?;
    let mut parent = proposer.genesis().clone();
    for nonce in 0..blocks {
        let signed: Vec<Transaction> = keys
            .iter()
            .map(|key| transfer(&proposer, key, nonce))
            .collect();
        parent = block(&proposer, &voter, &parent, &signed)?;
    }
    Ok(())
}

fn key(number: u64) -> SecretKey {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    SecretKey::from_bytes(&bytes)
}

fn transfer(machine: &VmMachine, key: &SecretKey, nonce: u64) -> Transaction {
    let mut to = key.account().to_bytes();
    to[31] ^= 1;
    // INVARIANT: two small values fit the argument buffer.
    #[allow(clippy::expect_used)]
    let call = Draft::call(BANK, "transfer", &(to, 1u64)).expect("it fits");
    call.with(nonce, GAS, 1).sign(key, &machine.chain())
}

fn block(
    proposer: &VmMachine,
    voter: &VmMachine,
    parent: &Block,
    signed: &[Transaction],
) -> Result<Block, Box<dyn Error>> {
    let context = Context {
        height: parent.height() + 1,
        time_ms: parent.header().time_ms + 1,
        proposer: Account::default(),
    };
    let begun = Instant::now();
    let built = proposer.build(&parent.digest(), &context, signed)?;
    let build = begun.elapsed();
    let begun = Instant::now();
    for transaction in signed {
        voter.verify(transaction)?;
    }
    let verify = begun.elapsed();
    let begun = Instant::now();
    voter.check(&built.block)?;
    let check = begun.elapsed();
    let begun = Instant::now();
    let receipts = voter.finalize(context.height, &built.block)?;
    let finalize = begun.elapsed();
    proposer.finalize(context.height, &built.block)?;
    let gas: u64 = receipts.iter().map(|receipt| receipt.gas_spent).sum();
    let per = |taken: std::time::Duration| taken.as_secs_f64() * 1e6 / signed.len() as f64;
    println!(
        "block {}: {} transfers, {} gas each; microseconds each: build {:.1}, signature {:.1}, check {:.1}, finalise {:.1}",
        context.height,
        receipts.len(),
        gas / receipts.len().max(1) as u64,
        per(build),
        per(verify),
        per(check),
        per(finalize),
    );
    Ok(built.block)
}
