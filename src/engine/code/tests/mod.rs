//! What the tests of this folder share: contracts from text, and a way to run them.

mod accept;
mod artifacts;
mod checks;
mod effort;
mod execute;
mod generated;
mod hostile;
mod layout;
mod marked;
mod offsets;
mod reject;
mod smith;
mod spec;

use super::{CodeLimits, PreparedCode, Rejection, prepare};
use marked::Seen;
use wasmtime::{Config, Engine, Global, Instance, Module, Store, Val};

/// The parts every contract needs, 32-bit: three pages of memory, `A` on the second.
const PARTS_32: &str =
    r#"(memory (export "memory") 3) (global (export "A") i32 (i32.const 65536))"#;
/// The same, 64-bit.
const PARTS_64: &str =
    r#"(memory (export "memory") i64 3) (global (export "A") i64 (i64.const 65536))"#;

fn wasm(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

/// A 32-bit contract with further fields.
fn contract(fields: &str) -> Vec<u8> {
    wasm(&format!("(module {PARTS_32} {fields})"))
}

/// A 64-bit contract with further fields.
fn contract_64(fields: &str) -> Vec<u8> {
    wasm(&format!("(module {PARTS_64} {fields})"))
}

fn prepared(code: &[u8]) -> PreparedCode {
    prepare(code, &CodeLimits::default()).unwrap()
}

fn rejected(code: &[u8]) -> Rejection {
    prepare(code, &CodeLimits::default()).unwrap_err()
}

/// The rewritten module is valid under the same features and a second memory.
fn assert_valid(wasm: &[u8]) {
    let features = super::features().union(wasmparser::WasmFeatures::MULTI_MEMORY);
    let mut validator = wasmparser::Validator::new_with_features(features);
    validator.validate_all(wasm).unwrap();
}

/// A module instantiated with nothing to import but what checks call.
struct Running {
    store: Store<Seen>,
    instance: Instance,
}

impl Running {
    fn new(wasm: &[u8]) -> Self {
        let engine = Engine::new(Config::new().consume_fuel(true)).unwrap();
        let module = Module::new(&engine, wasm).unwrap();
        let mut store = Store::new(&engine, Seen::default());
        store.set_fuel(1 << 40).unwrap();
        let linker = marked::linker(&engine, &module);
        let instance = linker.instantiate(&mut store, &module).unwrap();
        Self { store, instance }
    }

    /// Rewritten and audited, with the data segments that were taken out.
    fn prepared(code: &[u8]) -> Self {
        let prepared = prepared(code);
        assert_valid(&prepared.wasm);
        let mut running = Self::new(&marked::audited(&prepared.wasm));
        let memory = running
            .instance
            .get_memory(&mut running.store, "memory")
            .unwrap();
        for segment in &prepared.data {
            let offset = usize::try_from(segment.offset).unwrap();
            memory
                .write(&mut running.store, offset, &segment.bytes)
                .unwrap();
        }
        running
    }

    fn call(&mut self, name: &str, argument: i32) -> wasmtime::Result<i32> {
        let function = self
            .instance
            .get_typed_func::<i32, i32>(&mut self.store, name)?;
        let outcome = function.call(&mut self.store, argument);
        self.assert_covered(outcome.is_ok());
        outcome
    }

    /// No access went unchecked, and a check beyond the memory ended in a trap.
    fn assert_covered(&self, succeeded: bool) {
        let seen = self.store.data();
        assert_eq!(seen.misses, [""; 0]);
        assert!(!(seen.doomed && succeeded));
    }

    fn global(&mut self, name: &str) -> Global {
        self.instance.get_global(&mut self.store, name).unwrap()
    }

    fn height(&mut self) -> i32 {
        let global = self.global(super::HEIGHT_GLOBAL);
        match global.get(&mut self.store) {
            Val::I32(height) => height,
            other => panic!("the counter is an i32, not {other:?}"),
        }
    }

    fn memory(&mut self) -> Vec<u8> {
        let memory = self.instance.get_memory(&mut self.store, "memory").unwrap();
        memory.data(&self.store).to_vec()
    }
}
