//! P1, P7: compiled code over regions, on both backends: both memories are the region's, growth and reverted growth
//! are seen by running code, and what faults is a trap.

use std::sync::Mutex;

use wasmtime::{Caller, Config, Engine, Instance, Linker, Module, Store, Trap};

use super::*;

/// `look` loads a byte and its page's mark; `grow_and_store` grows, stores there, calls the host, and asks for the size.
const CODE: &str = r#"(module
  (import "host" "undo" (func $undo))
  (memory (export "memory") $ADDRESS 1)
  (memory $marks 16 $MARKS)
  (func (export "load") (param $at $WORD) (result i32) (i32.load8_u (local.get $at)))
  (func (export "store") (param $at $WORD) (param i32) (i32.store8 (local.get $at) (local.get 1)))
  (func (export "mark") (param i32) (result i32) (i32.load8_u $marks (local.get 0)))
  (func (export "grow") (param $WORD) (result $WORD) (memory.grow (local.get 0)))
  (func (export "grow_and_undo") (param $WORD) (result $WORD)
    (drop (memory.grow (local.get 0)))
    (i32.store8 ($WORD.const 65536) (i32.const 1))
    (call $undo)
    (memory.size)))"#;

struct Contract {
    store: Store<Arc<Region>>,
    instance: Instance,
    region: Arc<Region>,
}

fn engine(portable: bool) -> Engine {
    static ENGINES: Mutex<[Option<Engine>; 2]> = Mutex::new([None, None]);
    let mut engines = ENGINES.lock().unwrap();
    let engine = engines[usize::from(portable)].get_or_insert_with(|| {
        let mut config = Config::new();
        if portable {
            config.target("pulley64").unwrap();
        }
        config
            .with_host_memory(Arc::new(RegionCreator))
            .memory_init_cow(false)
            .memory_reservation(RESERVATION_BYTES)
            .memory_guard_size(GUARD_BYTES)
            .guard_before_linear_memory(false)
            .wasm_multi_memory(true);
        Engine::new(&config).unwrap()
    });
    engine.clone()
}

fn contract(portable: bool, wide: bool) -> Contract {
    let (address, word, marks) = match wide {
        true => ("i64", "i64", "65536"),
        false => ("", "i32", "16"),
    };
    let text = CODE
        .replace("$ADDRESS", address)
        .replace("$WORD", word)
        .replace("$MARKS", marks);
    let engine = engine(portable);
    let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
    let mut linker = Linker::new(&engine);
    linker.func_wrap("host", "undo", undo).unwrap();
    let region = Arc::new(over(&image()));
    let mut store = Store::new(&engine, region.clone());
    assert!(linker.instantiate(&mut store, &module).is_err());
    assert!(hand_over(Some(region.clone())).is_none());
    let instance = linker.instantiate(&mut store, &module).unwrap();
    assert!(hand_over(None).is_none());
    Contract {
        store,
        instance,
        region,
    }
}

/// What the host does to take growth back under a running frame.
fn undo(mut guest: Caller<'_, Arc<Region>>) {
    let memory = guest.get_export("memory").unwrap().into_memory().unwrap();
    guest.data().resize(WASM_PAGE).unwrap();
    memory.grow(&mut guest, 0).unwrap();
}

impl Contract {
    fn call<P, R>(&mut self, name: &str, parameters: P) -> wasmtime::Result<R>
    where
        P: wasmtime::WasmParams,
        R: wasmtime::WasmResults,
    {
        let function = self
            .instance
            .get_typed_func::<P, R>(&mut self.store, name)?;
        function.call(&mut self.store, parameters)
    }

    fn assert_out_of_bounds<P: wasmtime::WasmParams>(&mut self, at: P) {
        let error = self.call::<P, i32>("load", at).unwrap_err();
        let trap = error.downcast_ref::<Trap>();
        assert_eq!(trap, Some(&Trap::MemoryOutOfBounds));
    }
}

fn both_backends(test: impl Fn(bool)) {
    [false, true].into_iter().for_each(test);
}

