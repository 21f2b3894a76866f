//! P1, P7: one interface over both backends: what is inspected is what is deployed, each error has its kind, and the VM's health tells
//! failures of the host from everything else.

mod fixtures;

use crostata::{
    Backend, Config, ContractData, EngineError, Error, ErrorKind, Fatal, FrameStart, HostQuery,
    Inspection, OpenVmError, Protocol, QueryContext, QueryError, Reentry, Rejection, Session,
    SessionData, VM, WordSize, contract_bytecode,
};
use crostata_abi::imports::IMPORTS;
use fixtures::{
    BACKENDS, LIMIT, Narrow, WIDTHS, Wide, Width, deploy, ephemeral, fresh, id, module, probe,
};

fn inspected(code: &[u8]) -> Result<Inspection, Rejection> {
    Protocol::default().inspect(code)
}

/// Every host function that a contract imports is named, with what else the rules see.
#[test]
fn inspection_tells_what_code_is() {
    for (width, word_size) in [(Narrow, WordSize::W32), (Wide, WordSize::W64)] {
        let code = probe(width);
        let seen = inspected(&code).unwrap();
        let names: Vec<_> = IMPORTS.iter().map(|import| import.name).collect();
        assert_eq!(seen.imports, names);
        assert_eq!(seen.word_size, word_size);
        assert_eq!(seen.code_bytes, code.len() as u64);
        assert_eq!(seen.exports.len(), IMPORTS.len() + 7);
        assert!(seen.exports.is_sorted() && seen.exports.iter().any(|name| name == "use_hq"));
        assert_eq!((seen.has_init, seen.reentry), (false, Reentry::Allowed));
        assert_eq!(seen.functions, IMPORTS.len() as u64 + 8);
        let sizes = (
            seen.initial_memory_wasm_pages,
            seen.maximum_memory_wasm_pages,
        );
        assert_eq!(sizes, (4, Some(12)));
        assert_eq!((seen.argument_buffer, seen.data_bytes), (65_536, 0));
        let session = fresh(&ephemeral(BACKENDS[0]));
        assert_eq!(seen.deploy_gas, session.deploy_price(&code));
    }
    let lone = inspected(
        &wat::parse_str(
            r#"(module (@custom "crostata.reentry" "\02")
             (import "env" "self_id" (func)) (memory (export "memory") 2)
             (global (export "A") i32 (i32.const 65536)) (global (mut i32) (i32.const 0))
             (table 3 funcref) (data (i32.const 0) "abc")
             (func (export "init") (param i32) (result i32) (i32.const 0)))"#,
        )
        .unwrap(),
    )
    .unwrap();
    assert_eq!(lone.imports, ["self_id"]);
    assert_eq!((lone.has_init, lone.reentry), (true, Reentry::Never));
    assert_eq!(
        (lone.mutable_globals, lone.table_elements, lone.data_bytes),
        (1, 3, 3)
    );
    assert!(lone.exports.is_empty());
}

/// A deployment is refused with the rejection that inspecting gives, and with none when there is none.
#[test]
fn inspecting_and_deploying_agree() {
    let unknown = r#"(module (import "env" "clock" (func)) (memory (export "memory") 2)
        (global (export "A") i32 (i32.const 65536)))"#;
    let codes = [
        contract_bytecode!("counter").to_vec(),
        contract_bytecode!("ledger").to_vec(),
        contract_bytecode!("recursion").to_vec(),
        b"no wasm".to_vec(),
        wat::parse_str("(module)").unwrap(),
        wat::parse_str(unknown).unwrap(),
    ];
    for vm in BACKENDS.map(ephemeral) {
        let mut rejected = 0;
        for code in &codes {
            let mut session = fresh(&vm);
            let deployed = session.deploy(code, ContractData::builder(), LIMIT);
            match (inspected(code), deployed) {
                (
                    Err(expected),
                    Err(Error::Rejected(crostata::Rejected::Code { rejection, .. })),
                ) => {
                    assert_eq!(rejection, expected);
                    assert_eq!(rejection.kind(), ErrorKind::Compile);
                    rejected += 1;
                }
                (Ok(_), Ok(_) | Err(Error::Reverted(_))) => {}
                (expected, found) => panic!("{expected:?} {found:?}"),
            }
        }
        assert_eq!(rejected, 3);
    }
}

/// Ends in each kind.
const ENDS: &str = r#"
  (func (export "unreachable") (param i32) (result i32) (unreachable))
  (func (export "outside") (param i32) (result i32) (i32.load8_u (PTR.const 100000000)))
  (func (export "panic") (param i32) (result i32) (call $panic (i32.const 0)) (unreachable))
  (func (export "loop") (param i32) (result i32) (loop (br 0)) (unreachable))
  (data (PTR.const 0) "ask")
  (func (export "ask") (param i32) (result i32) (call $hq (PTR.const 0) (i32.const 3) (i32.const 0)))"#;

/// Answers by panicking.
struct Panicking;

impl HostQuery for Panicking {
    fn price(&self, _: &QueryContext<'_>, _: &[u8]) -> u64 {
        1
    }

    fn answer(&self, _: &QueryContext<'_>, _: &[u8]) -> Result<Vec<u8>, QueryError> {
        panic!("of the embedder")
    }
}

