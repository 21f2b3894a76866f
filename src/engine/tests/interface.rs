//! Each operation of the interface, on each backend.

use std::sync::Arc;

use crostata_abi::{ContractId, WASM_PAGE_BYTES};

use super::Nothing;
use crate::engine::runner::CallOutcome;
use crate::engine::{
    Aids, Backend, Call, Engine, ErrorKind, Fault, InstantiateError, Module, Protocol, Refusal,
    Runner,
};

const CONTRACT: ContractId = ContractId::from_bytes([1; 32]);

/// A contract of three pages that may have ten: `size` gives the number of pages, `grow` grows by one and gives what it got, and
/// `spin` never ends.
fn code(memory: &str) -> Vec<u8> {
    let text = r#"(module
      (memory (export "memory") MEMORY)
      (global (export "A") PTR (PTR.const 65536))
      (data (PTR.const 131072) "here")
      (func (export "size") (param i32) (result i32)
        (PTR.store (PTR.const 65536) (memory.size)) (i32.const 4))
      (func (export "grow") (param i32) (result i32)
        (PTR.store (PTR.const 65536) (memory.grow (PTR.const 1))) (i32.const 4))
      (func (export "spin") (param i32) (result i32) (loop (br 0)) (unreachable)))"#;
    let pointer = if memory.starts_with("i64") {
        "i64"
    } else {
        "i32"
    };
    let text = text.replace("MEMORY", memory).replace("PTR", pointer);
    wat::parse_str(text).unwrap()
}

/// Both widths.
const MEMORIES: [&str; 2] = ["3 10", "i64 3 10"];

fn engines() -> impl Iterator<Item = Arc<Engine<Nothing>>> {
    let protocol = Arc::new(Protocol::default());
    Backend::BUILT.iter().flat_map(move |backend| {
        let interruptible = Aids {
            interruptible: true,
            ..Aids::default()
        };
        let blocks = Engine::new(*backend, protocol.clone());
        let queries = Engine::aided(*backend, protocol.clone(), interruptible);
        [Arc::new(blocks.unwrap()), Arc::new(queries.unwrap())]
    })
}

fn compiled(engine: &Engine<Nothing>, code: &[u8]) -> Module<Nothing> {
    let prepared = engine.prepare(code).unwrap();
    let compiled = wasmtime::Module::new(engine.wasmtime(), &prepared.wasm).unwrap();
    engine
        .link(prepared.facts, prepared.data, &compiled)
        .unwrap()
}

fn modules(test: impl Fn(&Arc<Engine<Nothing>>, &Arc<Module<Nothing>>)) {
    for engine in engines() {
        for memory in MEMORIES {
            test(&engine, &Arc::new(compiled(&engine, &code(memory))));
        }
    }
}

/// A runner with one contract, whose memory has a required size.
fn instantiated(
    engine: &Arc<Engine<Nothing>>,
    module: &Arc<Module<Nothing>>,
    required_bytes: u64,
) -> Box<Runner<Nothing>> {
    let memory = module.memory(required_bytes, engine.protocol()).unwrap();
    let mut runner = Runner::new(engine.clone(), Nothing).interrupted_after(1);
    runner.insert(CONTRACT, module.clone(), memory);
    Box::new(runner)
}

fn call(runner: Box<Runner<Nothing>>, function: &str) -> (Box<Runner<Nothing>>, CallOutcome) {
    runner.call(Call {
        contract: CONTRACT,
        function,
        argument: &[],
        limit_gas: 1_000_000,
        init: false,
    })
}

/// The number that a call gives.
fn number(runner: Box<Runner<Nothing>>, function: &str) -> (Box<Runner<Nothing>>, u32) {
    let (runner, outcome) = call(runner, function);
    let bytes = outcome.unwrap().unwrap().result.unwrap();
    (runner, u32::from_le_bytes(bytes.try_into().unwrap()))
}

