//! P1, P2, P6, P7: hostile code against copy-on-write memory, touch tracking and savepoints.

mod fixtures;

use crostata::{Backend, Config, ContractData, ContractId, Protocol, Session, SessionData, VM};
use fixtures::{BACKENDS, LIMIT, WIDTHS, Width, deploy, ephemeral, fresh, id, module, reverted};

/// `seam` writes to address 4 in a line of code that then writes to the last bytes of the address space, which traps;
/// `caught` calls it and goes on; `get` gives the word at 4.
fn seam(width: Width) -> Vec<u8> {
    module(
        width,
        r#"(data (PTR.const 4) "\11\22\33\44")
           (data (PTR.const 1024) "seam")
           (func (export "seam") (param i32) (result i32) (local $x PTR)
             (local.set $x (PTR.sub (PTR.const 0) (PTR.load (PTR.const 65536))))
             (i32.store (PTR.add (local.get $x) (PTR.const 8)) (i32.const -1))
             (i32.store (local.get $x) (i32.const -1))
             (i32.const 0))
           (func (export "caught") (param i32) (result i32) (local $code i32)
             (call $self_id)
             (memory.copy (PTR.const 2048) (PTR.const 65536) (PTR.const 32))
             (PTR.store (PTR.const 65536) (PTR.const 4))
             (local.set $code (call $c (PTR.const 2048) (PTR.const 1024) (i32.const 4) (i32.const 8) (i64.const 1000000)))
             (i32.store (PTR.const 65536) (local.get $code))
             (i32.const 4))
           (func (export "get") (param i32) (result i32)
             (i32.store (PTR.const 65536) (i32.load (PTR.const 4)))
             (i32.const 4))"#,
    )
}

fn get(session: &mut Session) -> Vec<u8> {
    session.call_raw(id(1), "get", [], LIMIT).unwrap().data
}

/// P2, P4: where two addresses lie on both sides of the end of the address space, the write to the first page is undone.
#[test]
fn a_write_across_the_end_of_the_address_space_is_undone() {
    for backend in BACKENDS {
        for width in WIDTHS {
            let vm = ephemeral(backend);
            let mut session = fresh(&vm);
            deploy(&mut session, 1, &seam(width));
            let commit = session.commit().unwrap();
            drop(session);
            for _ in 0..2 {
                let over = SessionData::builder().base(commit);
                let mut session: Session = vm.session(over).unwrap();
                reverted(session.call_raw(id(1), "seam", 4u64.to_le_bytes(), LIMIT));
                assert_eq!(get(&mut session), [0x11, 0x22, 0x33, 0x44], "{width:?}");
                let receipt = session.call_raw(id(1), "caught", [], LIMIT).unwrap();
                assert!(i32::from_le_bytes(receipt.data.try_into().unwrap()) < 0);
                assert_eq!(get(&mut session), [0x11, 0x22, 0x33, 0x44], "{width:?}");
            }
        }
    }
}

/// P1: what a call touched is known after it, however many instances the session has had.
#[test]
fn accesses_are_known_after_every_call() {
    let vm = VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    let code = module(
        Width::Narrow,
        r#"(func (export "set") (param i32) (result i32)
             (i32.store (i32.const 0) (i32.load (i32.const 65536)))
             (i32.const 0))"#,
    );
    let ids = (0..600u32).map(|number| {
        let mut bytes = [7; 32];
        bytes[..4].copy_from_slice(&number.to_le_bytes());
        ContractId::from_bytes(bytes)
    });
    let ids: Vec<ContractId> = ids.collect();
    let root = session.root().unwrap();
    let before = session.savepoint().unwrap();
    for contract in &ids {
        let data = ContractData::builder().contract_id(*contract);
        session.deploy(&code, data, LIMIT).unwrap();
    }
    let deployed = session.root().unwrap();
    let inner = session.savepoint().unwrap();
    for round in 1..=2u32 {
        for contract in &ids {
            session
                .call_raw(*contract, "set", round.to_le_bytes(), LIMIT)
                .unwrap();
            assert_eq!(session.page_accesses().len(), 1);
        }
    }
    session.rollback(inner).unwrap();
    assert_eq!(session.root().unwrap(), deployed);
    session
        .call_raw(ids[3], "set", [1, 0, 0, 0], LIMIT)
        .unwrap();
    session.rollback(before).unwrap();
    assert_eq!(session.root().unwrap(), root);
}

/// A VM whose memories may have so many WebAssembly pages.
fn roomy(backend: Backend, wasm_pages_max: u64) -> VM {
    let mut protocol = Protocol::default();
    protocol.limits.memory_wasm_pages_max = wasm_pages_max;
    protocol.limits.call_memory_wasm_pages_max = wasm_pages_max;
    VM::ephemeral_with_config(Config {
        backend,
        protocols: vec![protocol],
        ..Config::default()
    })
    .unwrap()
}

