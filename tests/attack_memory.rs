//! P1, P2, P6, P7: hostile code against copy-on-write memory, touch tracking and savepoints.

mod fixtures;

use crostata::{ContractData, ContractId, Session, SessionData, VM};
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
             (local.set $code (call $c (PTR.const 2048) (PTR.const 1024) (i32.const 4) (i32.const 8) (i64.const 100000)))
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