#[test]
fn narrow_contracts_see_the_region() {
    both_backends(|portable| {
        let mut contract = contract(portable, false);
        assert_eq!(contract.call::<_, i32>("load", PAGE as i32).unwrap(), 7);
        contract.call::<_, ()>("store", (5, 9)).unwrap();
        contract.region.note_written(0);
        assert_eq!(byte(&contract.region, 5), 9);
        contract.region.set_mark((1 << 20) - 1, 3);
        assert_eq!(contract.call::<_, i32>("mark", (1 << 20) - 1).unwrap(), 3);
        assert!(contract.call::<_, i32>("mark", 1 << 20).is_err());
        assert!(contract.call::<_, i32>("mark", -1).is_err());
        contract.assert_out_of_bounds(WASM_PAGE as i32);
        contract.assert_out_of_bounds(-1);
        assert_eq!(contract.call::<_, i32>("grow", 1).unwrap(), 1);
        assert_eq!(
            contract.call::<_, i32>("load", WASM_PAGE as i32).unwrap(),
            0
        );
        assert_eq!(contract.call::<_, i32>("grow", 65_534).unwrap(), 2);
        assert_eq!(contract.call::<_, i32>("load", -1).unwrap(), 0);
        assert_eq!(contract.call::<_, i32>("grow", 1).unwrap(), -1);
    });
}

#[test]
fn wide_contracts_see_the_region_wherever_it_is() {
    both_backends(|portable| {
        let mut contract = contract(portable, true);
        assert_eq!(contract.call::<_, i32>("load", PAGE as i64).unwrap(), 7);
        // The table covers every index from the beginning, so that its size is never seen.
        assert_eq!(contract.call::<_, i32>("mark", -1).unwrap(), 0);
        contract.call::<_, ()>("store", (5i64, 9)).unwrap();
        contract.region.note_written(0);
        contract.assert_out_of_bounds(WASM_PAGE as i64);
        let before = contract.region.base();
        assert_eq!(contract.call::<_, i64>("grow", 65_536i64 * 2).unwrap(), 1);
        assert_ne!(contract.region.base(), before);
        assert_eq!(contract.call::<_, i32>("load", 5i64).unwrap(), 9);
        assert_eq!(contract.call::<_, i32>("load", PAGE as i64).unwrap(), 7);
        contract.call::<_, ()>("store", (8i64 << 30, 4)).unwrap();
        assert_eq!(byte(&contract.region, 8 * GIB), 4);
        contract.region.set_mark(2 << 20, 3);
        assert_eq!(contract.call::<_, i32>("mark", 2 << 20).unwrap(), 3);
        contract.assert_out_of_bounds((8i64 << 30) + WASM_PAGE as i64);
        contract.assert_out_of_bounds(-1i64);
        let most = (1i64 << 26) - 131_073;
        assert_eq!(contract.call::<_, i64>("grow", most).unwrap(), 131_073);
        contract
            .call::<_, ()>("store", ((4i64 << 40) - 1, 6))
            .unwrap();
        assert_eq!(byte(&contract.region, 4096 * GIB - 1), 6);
    });
}

/// Growth taken back inside of a suspended frame: the frame sees the old size when it goes on.
#[test]
fn growth_is_taken_back_under_running_code() {
    both_backends(|portable| {
        let mut narrow = contract(portable, false);
        assert_eq!(narrow.call::<_, i32>("grow_and_undo", 3).unwrap(), 1);
        narrow.assert_out_of_bounds(WASM_PAGE as i32);
        assert_eq!(narrow.call::<_, i32>("grow", 1).unwrap(), 1);
        assert_eq!(narrow.call::<_, i32>("load", WASM_PAGE as i32).unwrap(), 0);
        let mut wide = contract(portable, true);
        let grown = wide.call::<_, i64>("grow_and_undo", 70_000i64);
        assert_eq!(grown.unwrap(), 1);
        wide.assert_out_of_bounds(WASM_PAGE as i64);
    });
}
