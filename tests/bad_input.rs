//! P7: no input of an embedder, a contract's author or a contract makes the host panic or changes anything: it gets a
//! typed error that says where, the root stays, and the session goes on.

mod common;

use std::fs;
use std::sync::mpsc;

use common::proofs::shown_page;
use common::*;
use crostata::{
    CodecError, CommitError, CommitId, CommitRef, Config, ContractData, ContractError, ContractId,
    Error, Fatal, FrameStart, HostQuery, LookupError, OpenStateError, OpenVmError, OpeningError,
    OperatorPrices, Outcome, PageIndex, PricedQuery, ProofError, ProofItem, Protocol, QueryContext,
    QueryError, Refusal, Rejected, Rejection, Root, Session, SessionData, SessionError, VM,
    contract_bytecode, store::OpenError,
};

/// A session with a contract that must be untouched and usable after whatever a test does.
struct Scene {
    session: Session,
    cells: ContractId,
    root: Root,
    _vm: VM,
}

impl Scene {
    /// Over an ephemeral VM without queries.
    fn new() -> Self {
        Self::over(VM::ephemeral().unwrap(), SessionData::builder().build())
    }

    fn over(vm: VM, data: SessionData) -> Self {
        let mut session = vm.session(data).unwrap();
        let cells = deploy_cells(&mut session, 1_000);
        store(&mut session, cells, 0, 42);
        let root = session.root().unwrap();
        Self {
            session,
            cells,
            root,
            _vm: vm,
        }
    }

    /// Deploys what a test is about; it belongs to the state that must stay.
    fn deploy(&mut self, bytecode: impl AsRef<[u8]>, number: u64) -> ContractId {
        let contract = self.session.deploy(bytecode, with_id(number), LIMIT);
        self.root = self.session.root().unwrap();
        contract.unwrap()
    }

    /// Nothing changed, and the session works: a call by the host runs as a first frame.
    fn assert_unharmed(&mut self) {
        assert_eq!(self.session.root().unwrap(), self.root, "the root changed");
        let load = self
            .session
            .call_raw(self.cells, "load", words(&[0]), LIMIT)
            .unwrap();
        assert_eq!(word(&load), 42);
        assert_eq!(load.call_tree.len(), 1);
        assert_eq!((load.events, load.reverted_events), (vec![], vec![]));
        assert_eq!(
            self.session.root().unwrap(),
            self.root,
            "a getter changed the root"
        );
    }

    /// Calls a function that must fail so, in this contract and function, and harm nothing.
    fn assert_fails(
        &mut self,
        contract: ContractId,
        function: &str,
        argument: &[u8],
        code: Outcome,
    ) {
        let result = self.session.call_raw(contract, function, argument, LIMIT);
        let failed = reverted(result);
        assert_eq!(failed.failure.code, code, "{}", failed.failure);
        assert_eq!(failed.failure.contract, contract);
        assert_eq!(failed.failure.function, function);
        assert_eq!(failed.receipt.call_tree.len(), 1);
        self.assert_unharmed();
    }

    /// Calls a function that must be refused before it starts, and harm nothing.
    fn refused(&mut self, contract: ContractId, function: &str, argument: &[u8]) -> Refusal {
        let result = self.session.call_raw(contract, function, argument, LIMIT);
        let Err(Error::Rejected(Rejected::Call(refusal))) = result else {
            panic!("a refusal was expected, not {result:?}");
        };
        self.assert_unharmed();
        refusal
    }

    /// Deploys what must be rejected, and harm nothing.
    fn rejected(&mut self, bytecode: &[u8], data: impl Into<ContractData>) -> Rejected {
        let result = self.session.deploy(bytecode, data, LIMIT);
        let Err(Error::Rejected(rejected)) = result else {
            panic!("a rejection was expected, not {result:?}");
        };
        self.assert_unharmed();
        rejected
    }
}

/// Bytes that are no module at all are rejected with the rule and a place.
#[test]
fn bytes_that_are_no_module() {
    let mut scene = Scene::new();
    let with_length = [&b"\0asm\x01\0\0\0\x01\xff\xff\xff\xff\x0f"[..], &[0; 9]].concat();
    let cases = [
        &b""[..],
        b"\0",
        b"\0asm",
        b"\0asm\x01\0\0\0",
        b"(module)",
        &[0xff; 100],
        &with_length,
    ];
    for code in cases {
        match scene.rejected(code, with_id(1)) {
            Rejected::Code { code_bytes, .. } => assert_eq!(code_bytes, code.len()),
            other => panic!("{other}"),
        }
        assert_eq!(scene.session.contract_metadata(&id(1)).unwrap(), None);
    }
}

