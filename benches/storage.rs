//! What operations of the SDK's storage types touch and cost, beside those of `alloc`'s types over two allocators.
//!
//! `cargo bench --bench storage` prints tables: pages written, pages read and gas of an operation, each its own call, less those of a call that does
//! nothing. Means over calls with random keys or places, and the worst. `-- --sizes 10,1000` says how many elements there are. Nothing here is a time, so any
//! profile gives the same figures. The contracts are `contracts/collections` and `contracts/collections_talc`.

use crostata::{
    Access, Commit, ContractData, ContractId, Session, SessionData, VM, contract_bytecode,
};

const LIMIT: u64 = 1 << 50;
const CONTRACT: ContractId = ContractId::from_bytes([7; 32]);
/// The contract, with dlmalloc and with talc.
const CODES: [&[u8]; 2] = [
    contract_bytecode!("collections"),
    contract_bytecode!("collections_talc"),
];
/// Calls of an operation, or as many as there are elements.
const CALLS: u64 = 200;
const SIZES: [u64; 3] = [10, 1_000, 100_000];

/// Collections that do the same: their numbers in the contract, and what is done with them.
struct Kinds {
    names: [&'static str; 2],
    numbers: [u8; 2],
    operations: &'static [Operation],
}

struct Operation {
    name: &'static str,
    function: &'static str,
    on: On,
}

/// Which elements an operation is on.
#[derive(Clone, Copy)]
enum On {
    /// Those that are not there yet, in turn.
    New,
    /// Any that is there.
    Any,
    /// Each at most once.
    Distinct,
    /// Indices that are there, of which there is one less each time.
    Shrinking,
}

const fn operation(name: &'static str, function: &'static str, on: On) -> Operation {
    Operation { name, function, on }
}

const KINDS: [Kinds; 4] = [
    Kinds {
        names: ["Map", "BTreeMap"],
        numbers: [0, 1],
        operations: &[
            operation("get", "get", On::Any),
            operation("update", "update", On::Any),
            operation("insert", "insert", On::New),
            operation("remove", "remove", On::Distinct),
        ],
    },
    Kinds {
        names: ["Set", "BTreeSet"],
        numbers: [2, 3],
        operations: &[
            operation("contains", "get", On::Any),
            operation("insert", "insert", On::New),
            operation("remove", "remove", On::Distinct),
        ],
    },
    Kinds {
        names: ["Vector", "Vec"],
        numbers: [4, 5],
        operations: &[
            operation("get", "get", On::Any),
            operation("set", "update", On::Any),
            operation("push", "insert", On::New),
            operation("pop", "take", On::New),
            operation("swap_remove", "remove", On::Shrinking),
        ],
    },
    Kinds {
        names: ["Queue", "VecDeque"],
        numbers: [6, 7],
        operations: &[
            operation("get", "get", On::Any),
            operation("push_back", "insert", On::New),
            operation("pop_front", "take", On::New),
        ],
    },
];

/// What one call touched and spent.
#[derive(Clone, Copy, Default)]
struct Cost {
    written: u64,
    /// Written or only read.
    touched: u64,
    gas: u64,
}

/// A VM with a collection of some elements in a commit.
struct World {
    vm: VM,
    base: Commit,
    kind: u8,
    elements: u64,
}

impl World {
    fn new(code: &[u8], kind: u8, elements: u64) -> Self {
        let vm = VM::ephemeral().unwrap();
        let mut session = vm.session(SessionData::builder()).unwrap();
        let data = ContractData::builder().contract_id(CONTRACT);
        session.deploy(code, data, LIMIT).unwrap();
        for first in (0..elements).step_by(1_000) {
            let count = (elements - first).min(1_000);
            call(&mut session, "fill", &(kind, first, count));
        }
        call(&mut session, "enclose", &());
        let base = session.commit().unwrap();
        Self {
            vm,
            base,
            kind,
            elements,
        }
    }