/// A memory is as large as required, at least as large as the code says, and contract, view and growth agree about that.
#[test]
fn memories_have_the_required_size() {
    modules(|engine, module| {
        let required = [
            (0, 3),
            (1, 3),
            (3 << 16, 3),
            ((3 << 16) + 1, 4),
            (10 << 16, 10),
        ];
        for (required_bytes, pages) in required {
            let runner = instantiated(engine, module, required_bytes);
            let (runner, size) = number(runner, "size");
            assert_eq!(size, pages);
            let view = runner.memory(&CONTRACT).unwrap();
            assert_eq!(view.size_bytes() as u64, u64::from(pages) * WASM_PAGE_BYTES);
            let mut bytes = [0; 4];
            assert!(view.read(131_072, &mut bytes));
            assert_eq!(&bytes, b"here");
            assert!(!view.read(view.size_bytes() as u64 - 3, &mut bytes));
            let (runner, grown) = number(runner, "grow");
            assert_eq!(grown, if pages < 10 { pages } else { u32::MAX });
            let size_bytes = runner.memory(&CONTRACT).unwrap().size_bytes() as u64;
            assert_eq!(size_bytes, u64::from((pages + 1).min(10)) << 16);
        }
    });
}

/// More than code or protocol allow is refused, as a matter of memory.
#[test]
fn too_large_memories_are_refused() {
    modules(|engine, module| {
        let largest = 10 * WASM_PAGE_BYTES;
        for required in [largest + 1, u64::MAX] {
            let refused = module.memory(required, engine.protocol()).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Memory);
            let InstantiateError::TooLarge {
                required_bytes,
                max_bytes,
            } = refused
            else {
                panic!("{refused}");
            };
            assert_eq!((required_bytes, max_bytes), (required, largest));
        }
        let mut tight = Protocol::default();
        tight.limits.memory_wasm_pages_max = 4;
        assert!(module.memory(4 << 16, &tight).is_ok());
        assert!(module.memory((4 << 16) + 1, &tight).is_err());
        // Code that was deployed under wider rules keeps what it begins with.
        tight.limits.memory_wasm_pages_max = 1;
        assert!(module.memory(3 << 16, &tight).is_ok());
        assert!(module.memory((3 << 16) + 1, &tight).is_err());
    });
}

/// What was dropped is gone, and may come again.
#[test]
fn dropped_contracts_are_gone() {
    modules(|engine, module| {
        let runner = instantiated(engine, module, 0);
        let (mut runner, _) = number(runner, "grow");
        assert!(runner.name(CONTRACT, None).is_some());
        runner.settle();
        assert!(runner.memory(&CONTRACT).is_none());
        let (mut runner, outcome) = call(runner, "size");
        let refused = Refusal::NoContract { contract: CONTRACT };
        assert_eq!(outcome.unwrap().unwrap_err(), refused);
        let memory = module.memory(0, engine.protocol()).unwrap();
        runner.insert(CONTRACT, module.clone(), memory);
        assert_eq!(number(runner, "size").1, 3);
    });
}

/// Deadlines hold on interruptible engines only, and are no failure of the host.
#[test]
fn only_interruptible_engines_interrupt() {
    modules(|engine, module| {
        let runner = instantiated(engine, module, 0);
        engine.tick();
        let (_, outcome) = call(runner, "spin");
        match engine.ticks() {
            None => {
                let failure = outcome.unwrap().unwrap().result.unwrap_err();
                assert_eq!(failure.kind(), ErrorKind::OutOfGas);
            }
            Some(_) => assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Timeout),
        }
        assert!(engine.is_healthy());
    });
    let interruptible = engines().filter(|engine| engine.ticks().is_some());
    assert_eq!(interruptible.count(), Backend::BUILT.len());
}

/// A rejection is about code, whatever else it says.
#[test]
fn code_that_does_not_compile() {
    for engine in engines() {
        let rejection = engine.prepare(b"junk").unwrap_err();
        assert_eq!(rejection.kind(), ErrorKind::Compile);
        assert_eq!(Fault::new("").kind(), ErrorKind::Other);
    }
}