/// A module cut off anywhere is rejected. (It ends in its code: a custom section at the end could be missing.)
#[test]
fn a_module_cut_off() {
    let mut scene = Scene::new();
    let text = r#"(module
      (memory (export "memory") 3)
      (global (export "A") i32 (i32.const 65536))
      (func (export "run") (param i32) (result i32) (i32.const 0)))"#;
    let code = code(text);
    for len in 0..code.len() {
        let rejected = scene.rejected(&code[..len], with_id(1));
        assert!(
            matches!(rejected, Rejected::Code { .. }),
            "{len}: {rejected}"
        );
    }
    scene.deploy(&code, 1);
}

/// A module with any bit flipped is rejected, or a contract like any other; nothing else happens.
#[test]
fn a_module_with_a_flipped_bit() {
    let mut scene = Scene::new();
    let code = contract_bytecode!("fallible");
    for (number, at) in (8..code.len()).step_by(code.len() / 100).enumerate() {
        let mut hostile = code.to_vec();
        hostile[at] ^= 1 << (number % 8);
        let number = number as u64;
        match scene.session.deploy(&hostile, with_id(number), LIMIT) {
            Ok(contract) => {
                scene.root = scene.session.root().unwrap();
                let _ = scene.session.call_raw(contract, "value", [], LIMIT);
                // Whether the call works or not is the contract's own affair.
                scene.root = scene.session.root().unwrap();
            }
            Err(Error::Rejected(Rejected::Code { .. })) => {}
            Err(other) => panic!("byte {at}: {other}"),
        }
        scene.assert_unharmed();
    }
}

/// Names that the VM uses itself are rejected in exports, and can not be called.
#[test]
fn reserved_names() {
    let mut scene = Scene::new();
    for name in ["crostata.", "crostata.height", "crostata.globals.0"] {
        let text = CELLS.replace("nothing", name);
        match scene.rejected(&code(&text), with_id(1)) {
            Rejected::Code {
                rejection: Rejection::ReservedName { name: found, .. },
                ..
            } => assert_eq!(found, name),
            other => panic!("{other}"),
        }
    }
    let cells = scene.cells;
    for name in [
        "crostata.height",
        "memory",
        "A",
        "",
        "store\0",
        "STORE",
        "ünknown",
    ] {
        match scene.refused(cells, name, &[]) {
            Refusal::NoFunction { contract, function } => {
                assert_eq!((contract, &*function), (cells, name));
            }
            other => panic!("{other}"),
        }
    }
    let long = "n".repeat(100_000);
    assert!(matches!(
        scene.refused(cells, &long, &[]),
        Refusal::NoFunction { .. }
    ));
}

/// A contract that does not exist is refused by name, also where a state is asked for.
#[test]
fn an_unknown_contract() {
    let mut scene = Scene::new();
    let nobody = id(77);
    assert_eq!(
        scene.refused(nobody, "load", &[]),
        Refusal::NoContract { contract: nobody }
    );
    assert_eq!(scene.session.contract_metadata(&nobody).unwrap(), None);
    assert_eq!(scene.session.memory_len(&nobody).unwrap(), None);
    assert!(matches!(
        scene.session.memory_pages(nobody).map(Iterator::count),
        Err(Error::Rejected(_))
    ));
    for error in [
        scene
            .session
            .prove(&[ProofItem::page(nobody, PageIndex(0))])
            .map(drop),
        scene
            .session
            .prove(&[ProofItem::code(nobody, 0, 1)])
            .map(drop),
    ] {
        assert!(matches!(
            error,
            Err(Error::Rejected(Rejected::Opening(OpeningError::NoContract { contract }))) if contract == nobody
        ));
    }
    scene.assert_unharmed();
}

/// `init` can not be called, by the host or by a contract, of a contract that has one or of one that has not.
#[test]
fn init_is_not_callable() {
    let mut scene = Scene::new();
    let data = ContractData::builder().contract_id(id(1)).init_arg(&5i64);
    let contract = scene
        .session
        .deploy(contract_bytecode!("initializer"), data, LIMIT)
        .unwrap();
    let caller = scene.deploy(contract_bytecode!("caller"), 2);
    let argument = 9i64.to_le_bytes();
    assert_eq!(
        scene.refused(contract, "init", &argument),
        Refusal::Init { contract }
    );
    scene.refused(caller, "init", &argument);
    let forward = (contract, "init".to_owned(), argument.to_vec(), 0u64);
    let outcome = scene
        .session
        .call::<_, Result<Vec<u8>, ContractError>>(caller, "forward", &forward, LIMIT);
    let outcome = outcome.unwrap();
    assert_eq!(outcome.data, Err(ContractError::Unknown));
    assert_eq!(outcome.call_tree.len(), 1);
    let read = scene
        .session
        .call::<_, i64>(contract, "read_value", &(), LIMIT);
    assert_eq!(read.unwrap().data, 5);
    scene.root = scene.session.root().unwrap();
    scene.assert_unharmed();
}

