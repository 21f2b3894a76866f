//! What the fuzz targets share: contracts, sessions on both backends, and parts of the tests of the main workspace.

use crostata::{
    Backend, CallReceipt, Commit, Config, ContractData, ContractId, Error, Outcome, ReceiptDigest,
    Root, Session, SessionData, VM,
};

pub mod differential;
/// The forger of `tests/forged_log`.
#[path = "../../tests/forged_log/forge.rs"]
pub mod forge;
/// What `tests/forged_log` does with logs.
#[path = "../../tests/forged_log/scene.rs"]
pub mod scene;

/// Gas of calls that need not starve.
pub const GAS: u64 = 5_000_000;

/// The contracts of `contracts/artifacts`.
pub const ARTIFACTS: &[(&str, &[u8])] = &[
    (
        "caller",
        include_bytes!("../../contracts/artifacts/caller.wasm"),
    ),
    (
        "counter",
        include_bytes!("../../contracts/artifacts/counter.wasm"),
    ),
    (
        "counter64",
        include_bytes!("../../contracts/artifacts/counter64.wasm"),
    ),
    (
        "crossing_argument",
        include_bytes!("../../contracts/artifacts/crossing_argument.wasm"),
    ),
    (
        "everest",
        include_bytes!("../../contracts/artifacts/everest.wasm"),
    ),
    (
        "fallible",
        include_bytes!("../../contracts/artifacts/fallible.wasm"),
    ),
    (
        "feeder",
        include_bytes!("../../contracts/artifacts/feeder.wasm"),
    ),
    (
        "grower",
        include_bytes!("../../contracts/artifacts/grower.wasm"),
    ),
    (
        "host_query",
        include_bytes!("../../contracts/artifacts/host_query.wasm"),
    ),
    (
        "initializer",
        include_bytes!("../../contracts/artifacts/initializer.wasm"),
    ),
    (
        "ledger",
        include_bytes!("../../contracts/artifacts/ledger.wasm"),
    ),
    (
        "metadata",
        include_bytes!("../../contracts/artifacts/metadata.wasm"),
    ),
    (
        "recursion",
        include_bytes!("../../contracts/artifacts/recursion.wasm"),
    ),
    (
        "reverting_events",
        include_bytes!("../../contracts/artifacts/reverting_events.wasm"),
    ),
    (
        "spender",
        include_bytes!("../../contracts/artifacts/spender.wasm"),
    ),
    (
        "uplink_counter",
        include_bytes!("../../contracts/artifacts/uplink_counter.wasm"),
    ),
];

/// The contract `CELLS` of `tests/common`: `store` takes address and value, `load` an address, `grow` a number of pages;
/// `store_then_fail` does what it says.
pub const CELLS: &[u8] = include_bytes!("../cells.wasm");

/// A module with names and source lines: `lines.rs`, as `rustc` makes it with `-O1` and `debug = "line-tables-only"`.
pub const LINES: &[u8] = include_bytes!("../lines.wasm");

/// The id whose bytes are all this number.
pub fn id(number: u8) -> ContractId {
    ContractId::from_bytes([number; 32])
}

/// A VM in a temporary directory.
pub fn ephemeral(backend: Backend) -> VM {
    let config = Config {
        backend,
        ..Config::default()
    };
    VM::ephemeral_with_config(config).unwrap()
}

/// Calls of contracts: number, function and the numbers of the argument.
pub type Calls = &'static [(u8, &'static str, [u32; 2])];

/// Two contracts `CELLS`, 1 and 2, and what is recorded of sessions over them.
pub struct Cells {
    vm: VM,
    pub base: Commit,
}

impl Cells {
    pub fn new() -> Self {
        let vm = ephemeral(Backend::Native);
        let mut session = vm.session(SessionData::builder()).unwrap();
        for number in 1..=2 {
            let data = ContractData::builder().contract_id(id(number));
            session.deploy(CELLS, data, GAS).unwrap();
        }
        let base = session.commit().unwrap();
        Self { vm, base }
    }

    /// A recorded session after these calls, each with so much gas, and the digests of the receipts.
    pub fn record(&self, calls: Calls, gas: u64) -> (Session, Vec<Option<ReceiptDigest>>) {
        let data = SessionData::builder().base(self.base).recording();
        let mut session = self.vm.session(data).unwrap();
        let mut digests = Vec::new();
        for (number, function, numbers) in calls {
            let argument = numbers.map(u32::to_le_bytes).concat();
            let seen = call(&mut session, id(*number), function, &argument, gas);
            digests.push(seen.digest);
        }
        (session, digests)
    }
}

/// The names of the functions that code exports, `init` excepted.
pub fn functions(code: &[u8]) -> Vec<String> {
    let payloads = wasmparser::Parser::new(0).parse_all(code);
    let exports = payloads.filter_map(|payload| match payload.unwrap() {
        wasmparser::Payload::ExportSection(section) => Some(section),
        _ => None,
    });
    let exports = exports.flatten().map(Result::unwrap);
    let functions = exports.filter(|export| export.kind == wasmparser::ExternalKind::Func);
    let names = functions.map(|export| export.name.to_owned());
    names.filter(|name| name != "init").collect()
}

/// What consensus holds of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub ended: Option<(Outcome, Vec<u8>)>,
    pub gas: u64,
    pub digest: Option<ReceiptDigest>,
    pub root: Root,
}

/// Makes a call, which may fail in any way but by the host's fault, and within its gas.
pub fn call(
    session: &mut Session,
    contract: ContractId,
    function: &str,
    argument: &[u8],
    gas: u64,
) -> Seen {
    let called = session.call_raw(contract, function, argument, gas);
    let root = session.root().unwrap();
    let seen = |receipt: &CallReceipt<()>, ended| {
        assert!(receipt.gas_spent <= gas, "{} of {gas}", receipt.gas_spent);
        Seen {
            ended: Some(ended),
            gas: receipt.gas_spent,
            digest: Some(receipt.digest),
            root,
        }
    };
    match called {
        Ok(receipt) => {
            let plain = CallReceipt {
                data: (),
                gas_spent: receipt.gas_spent,
                gas_limit: receipt.gas_limit,
                events: receipt.events,
                reverted_events: receipt.reverted_events,
                call_tree: receipt.call_tree,
                digest: receipt.digest,
            };
            seen(&plain, (Outcome::Success, receipt.data))
        }
        Err(Error::Reverted(reverted)) => {
            seen(&reverted.receipt, (reverted.failure.code, Vec::new()))
        }
        Err(Error::Rejected(_)) => Seen {
            ended: None,
            gas: 0,
            digest: None,
            root,
        },
        Err(error) => panic!("{error:?}"),
    }
}

/// The bytes with some of them changed, taken out, or put in, as four bytes each say.
pub fn changed(mut bytes: Vec<u8>, changes: &[u8]) -> Vec<u8> {
    let (changes, _) = changes.as_chunks::<4>();
    for [low, high, what, value] in changes {
        let at = usize::from(u16::from_le_bytes([*low, *high])) % bytes.len().max(1);
        match what % 4 {
            0 | 1 => bytes[at] ^= value | 1,
            2 => drop(bytes.remove(at)),
            _ => bytes.insert(at, *value),
        }
        if bytes.is_empty() {
            return bytes;
        }
    }
    bytes
}