fn ends(backend: Backend, width: Width) -> (VM, Session) {
    let mut vm = ephemeral(backend);
    vm.register_host_query("ask", Panicking);
    let mut session = fresh(&vm);
    deploy(&mut session, 1, &module(width, ENDS));
    (vm, session)
}

/// Every kind of error comes of a real call, on both backends.
#[test]
fn every_error_has_its_kind() {
    for backend in BACKENDS {
        for width in WIDTHS {
            let (vm, mut session) = ends(backend, width);
            let mut kind = |contract, function: &str| {
                let called = session.call_raw(id(contract), function, [], 1_000_000);
                called.unwrap_err().kind()
            };
            assert_eq!(kind(1, "absent"), ErrorKind::Export);
            assert_eq!(kind(1, "init"), ErrorKind::Export);
            assert_eq!(kind(9, "absent"), ErrorKind::Instantiation);
            assert_eq!(kind(1, "outside"), ErrorKind::Memory);
            assert_eq!(kind(1, "unreachable"), ErrorKind::Runtime);
            assert_eq!(kind(1, "panic"), ErrorKind::Runtime);
            assert_eq!(kind(1, "loop"), ErrorKind::OutOfGas);
            let long = session
                .call_raw(id(1), "panic", [0; 65_537], LIMIT)
                .unwrap_err();
            assert_eq!(long.kind(), ErrorKind::Memory);
            let junk = session
                .deploy(b"junk", ContractData::builder(), LIMIT)
                .unwrap_err();
            assert_eq!(junk.kind(), ErrorKind::Compile);
            session.set_call_hook(|_: &FrameStart<'_>| Some("no".to_owned()));
            let refused = session.call_raw(id(1), "panic", [], LIMIT).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Other);
            let data = SessionData::builder().interrupted_after(0);
            let late = vm
                .session(data)
                .unwrap()
                .call_raw(id(1), "panic", [], LIMIT);
            assert_eq!(late.unwrap_err().kind(), ErrorKind::Timeout);
            assert!(vm.is_healthy());
        }
    }
}

/// A fault of the host is reported until the VM is opened anew, and refuses nothing.
#[test]
fn health_is_lost_with_a_fault_of_the_host() {
    for backend in BACKENDS {
        let directory = tempfile::tempdir().unwrap();
        let open = || {
            let config = Config {
                backend,
                ..Config::default()
            };
            let mut vm = VM::with_config(directory.path(), config).unwrap();
            vm.register_host_query("ask", Panicking);
            vm
        };
        let vm = open();
        let mut session = fresh(&vm);
        deploy(&mut session, 1, &module(Narrow, ENDS));
        let base = session.commit().unwrap();
        assert!(vm.is_healthy());
        let failed = session.call_raw(id(1), "ask", [], LIMIT).unwrap_err();
        assert!(matches!(failed, Error::Fatal(Fatal::Fault(_))), "{failed}");
        assert!(!vm.is_healthy());
        let again = session.call_raw(id(1), "panic", [], LIMIT).unwrap_err();
        assert!(matches!(again, Error::Fatal(Fatal::Poisoned)));
        let mut other = vm.session(SessionData::builder().base(base)).unwrap();
        assert!(matches!(
            other.call_raw(id(1), "panic", [], LIMIT),
            Err(Error::Reverted(_))
        ));
        other.commit().unwrap();
        assert!(!vm.is_healthy());
        drop((session, other, vm));
        assert!(open().is_healthy());
    }
}

/// So is one in a session with a deadline, and one in a hook.
#[test]
fn health_counts_queries_and_hooks() {
    let (vm, _) = ends(BACKENDS[0], Narrow);
    let mut query = vm
        .session(SessionData::builder().interrupted_after(9))
        .unwrap();
    deploy(&mut query, 1, &module(Narrow, ENDS));
    assert!(vm.is_healthy());
    assert!(matches!(
        query.call_raw(id(1), "ask", [], LIMIT),
        Err(Error::Fatal(_))
    ));
    assert!(!vm.is_healthy());

    let (vm, mut session) = ends(BACKENDS[0], Narrow);
    session.set_call_hook(|_: &FrameStart<'_>| -> Option<String> { panic!("of the hook") });
    assert!(matches!(
        session.call_raw(id(1), "panic", [], LIMIT),
        Err(Error::Fatal(_))
    ));
    assert!(!vm.is_healthy());
}

/// A backend that was not built is an error that says so, and what was built opens.
#[test]
fn backends_not_built_are_refused() {
    assert!(!Backend::BUILT.is_empty());
    for backend in [Backend::Native, Backend::Portable] {
        let config = Config {
            backend,
            ..Config::default()
        };
        match VM::ephemeral_with_config(config) {
            Ok(_) => assert!(Backend::BUILT.contains(&backend)),
            Err(error @ OpenVmError::Engine(EngineError::NotBuilt { backend: named })) => {
                assert_eq!(error.kind(), ErrorKind::Compile);
                assert_eq!(named, backend);
                assert!(!Backend::BUILT.contains(&backend));
            }
            Err(other) => panic!("{other}"),
        }
    }
}
