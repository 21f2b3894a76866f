//! P1, P2: the contracts that are built here do after rewriting what they did before, with every access checked.

use super::super::DataSegment;
use super::marked::{self, Seen};
use super::prepared;
use std::path::Path;
use wasmtime::{Engine, Module, Store, Trap};

/// What a call returned or how it trapped, and the memory after it.
type Behaviour = (Result<i32, Option<Trap>>, Vec<u8>);

/// Arguments, as numbers of 32 bits, that some function or other takes.
const ARGUMENTS: [&[u32]; 5] = [&[], &[20], &[300, 1], &[256, 7, 1], &[0; 11]];

/// Calls one function of a fresh instance. Imports do nothing and return zeros.
fn run(
    engine: &Engine,
    module: &Module,
    data: &[DataSegment],
    call: (&str, &[u32], u64),
    strict: bool,
) -> (Behaviour, Seen) {
    let mut store = Store::new(engine, Seen::strict(strict));
    store.set_fuel(2_000_000).unwrap();
    let mut linker = marked::linker(engine, module);
    linker
        .define_unknown_imports_as_default_values(&mut store, module)
        .unwrap();
    let instance = linker.instantiate(&mut store, module).unwrap();
    let memory = instance.get_memory(&mut store, "memory").unwrap();
    let (name, numbers, buffer) = call;
    let argument: Vec<u8> = numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect();
    let argument = DataSegment {
        offset: buffer,
        bytes: argument,
    };
    for segment in data.iter().chain([&argument]) {
        let offset = usize::try_from(segment.offset).unwrap();
        memory.write(&mut store, offset, &segment.bytes).unwrap();
    }
    let function = instance
        .get_typed_func::<i32, i32>(&mut store, name)
        .unwrap();
    let result = function.call(&mut store, argument.bytes.len() as i32);
    let result = result.map_err(|error| error.downcast_ref::<Trap>().copied());
    let memory = memory.data(&store).to_vec();
    ((result, memory), store.into_data())
}

/// What was compared.
#[derive(Debug, Default)]
struct Totals {
    calls: usize,
    returned: usize,
    accesses: u64,
}

impl Totals {
    /// Calls every function with every argument.
    fn drive(&mut self, engine: &Engine, path: &Path) {
        let code = std::fs::read(path).unwrap();
        let prepared = prepared(&code);
        let before = Module::new(engine, &code).unwrap();
        let after = Module::new(engine, marked::audited(&prepared.wasm)).unwrap();
        for name in &prepared.facts.functions {
            for arguments in ARGUMENTS {
                let call = (name.as_str(), arguments, prepared.facts.argument_buffer);
                let (expected, _) = run(engine, &before, &[], call, false);
                for strict in [false, true] {
                    let (behaviour, seen) = run(engine, &after, &prepared.data, call, strict);
                    assert_eq!(seen.misses, [""; 0], "{path:?} {call:?}");
                    self.compare(&behaviour, &expected, &format!("{path:?} {call:?}"));
                    self.accesses += seen.accesses;
                }
            }
        }
    }

    /// Checks cost fuel, and the counter ends a recursion before other bounds do: what fails need not fail in the same place.
    fn compare(&mut self, behaviour: &Behaviour, expected: &Behaviour, call: &str) {
        self.calls += 1;
        let early = [
            Err(Some(Trap::OutOfFuel)),
            Err(Some(Trap::UnreachableCodeReached)),
        ];
        if expected.0.is_err() || early.contains(&behaviour.0) {
            assert!(behaviour.0.is_err(), "{call}");
            return;
        }
        self.returned += 1;
        assert_eq!(behaviour.0, expected.0, "{call}");
        assert!(behaviour.1 == expected.1, "{call}: memories differ");
    }
}

#[test]
fn built_contracts_behave_the_same() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts/artifacts");
    let engine = Engine::new(wasmtime::Config::new().consume_fuel(true)).unwrap();
    let mut totals = Totals::default();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "wasm")
        {
            totals.drive(&engine, &path);
        }
    }
    println!("{totals:?}");
    assert!(
        totals.returned > 100 && totals.accesses > 10_000,
        "{totals:?}"
    );
}