    /// What calls of an operation cost, each beyond what a call costs.
    fn costs(&self, operation: &Operation) -> Vec<Cost> {
        let data = SessionData::builder().base(self.base);
        let mut session = self.vm.session(data).unwrap();
        let nothing = cost(&mut session, "nothing", self.kind, 0);
        (0..CALLS.min(self.elements))
            .map(|at| {
                let number = self.number(operation.on, at);
                let cost = cost(&mut session, operation.function, self.kind, number);
                Cost {
                    written: cost.written - nothing.written,
                    touched: cost.touched - nothing.touched,
                    gas: cost.gas - nothing.gas,
                }
            })
            .collect()
    }

    fn number(&self, on: On, at: u64) -> u64 {
        let random = mixed(at);
        match on {
            On::New => self.elements + at,
            On::Any => random % self.elements,
            // Coprime to all sizes, so that no number comes twice.
            On::Distinct => at * 7_919 % self.elements,
            On::Shrinking => random % (self.elements - at),
        }
    }
}

fn mixed(state: u64) -> u64 {
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 27)
}

fn call<A: crostata::Encode>(session: &mut Session, function: &str, argument: &A) {
    session
        .call::<_, ()>(CONTRACT, function, argument, LIMIT)
        .unwrap();
}

fn cost(session: &mut Session, function: &str, kind: u8, number: u64) -> Cost {
    let argument = (kind, number);
    let receipt = session.call::<_, Option<u64>>(CONTRACT, function, &argument, LIMIT);
    let gas = receipt.unwrap().gas_spent;
    let accesses = session.page_accesses();
    let pages = accesses.iter().flat_map(|one| &one.pages);
    let written = pages.clone().filter(|(_, access)| *access == Access::Write);
    Cost {
        written: written.count() as u64,
        touched: pages.count() as u64,
        gas,
    }
}

/// "1.02 + 3.00 (7), 523 k": pages written and only read, the most of both in a call, gas.
fn shown(costs: &[Cost]) -> String {
    let mean = |of: fn(&Cost) -> u64| costs.iter().map(of).sum::<u64>() as f64 / costs.len() as f64;
    let worst = costs.iter().map(|cost| cost.touched).max();
    format!(
        "{:.2} + {:.2} ({}), {:.0} k",
        mean(|cost| cost.written),
        mean(|cost| cost.touched - cost.written),
        worst.unwrap_or_default(),
        mean(|cost| cost.gas) / 1_000.0
    )
}

fn table(kinds: &Kinds, sizes: &[u64]) {
    let [ours, plain] = kinds.names;
    println!("| | {ours} | {ours}, talc | {plain} | {plain}, talc |\n|---|---|---|---|---|");
    for elements in sizes {
        let worlds: Vec<World> = kinds
            .numbers
            .iter()
            .flat_map(|kind| CODES.map(|code| World::new(code, *kind, *elements)))
            .collect();
        for operation in kinds.operations {
            let cells = worlds.iter().map(|world| shown(&world.costs(operation)));
            let cells: Vec<String> = cells.collect();
            println!(
                "| {} of {elements} | {} |",
                operation.name,
                cells.join(" | ")
            );
        }
    }
    println!();
}

/// The push that makes a vector or queue of 2^17 elements grow.
fn growth() {
    println!("| growth at 131,072 elements | pages written + read (both), gas |\n|---|---|");
    let push = operation("push", "insert", On::New);
    for kinds in &KINDS[2..] {
        for (name, kind) in kinds.names.iter().zip(kinds.numbers) {
            for code in CODES {
                let world = World::new(code, kind, 1 << 17);
                println!("| {name} | {} |", shown(&world.costs(&push)[..1]));
            }
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let sizes = arguments.iter().position(|one| one == "--sizes");
    let sizes: Vec<u64> = match sizes.and_then(|at| arguments.get(at + 1)) {
        Some(sizes) => sizes.split(',').map(|size| size.parse().unwrap()).collect(),
        None => SIZES.to_vec(),
    };
    println!("pages written + pages only read, means (both in the worst call), gas\n");
    for kinds in &KINDS {
        table(kinds, &sizes);
    }
    growth();
}
