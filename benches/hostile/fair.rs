//! Fair programs: what gas ordinarily buys.

use crostata::contract_bytecode;

use crate::attacks::text::{contract, forever, run};
use crate::attacks::{AMPLE_GAS, Attack, Call, World};

/// The programs, each called again and again.
pub const PROGRAMS: [Attack; 6] = [
    fair("arithmetic", arithmetic),
    fair("fib", || bench("fib", &[27])),
    fair("sha256", || bench("sha256", &[4_000, 1])),
    fair("sort", || bench("sort", &[100_000, 1])),
    fair("btree", || bench("btree", &[20_000, 1])),
    fair("ledger", ledger),
];

const fn fair(name: &'static str, world: fn() -> World) -> Attack {
    Attack { name, world }
}

/// What an attack is held against.
pub fn program(name: &str) -> Option<&'static Attack> {
    PROGRAMS.iter().find(|program| program.name == name)
}

/// Products, sums and shifts, each of what the one before gave.
fn arithmetic() -> World {
    let round = "(local.set $x (i64.add (i64.mul (local.get $x) (i64.const 6364136223846793005)) (i64.const 1442695040888963407)))
        (local.set $y (i64.xor (local.get $y) (i64.shr_u (local.get $x) (i64.const 33))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (local.set $j (i32.xor (local.get $j) (i32.and (local.get $i) (i32.const 255))))";
    World::of(contract(2, "", &run(&forever(round))))
}

fn bench(function: &str, numbers: &[u32]) -> World {
    let call = Call::of(1, function).with(argument(numbers));
    World::of(contract_bytecode!("bench").to_vec()).calling(call.limited(AMPLE_GAS))
}

/// Transfers between 2,000 accounts.
fn ledger() -> World {
    let world = bench("transfers", &[5_000, 2_000, 1]);
    world.after(Call::of(1, "open_accounts").with(argument(&[0, 2_000])))
}

fn argument(numbers: &[u32]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect()
}