/// Bytes that are no archive of what a function takes make the contract panic.
#[test]
fn arguments_of_another_type() {
    let mut scene = Scene::new();
    let echo = scene.deploy(contract_bytecode!("crossing_argument"), 1);
    let pointing_outside = [[0xff; 4], 8u32.to_le_bytes()].concat();
    for argument in [&[][..], &[0xff; 3], &pointing_outside, &[0xff; 65_536]] {
        scene.assert_fails(echo, "echo_bytes", argument, Outcome::Panic);
        scene.assert_fails(echo, "echo_struct", argument, Outcome::Panic);
    }
    let result = scene
        .session
        .call::<_, String>(echo, "echo_string", &7u16, LIMIT);
    assert_eq!(reverted(result).failure.code, Outcome::Panic);
    scene.assert_unharmed();
}

/// A result that is not of the type asked for is an error of its own, with the receipt; the call's effects stand.
#[test]
fn results_of_another_type() {
    let mut scene = Scene::new();
    let counter = scene.deploy(contract_bytecode!("counter"), 1);
    let result = scene
        .session
        .call::<_, String>(counter, "read_value", &(), LIMIT);
    let Err(Error::Undecodable(undecodable)) = result else {
        panic!("{result:?}");
    };
    assert_eq!(
        (undecodable.contract, &*undecodable.function),
        (counter, "read_value")
    );
    assert!(matches!(
        undecodable.error,
        CodecError::Invalid { len_bytes: 8, .. }
    ));
    assert_eq!(undecodable.receipt.data, 0xfci64.to_le_bytes());
    scene.assert_unharmed();
    let result = scene
        .session
        .call::<_, u64>(counter, "increment", &(), LIMIT);
    assert!(matches!(result, Err(Error::Undecodable(_))));
    let read = scene
        .session
        .call::<_, i64>(counter, "read_value", &(), LIMIT);
    assert_eq!(read.unwrap().data, 0xfd);
}

/// Arguments longer than the buffer are rejected before anything runs: typed, raw, to feeders and to `init`. One that
/// just fits is not.
#[test]
fn overlong_arguments() {
    let mut scene = Scene::new();
    let long = vec![1u8; 65_537];
    let cells = scene.cells;
    let refusal = Refusal::ArgumentTooLong { len_bytes: 65_537 };
    assert_eq!(scene.refused(cells, "nothing", &long), refusal);
    scene
        .session
        .call_raw(cells, "nothing", &long[1..], LIMIT)
        .unwrap();
    let (feeder, fed) = mpsc::channel();
    let result = scene
        .session
        .feeder_call_raw(cells, "nothing", &long, LIMIT, feeder);
    assert!(matches!(result, Err(Error::Rejected(Rejected::Call(_)))));
    assert!(fed.recv().is_err());
    let result = scene.session.call::<_, ()>(cells, "nothing", &long, LIMIT);
    assert!(matches!(
        result,
        Err(Error::Rejected(Rejected::Argument { function, error: CodecError::TooLong { .. } })) if function == "nothing"
    ));
    let initializer = contract_bytecode!("initializer");
    let builder = || ContractData::builder().contract_id(id(1));
    for data in [builder().init_arg(&long), builder().init_arg_raw(&long[..])] {
        assert!(matches!(
            scene.rejected(initializer, data),
            Rejected::Argument { function, .. } if function == "init"
        ));
    }
    let raw = scene
        .session
        .deploy_raw(Some(id(1)), initializer, Some(long), vec![], LIMIT);
    assert!(matches!(
        raw,
        Err(Error::Rejected(Rejected::Argument { .. }))
    ));
    scene.assert_unharmed();
}

/// What a deployment can not have: an id that exists, an argument for no `init`, an owner too long for a record.
#[test]
fn deployments_that_can_not_be() {
    let mut scene = Scene::new();
    let cells = code(CELLS);
    let data = || ContractData::builder().contract_id(id(1));
    assert!(matches!(
        scene.rejected(&cells, with_id(1_000)),
        Rejected::ContractExists { contract } if contract == id(1_000)
    ));
    assert!(matches!(
        scene.rejected(&cells, data().init_arg(&1u8)),
        Rejected::NoInit
    ));
    assert!(matches!(
        scene.rejected(&cells, data().owner([0; 256])),
        Rejected::OwnerTooLong { len_bytes: 256 }
    ));
    scene
        .session
        .deploy(&cells, data().owner([0; 255]), LIMIT)
        .unwrap();
    let mut again = || {
        let same = ContractData::builder().owner([1]).nonce(3);
        scene.session.deploy(&cells, same, LIMIT)
    };
    again().unwrap();
    assert!(matches!(
        again(),
        Err(Error::Rejected(Rejected::ContractExists { .. }))
    ));
}

