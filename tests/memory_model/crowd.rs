//! What happens by design only in a crowd, said one by one: more contracts in a session than stay mapped.

use crostata::{Commit, ContractData, ContractId, Session, SessionData, VM};

use super::mover::{CELLS, Step, id, mover, script};
use crate::fixtures::{Narrow, WIDTHS, Width};

const LIMIT: u64 = 1 << 40;

/// More than the instances that a session keeps.
const CROWD: u16 = 600;

/// Calls that unmap what they do not enter, and a few more.
const QUIET: u16 = 300;

fn member(number: u16) -> ContractId {
    let mut bytes = [0xcc; 32];
    bytes[..2].copy_from_slice(&number.to_le_bytes());
    ContractId::from_bytes(bytes)
}

/// A commit with mover 0 and a crowd of others.
fn crowded(vm: &VM, width: Width) -> Commit {
    let mut session = vm.session(SessionData::builder()).unwrap();
    let code = mover(width, 40);
    let ids = (0..CROWD).map(member).chain([id(0)]);
    for contract in ids {
        let data = ContractData::builder().contract_id(contract);
        session.deploy(&code, data, LIMIT).unwrap();
    }
    // Otherwise all of them are over one image.
    act(&mut session, &[Step::Store(CELLS as i64, 1, 1)]);
    session.commit().unwrap()
}

fn over(vm: &VM, base: Commit) -> Session {
    vm.session(SessionData::builder().base(base)).unwrap()
}

fn act(session: &mut Session, steps: &[Step]) -> Vec<u64> {
    let receipt = session
        .call_raw(id(0), "run", script(steps), LIMIT)
        .unwrap();
    let numbers = receipt.events.iter();
    let numbers = numbers.map(|event| u64::from_le_bytes(event.data[..].try_into().unwrap()));
    numbers.collect()
}

fn call_members(session: &mut Session, numbers: impl IntoIterator<Item = u16>) {
    for number in numbers {
        session
            .call_raw(member(number), "nothing", [], LIMIT)
            .unwrap();
    }
}

/// What a session wrote to a memory that was unmapped since is seen by it, and by nobody else.
#[test]
fn writes_of_a_crowded_session_stay_its_own() {
    for width in WIDTHS {
        let vm = VM::ephemeral().unwrap();
        let base = crowded(&vm, width);
        let mut crowd = over(&vm, base);
        let cell = CELLS as i64 + 9;
        // Not the first that is unmapped: the pool keeps only the latest slots as they are.
        call_members(&mut crowd, 0..20);
        act(&mut crowd, &[Step::Store(cell, 8, 0xfeed)]);
        call_members(&mut crowd, 20..CROWD);
        let others: Vec<u64> = (0..4)
            .flat_map(|_| act(&mut over(&vm, base), &[Step::Load(cell, 8)]))
            .collect();
        assert_eq!(others, [0; 4], "{width:?}");
        assert_eq!(act(&mut crowd, &[Step::Load(cell, 8)]), [0xfeed]);
        drop(crowd);
        assert_eq!(act(&mut over(&vm, base), &[Step::Load(cell, 8)]), [0]);
    }
}

/// What a call read and wrote is known after it, however many instances there were.
#[test]
fn accesses_are_known_when_the_instances_go() {
    let vm = VM::ephemeral().unwrap();
    let base = crowded(&vm, Narrow);
    let steps = [Step::Store(CELLS as i64, 8, 1)];
    let expected = {
        let mut alone = over(&vm, base);
        act(&mut alone, &steps);
        alone.page_accesses()
    };
    let mut crowd = over(&vm, base);
    for number in 0..CROWD {
        call_members(&mut crowd, [number]);
        assert!(!crowd.page_accesses().is_empty(), "after call {number}");
        if number > QUIET {
            act(&mut crowd, &steps);
            assert_eq!(crowd.page_accesses(), expected, "after call {number}");
        }
    }
}