/// `full` grows the memory to all that 32 bits can name, fills both sides of the end, and has `both` write them and fail.
const FULL: &str = r#"(module
  (import "env" "c" (func $c (param i32 i32 i32 i32 i64) (result i32)))
  (import "env" "self_id" (func $self_id))
  (memory (export "memory") 4 65536)
  (global (export "A") i32 (i32.const 65536))
  (data (i32.const 1024) "both")
  (func (export "both") (param i32) (result i32) (local $x i32)
    (local.set $x (i32.sub (i32.const 0) (i32.load (i32.const 65536))))
    (i32.store (local.get $x) (i32.const -1))
    (i32.store (i32.add (local.get $x) (i32.const 8)) (i32.const -1))
    (i32.store (i32.const -8) (i32.const -2))
    (memory.fill (i32.const 0) (i32.const 9) (i32.const 256))
    (unreachable))
  (func (export "full") (param i32) (result i32)
    (drop (memory.grow (i32.const 65532)))
    (i32.store (i32.const 4) (i32.const 5))
    (i32.store (i32.const -4) (i32.const 6))
    (call $self_id)
    (memory.copy (i32.const 2048) (i32.const 65536) (i32.const 32))
    (i32.store (i32.const 65536) (i32.const 4))
    (drop (call $c (i32.const 2048) (i32.const 1024) (i32.const 4) (i32.const 4) (i64.const 10000000)))
    (i32.store (i32.const 65536) (i32.load (i32.const 4)))
    (i32.store (i32.const 65540) (i32.load (i32.const -4)))
    (i32.store (i32.const 65544) (i32.load (i32.const -8)))
    (i32.const 12)))"#;

/// P2: the same in a memory that has all of its address space.
#[test]
fn writes_on_both_sides_of_the_end_of_a_full_memory_are_undone() {
    for backend in BACKENDS {
        let mut session = fresh(&roomy(backend, 65_536));
        let full = deploy(&mut session, 1, &wat::parse_str(FULL).unwrap());
        let before = session.root().unwrap();
        let savepoint = session.savepoint().unwrap();
        let receipt = session.call_raw(full, "full", [], LIMIT).unwrap();
        assert_eq!(receipt.data, [5, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0]);
        session.rollback(savepoint).unwrap();
        assert_eq!(session.root().unwrap(), before);
        session.call_raw(full, "full", [], LIMIT).unwrap();
        let after = session.root().unwrap();
        let commit = session.commit().unwrap();
        assert_eq!(after, commit.root);
    }
}

/// `run` writes below, has `grow_and_fail` and `grow` run in frames of their own, and sees what they left.
const MOVING: &str = r#"
  (data (i64.const 1024) "grow_and_fail")
  (func $grow (export "grow") (param i32) (result i32)
    (drop (memory.grow (i64.const 70000)))
    (i32.store (i64.const 200000) (i32.const 2))
    (i32.store (i64.const 4500000000) (i32.const 3))
    (i32.store (i64.const 8000) (i32.const 4))
    (i32.const 0))
  (func (export "grow_and_fail") (param i32) (result i32)
    (drop (call $grow (i32.const 0)))
    (unreachable))
  (func (export "run") (param i32) (result i32) (local $i i64)
    (call $self_id)
    (memory.copy (i64.const 2048) (i64.const 65536) (i64.const 32))
    (i32.store (i64.const 200000) (i32.const 1))
    (drop (call $c (i64.const 2048) (i64.const 1024) (i32.const 13) (i32.const 0) (i64.const 30000000)))
    (i32.store (i64.const 65536) (i32.wrap_i64 (memory.size)))
    (i32.store (i64.const 65540) (i32.load (i64.const 200000)))
    (i32.store (i64.const 65544) (i32.load (i64.const 8000)))
    (i32.store (i64.const 200004) (i32.const 7))
    (i32.store (i64.const 8000) (i32.const 6))
    (drop (call $c (i64.const 2048) (i64.const 1024) (i32.const 4) (i32.const 0) (i64.const 30000000)))
    (i32.store (i64.const 65548) (i32.load (i64.const 200000)))
    (i32.store (i64.const 65552) (i32.load (i64.const 200004)))
    (i32.store (i64.const 65556) (i32.load (i64.const 8000)))
    (i32.store (i64.const 65560) (i32.load (i64.const 4500000000)))
    (i32.const 28))"#;

/// P1, P2: a memory that moves while frames wait, is put back, and moves again.
#[test]
fn a_memory_moves_under_waiting_frames() {
    for backend in BACKENDS {
        let vm = roomy(backend, 1 << 17);
        let mut session = fresh(&vm);
        let moving = deploy(&mut session, 1, &wide(MOVING));
        let commit = session.commit().unwrap();
        let mut session = vm.session(SessionData::builder().base(commit)).unwrap();
        let mut roots = Vec::new();
        for _ in 0..2 {
            let savepoint = session.savepoint().unwrap();
            let receipt = session.call_raw(moving, "run", [], LIMIT).unwrap();
            let words: Vec<u8> = receipt.data.iter().copied().step_by(4).collect();
            assert_eq!(words, [4, 1, 0, 2, 7, 4, 3]);
            roots.push(session.root().unwrap());
            session.rollback(savepoint).unwrap();
            assert_eq!(session.root().unwrap(), commit.root);
        }
        assert_eq!(roots[0], roots[1]);
    }
}

/// A 64-bit module whose memory may grow to 2^17 pages.
fn wide(body: &str) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(module
          (import "env" "c" (func $c (param i64 i64 i32 i32 i64) (result i32)))
          (import "env" "self_id" (func $self_id))
          (memory (export "memory") i64 4 131072)
          (global (export "A") i64 (i64.const 65536))
          {body})"#
    ))
    .unwrap()
}