/// An id that exists in the base is taken too, though the session has not touched it.
#[test]
fn an_id_of_the_base_is_taken() {
    let vm = VM::ephemeral().unwrap();
    let [base, ..] = fork(&vm);
    let mut session = over(&vm, base);
    assert!(matches!(
        session.deploy(code(CELLS), with_id(1), LIMIT),
        Err(Error::Rejected(Rejected::ContractExists { .. }))
    ));
    assert_eq!(session.root().unwrap(), base.root);
}

/// An `init` that fails leaves no contract, and its id is free again.
#[test]
fn an_init_that_fails() {
    let mut scene = Scene::new();
    let initializer = contract_bytecode!("initializer");
    let data = |value: i64| ContractData::builder().contract_id(id(1)).init_arg(&value);
    let failed = reverted(scene.session.deploy(initializer, data(-1), LIMIT));
    assert_eq!(
        (failed.failure.contract, &*failed.failure.function),
        (id(1), "init")
    );
    assert_eq!(failed.receipt.reverted_events.len(), 1);
    let starved = reverted(scene.session.deploy(initializer, data(1), 10));
    assert_eq!(starved.failure.code, Outcome::OutOfGas);
    let nothing = ContractData::builder().contract_id(id(1));
    reverted(scene.session.deploy(initializer, nothing, LIMIT));
    assert_eq!(scene.session.contract_metadata(&id(1)).unwrap(), None);
    scene.assert_unharmed();
    scene.session.deploy(initializer, data(1), LIMIT).unwrap();
}

/// Pages outside of a memory can not be proven: not by a session, not by the VM.
#[test]
fn pages_out_of_range() {
    let vm = VM::ephemeral().unwrap();
    let [base, ..] = fork(&vm);
    let mut session = over(&vm, base);
    for page in [48, 49, 1 << 20, (1 << 30) - 1, u32::MAX].map(PageIndex) {
        assert!(matches!(
            session.prove(&[ProofItem::page(id(1), page)]),
            Err(Error::Rejected(Rejected::Opening(OpeningError::NoPage {
                pages: 48,
                ..
            })))
        ));
        assert!(matches!(
            vm.prove(base, &[ProofItem::page(id(1), page)]),
            Err(ProofError::Opening(OpeningError::NoPage { pages: 48, .. }))
        ));
    }
    let last = session
        .prove(&[ProofItem::page(id(1), PageIndex(47))])
        .unwrap();
    shown_page(&last, &base.root, &id(1), PageIndex(47)).unwrap();
    assert!(matches!(
        vm.prove(base, &[ProofItem::page(id(2), PageIndex(0))]),
        Err(ProofError::Opening(OpeningError::NoContract { .. }))
    ));
}

/// Commits that are not there are errors that name them, for every function that takes one.
#[test]
fn unknown_commits() {
    let vm = VM::ephemeral().unwrap();
    let commits = fork(&vm);
    let unknown = [
        CommitRef::from([9; 32]),
        CommitRef::from(Root::from_bytes([0; 32])),
        CommitRef::from(CommitId::from_bytes([9; 32])),
        CommitRef::from(CommitId::from_bytes([0; 32])),
    ];
    for wanted in unknown {
        let expected = LookupError::Unknown(wanted);
        assert!(matches!(
            vm.session(SessionData::builder().base(wanted)),
            Err(SessionError::Base(error)) if error == expected
        ));
        for result in [vm.finalize_commit(wanted), vm.delete_commit(wanted)] {
            assert!(matches!(result, Err(CommitError::Lookup(error)) if error == expected));
        }
        let error = vm.prove(wanted, &[ProofItem::page(id(1), PageIndex(0))]);
        assert!(matches!(error, Err(ProofError::Commit(error)) if error == expected));
        assert!(vm.prove(wanted, &[ProofItem::Contract(id(1))]).is_err());
        assert!(vm.recompile_module(wanted, id(1)).is_err());
    }
    assert_eq!(vm.commits(), commits);
    assert_eq!(vm.finalized(), None);
}

/// A root that several commits hold opens, and can not be finalised or deleted: the error lists the commits.
#[test]
fn ambiguous_roots() {
    let vm = VM::ephemeral().unwrap();
    let [base, one, two] = fork(&vm);
    let mut session = over(&vm, base);
    store(&mut session, id(1), 0, 1);
    let twin = session.commit_with_tag([1; 32]).unwrap();
    assert_eq!(twin.root, one.root);
    for result in [vm.finalize_commit(one.root), vm.delete_commit(one.root)] {
        let Err(CommitError::Lookup(LookupError::Ambiguous { root, ids })) = result else {
            panic!("{result:?}");
        };
        assert_eq!((root, ids), (one.root, vec![one.id, twin.id]));
    }
    assert_eq!(load(&mut over(&vm, one.root), id(1), 0), 1);
    assert_eq!(vm.commits(), [base, one, two, twin]);
    vm.finalize_commit(twin.id).unwrap();
    assert_eq!(vm.finalize_commit(one.root).unwrap(), twin);
}

/// A directory that is open is refused to others, naming the process; it is free when VM and sessions are gone.
#[test]
fn a_locked_directory() {
    let directory = Directory::new();
    let vm = directory.open();
    let session = fresh(&vm);
    let refused = || match VM::new(directory.path()) {
        Err(OpenVmError::State(OpenStateError::Store(OpenError::Locked { path, process }))) => {
            assert_eq!(path, directory.path());
            assert_eq!(process, Some(std::process::id()));
        }
        other => panic!("{other:?}"),
    };
    refused();
    drop(vm);
    refused();
    drop(session);
    directory.open();
}

/// A directory that holds something else is refused, and left as it is.
#[test]
fn a_foreign_directory() {
    let directory = Directory::new();
    let theirs = directory.path().join("letters");
    fs::write(&theirs, "dear").unwrap();
    match VM::new(directory.path()) {
        Err(OpenVmError::State(OpenStateError::Store(OpenError::Foreign { found, .. }))) => {
            assert_eq!(found, "letters");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(fs::read_to_string(&theirs).unwrap(), "dear");
    assert!(!directory.log_path().exists());
    let error = VM::new(&theirs).unwrap_err();
    assert!(error.to_string().contains("letters"), "{error}");
}

/// A log that is none is refused with the place, and left as it is.
#[test]
fn a_log_that_is_none() {
    let directory = Directory::new();
    drop(directory.open());
    for bytes in [&b"no log at all"[..], &[0xff; 10_000]] {
        directory.put_log(bytes);
        let error = VM::new(directory.path()).unwrap_err();
        assert!(
            matches!(error, OpenVmError::State(OpenStateError::Store(_))),
            "{error}"
        );
        assert_eq!(directory.log(), bytes);
    }
}

/// A protocol that can not be run is refused when the VM opens.
#[test]
fn a_protocol_that_can_not_be_run() {
    let protocols = vec![Protocol {
        operators: OperatorPrices {
            load: 256,
            ..OperatorPrices::default()
        },
        ..Protocol::default()
    }];
    let config = Config {
        protocols,
        ..Config::default()
    };
    assert!(matches!(
        VM::ephemeral_with_config(config),
        Err(OpenVmError::Engine(_))
    ));
}

/// A contract whose `run` executes these instructions, in 32 or 64 bits.
///
/// `$c`, `$hq`, ... are the imports. Its memory has three pages; the buffer is the second one. At 0 there are 32 bytes
/// of an id, at 64 the name `name`, at 80 two bytes that are no UTF-8.
fn runs(pointer: &str, body: &str) -> Vec<u8> {
    let width = if pointer == "i64" { "i64 " } else { "" };
    code(&format!(
        r#"(module
  (import "env" "c" (func $c (param {pointer} {pointer} i32 i32 i64) (result i32)))
  (import "env" "hq" (func $hq (param {pointer} i32 i32) (result i32)))
  (import "env" "hd" (func $hd (param {pointer} i32) (result i32)))
  (import "env" "emit" (func $emit (param {pointer} i32 i32)))
  (import "env" "feed" (func $feed (param i32)))
  (import "env" "owner" (func $owner (param {pointer}) (result i32)))
  (import "env" "panic" (func $panic (param i32)))
  (import "env" "hdebug" (func $hdebug (param i32)))
  (memory (export "memory") {width}3)
  (global (export "A") {pointer} ({pointer}.const 65536))
  (data ({pointer}.const 64) "name")
  (data ({pointer}.const 80) "\ff\fe")
  (func (export "run") (param i32) (result i32) {body}))"#
    ))
}

/// Addresses at which not all of so many bytes lie in the memory.
fn bad_addresses(pointer: &str, len: u64) -> Vec<String> {
    let end = 3 * 65_536;
    let mut addresses = vec![
        end - len + 1,
        end,
        end + 4096,
        0x7fff_fff0,
        0xffff_fff0,
        0xffff_ffff,
    ];
    if pointer == "i64" {
        addresses.extend([
            1 << 32,
            1 << 47,
            i64::MAX as u64,
            u64::MAX - len + 1,
            u64::MAX,
        ]);
    }
    let text = |address| format!("({pointer}.const {address:#x})");
    addresses.into_iter().map(text).collect()
}

/// Lengths that are negative or more than `max`.
fn bad_lengths(max: i32) -> Vec<String> {
    let lengths = [max + 1, 1 << 20, i32::MAX, -1, i32::MIN];
    let text = |len| format!("(i32.const {len})");
    lengths.into_iter().map(text).collect()
}

/// Every call of a trapping import with one argument that is bad.
fn misuses(pointer: &str) -> Vec<String> {
    let at = |address: u64| format!("({pointer}.const {address})");
    let name = format!("{} (i32.const 4)", at(64));
    let no_text = format!("{} (i32.const 2)", at(80));
    let mut calls = Vec::new();
    for address in bad_addresses(pointer, 4) {
        calls.push(format!(
            "(drop (call $hq {address} (i32.const 4) (i32.const 0)))"
        ));
        calls.push(format!("(drop (call $hd {address} (i32.const 4)))"));
        calls.push(format!(
            "(call $emit {address} (i32.const 4) (i32.const 0))"
        ));
    }
    for address in bad_addresses(pointer, 32) {
        calls.push(format!("(drop (call $owner {address}))"));
    }
    for len in bad_lengths(255) {
        let name = format!("{} {len}", at(64));
        calls.push(format!("(drop (call $hq {name} (i32.const 0)))"));
        calls.push(format!("(drop (call $hd {name}))"));
        calls.push(format!("(call $emit {name} (i32.const 0))"));
    }
    for len in bad_lengths(65_536) {
        calls.push(format!("(drop (call $hq {name} {len}))"));
        calls.push(format!("(call $emit {name} {len})"));
        calls.push(format!("(call $feed {len})"));
        calls.push(format!("(call $panic {len})"));
        calls.push(format!("(call $hdebug {len})"));
    }
    calls.push(format!("(drop (call $hq {no_text} (i32.const 0)))"));
    calls.push(format!("(drop (call $hd {no_text}))"));
    calls.push(format!("(call $emit {no_text} (i32.const 0))"));
    calls
}

/// Enough for any price of bytes that are never moved.
const MISUSE_LIMIT: u64 = 1 << 40;

/// A bad pointer, length or name given to any import but `c` traps as misuse, in 32 and 64 bits.
#[test]
fn misused_imports() {
    for pointer in ["i32", "i64"] {
        let mut vm = VM::ephemeral().unwrap();
        vm.register_host_query("name", PricedQuery::new(0, |_: &[u8]| Ok(Vec::new())));
        let mut scene = Scene::over(vm, SessionData::builder().build());
        for (number, misuse) in misuses(pointer).iter().enumerate() {
            let bytecode = runs(pointer, &format!("{misuse} (i32.const 0)"));
            let contract = scene.deploy(bytecode, number as u64);
            let result = scene.session.call_raw(contract, "run", [], MISUSE_LIMIT);
            let failure = reverted(result).failure;
            assert_eq!(
                failure.code,
                Outcome::HostFunctionMisuse,
                "{pointer} {misuse}: {failure}"
            );
            assert_eq!((failure.contract, &*failure.function), (contract, "run"));
            assert!(!failure.message.is_empty(), "{misuse}");
            scene.assert_unharmed();
        }
    }
}

/// Every call of `c` with one argument that is bad.
fn misused_calls(pointer: &str) -> Vec<String> {
    let at = |address: u64| format!("({pointer}.const {address})");
    let call = |contract: &str, name: &str, name_len: &str, arg_len: &str| {
        format!("(call $c {contract} {name} {name_len} {arg_len} (i64.const 0))")
    };
    let (zero, four) = ("(i32.const 0)", "(i32.const 4)");
    let mut calls = vec![call(&at(0), &at(80), "(i32.const 2)", zero)];
    for address in bad_addresses(pointer, 32) {
        calls.push(call(&address, &at(64), four, zero));
    }
    for address in bad_addresses(pointer, 4) {
        calls.push(call(&at(0), &address, four, zero));
    }
    for len in bad_lengths(255) {
        calls.push(call(&at(0), &at(64), &len, zero));
    }
    for len in bad_lengths(65_536) {
        calls.push(call(&at(0), &at(64), four, &len));
    }
    calls
}

/// A bad pointer, length or name given to `c` is `i32::MIN` for the caller, which goes on; in 32 and 64 bits.
#[test]
fn misused_calls_are_reported_to_the_caller() {
    for pointer in ["i32", "i64"] {
        let mut scene = Scene::new();
        for (number, call) in misused_calls(pointer).iter().enumerate() {
            let body = format!(
                "({pointer_store} {call}) (i32.const 4)",
                pointer_store = format_args!("i32.store ({pointer}.const 65536)")
            );
            let contract = scene.deploy(runs(pointer, &body), number as u64);
            let receipt = scene.session.call_raw(contract, "run", [], LIMIT).unwrap();
            assert_eq!(word(&receipt) as i32, i32::MIN, "{pointer} {call}");
            assert_eq!(receipt.call_tree.len(), 1);
            scene.assert_unharmed();
        }
    }
}

/// Results whose length is negative or more than the buffer holds fail the call; a caller sees `i32::MIN`.
#[test]
fn results_out_of_bounds() {
    let mut scene = Scene::new();
    let caller = scene.deploy(contract_bytecode!("caller"), 99);
    for (number, len) in [65_537, i32::MAX, -1, -2, i32::MIN].into_iter().enumerate() {
        let bytecode = runs(
            "i32",
            &format!("(i32.store (i32.const 0) (i32.const 1)) (i32.const {len})"),
        );
        let contract = scene.deploy(bytecode, number as u64);
        scene.assert_fails(contract, "run", &[], Outcome::ResultOutOfBounds);
        let argument = (contract, "run".to_owned());
        let outcome = scene.session.call::<_, Result<Vec<u8>, ContractError>>(
            caller,
            "call_catching",
            &argument,
            LIMIT,
        );
        assert_eq!(outcome.unwrap().data, Err(ContractError::Unknown), "{len}");
        // The caller's allocator remembers; the callee's store is undone.
        assert_eq!(scene.session.memory_pages(contract).unwrap().count(), 1);
        scene.root = scene.session.root().unwrap();
        scene.assert_unharmed();
    }
    let contract = scene.deploy(runs("i32", "(i32.const 65536)"), 50);
    let receipt = scene.session.call_raw(contract, "run", [], LIMIT).unwrap();
    assert_eq!(receipt.data, [0; 65_536]);
}

/// `feed` outside of a feeder call fails the call that did it, also after feeder calls.
#[test]
fn a_feed_outside_of_a_feeder_call() {
    let mut scene = Scene::new();
    let feeds = scene.deploy(contract_bytecode!("feeder"), 1);
    let three = 3u32.to_le_bytes();
    for _ in 0..2 {
        scene.assert_fails(feeds, "feed_numbers", &three, Outcome::FeedOutsideFeeder);
        let (feeder, fed) = mpsc::channel();
        scene
            .session
            .feeder_call::<_, ()>(feeds, "feed_numbers", &3u32, LIMIT, feeder)
            .unwrap();
        assert_eq!(fed.iter().count(), 3);
        let (feeder, fed) = mpsc::channel();
        let failed =
            scene
                .session
                .feeder_call::<_, ()>(feeds, "feed_then_fail", &3u32, LIMIT, feeder);
        assert_eq!(reverted(failed).failure.code, Outcome::Panic);
        assert_eq!(fed.iter().count(), 3);
    }
    let (feeder, fed) = mpsc::channel();
    drop(fed);
    let deaf = scene
        .session
        .feeder_call::<_, ()>(feeds, "feed_numbers", &3u32, LIMIT, feeder);
    deaf.unwrap();
    scene.assert_unharmed();
}

/// A contract that asks the query `name`, and an embedder's query under that name.
fn asking(query: impl HostQuery + 'static, data: SessionData) -> (Scene, ContractId) {
    let mut vm = VM::ephemeral().unwrap();
    vm.register_host_query("name", query);
    let mut scene = Scene::over(vm, data);
    let body = "(call $hq (i32.const 64) (i32.const 4) (i32.const 0))";
    let contract = scene.deploy(runs("i32", body), 1);
    (scene, contract)
}

/// A query that does not exist, is excluded from the session, or has no answer fails the call.
#[test]
fn queries_without_an_answer() {
    let answer = PricedQuery::new(10, |_: &[u8]| Ok(vec![1, 2, 3]));
    let (mut scene, contract) = asking(answer.clone(), SessionData::builder().build());
    let receipt = scene.session.call_raw(contract, "run", [], LIMIT).unwrap();
    assert_eq!(receipt.data, [1, 2, 3]);
    let excluded = SessionData::builder().exclude_hq("name").build();
    let (mut scene, contract) = asking(answer, excluded);
    scene.assert_fails(contract, "run", &[], Outcome::HostFunctionMisuse);
    let body = "(call $hq (i32.const 64) (i32.const 3) (i32.const 0))";
    let contract = scene.deploy(runs("i32", body), 2);
    scene.assert_fails(contract, "run", &[], Outcome::HostFunctionMisuse);
    let refuses = PricedQuery::new(10, |_: &[u8]| Err(QueryError("not today".to_owned())));
    let (mut scene, contract) = asking(refuses, SessionData::builder().build());
    scene.assert_fails(contract, "run", &[], Outcome::HostFunctionMisuse);
    let failed = reverted(scene.session.call_raw(contract, "run", [], LIMIT));
    assert!(failed.failure.text().contains("not today"));
}

/// A query with a price that nobody can pay is out of gas, and is not asked.
#[test]
fn a_query_that_is_too_dear() {
    for price in [LIMIT, u64::MAX] {
        let unasked = PricedQuery::new(price, |_: &[u8]| panic!("this query was not paid"));
        let (mut scene, contract) = asking(unasked, SessionData::builder().build());
        scene.assert_fails(contract, "run", &[], Outcome::OutOfGas);
    }
}

/// A query of the embedder that panics or answers too much is the host's fault: the session ends with a fatal error that
/// names the query, nothing of it can be committed, and the VM goes on.
#[test]
fn a_query_that_breaks() {
    fn assert_fatal(query: impl HostQuery + 'static) {
        let (mut scene, contract) = asking(query, SessionData::builder().build());
        match scene.session.call_raw(contract, "run", [], LIMIT) {
            Err(Error::Fatal(Fatal::Fault(fault))) => {
                assert!(fault.what.contains("`name`"), "{fault}");
            }
            other => panic!("{other:?}"),
        }
        let next = scene
            .session
            .call_raw(scene.cells, "load", words(&[0]), LIMIT);
        assert!(matches!(next, Err(Error::Fatal(Fatal::Poisoned))));
        assert!(matches!(scene.session.commit(), Err(CommitError::Poisoned)));
        let mut another = fresh(&scene._vm);
        deploy_cells(&mut another, 1);
        another.commit().unwrap();
    }
    assert_fatal(PricedQuery::new(0, |_: &[u8]| panic!("broken")));
    assert_fatal(PricedQuery::new(0, |_: &[u8]| Ok(vec![0; 65_537])));
    assert_fatal(BrokenPrice);
}

/// An answer that just fits the buffer is none too long.
#[test]
fn the_longest_answer() {
    let longest = PricedQuery::new(0, |_: &[u8]| Ok(vec![7; 65_536]));
    let (mut scene, contract) = asking(longest, SessionData::builder().build());
    let receipt = scene.session.call_raw(contract, "run", [], LIMIT).unwrap();
    assert_eq!(receipt.data, [7; 65_536]);
    scene.assert_unharmed();
}

/// A query that panics when it is asked for its price.
struct BrokenPrice;

impl HostQuery for BrokenPrice {
    fn price(&self, _: &QueryContext<'_>, _: &[u8]) -> u64 {
        panic!("broken")
    }

    fn answer(&self, _: &QueryContext<'_>, _: &[u8]) -> Result<Vec<u8>, QueryError> {
        Ok(Vec::new())
    }
}

/// The hook refuses calls of the host as a rejection, those of contracts as a failure for them, and `init`; without it
/// all go.
#[test]
fn calls_refused_by_the_hook() {
    let mut scene = Scene::new();
    let caller = scene.deploy(contract_bytecode!("caller"), 1);
    let counter = scene.deploy(contract_bytecode!("counter"), 2);
    let no_counting = |call: &FrameStart<'_>| {
        let refused = call.function == "increment" || call.function == "init";
        refused.then(|| "no counting".to_owned())
    };
    scene.session.set_call_hook(no_counting);
    match scene.refused(counter, "increment", &[]) {
        Refusal::Hook {
            contract,
            function,
            reason,
        } => {
            assert_eq!((contract, &*function), (counter, "increment"));
            assert_eq!(reason, "no counting");
        }
        other => panic!("{other}"),
    }
    let argument = (counter, "increment".to_owned());
    type Caught = Result<Vec<u8>, ContractError>;
    let caught = scene
        .session
        .call::<_, Caught>(caller, "call_catching", &argument, LIMIT);
    assert_eq!(caught.unwrap().data, Err(ContractError::Unknown));
    // The caller's allocator remembers.
    scene.root = scene.session.root().unwrap();
    let data = ContractData::builder().contract_id(id(3)).init_arg(&1i64);
    let rejected = scene.rejected(contract_bytecode!("initializer"), data);
    assert!(
        matches!(rejected, Rejected::Call(Refusal::Hook { .. })),
        "{rejected}"
    );
    assert_eq!(scene.session.contract_metadata(&id(3)).unwrap(), None);
    scene.session.clear_call_hook();
    let counted = scene
        .session
        .call::<_, ()>(counter, "increment", &(), LIMIT);
    counted.unwrap();
}

/// A limit of no gas, or one that does not pay for the start, is out of gas and nothing worse.
#[test]
fn no_gas_at_all() {
    let mut scene = Scene::new();
    let cells = scene.cells;
    let start = Protocol::default().schedule.instance_base;
    for limit in [0, 1, start - 1, start] {
        let failed = reverted(scene.session.call_raw(cells, "nothing", [], limit));
        assert_eq!(failed.failure.code, Outcome::OutOfGas);
        assert_eq!(
            (failed.receipt.gas_spent, failed.receipt.gas_limit),
            (limit, limit)
        );
        scene.assert_unharmed();
    }
    let all = scene.session.call_raw(cells, "nothing", [], u64::MAX);
    assert!(all.unwrap().gas_spent < LIMIT);
}
