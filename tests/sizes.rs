//! P5 and P7 at the ends of what memories and sessions can be: 4 GiB, nearly 4 TiB, a thousand 64-bit contracts, ten
//! thousand contracts in each of three sessions. Memory on the host follows the pages that are used.

mod common;

use common::proofs::shown_page;
use common::{CELLS, CELLS_64, LIMIT, code, id, load, over, store, with_id, words};
use crostata::{Config, ContractId, PageIndex, ProofItem, Protocol, Session, SessionData, VM};

const PAGE: u64 = 4_096;
const WASM_PAGE: u64 = 65_536;
const FOUR_GIB: u64 = 4 << 30;
const FOUR_TIB: u64 = 4 << 40;

/// A chain whose contracts may grow to what their address space holds.
fn unbounded() -> Config {
    let mut protocol = Protocol::default();
    protocol.limits.memory_wasm_pages_max = FOUR_TIB / WASM_PAGE;
    protocol.limits.call_memory_wasm_pages_max = FOUR_TIB / WASM_PAGE;
    Config {
        protocols: vec![protocol],
        ..Config::default()
    }
}

fn wide(parts: &[u64]) -> Vec<u8> {
    parts.iter().flat_map(|part| part.to_le_bytes()).collect()
}

fn call_wide(session: &mut Session, cells: ContractId, function: &str, parts: &[u64]) -> u64 {
    let receipt = session.call_raw(cells, function, wide(parts), u64::MAX >> 1);
    let mut bytes = [0; 8];
    let data = receipt.unwrap().data;
    bytes[..data.len()].copy_from_slice(&data);
    u64::from_le_bytes(bytes)
}

/// Memory of this process that is not in files, in bytes.
fn anonymous_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.map_or(0, |kib| kib.parse::<u64>().unwrap() * 1024)
}

#[test]
fn a_32_bit_memory_grows_to_4_gib() {
    let directory = tempfile::tempdir().unwrap();
    let vm = VM::with_config(directory.path(), unbounded()).unwrap();
    let mut session = vm.session(SessionData::builder()).unwrap();
    let cells = session.deploy(code(CELLS), with_id(1), LIMIT).unwrap();
    let last = (FOUR_GIB - 4) as u32;
    let grown = session.call_raw(cells, "grow", words(&[65_533]), LIMIT);
    assert_eq!(common::word(&grown.unwrap()), 3);
    store(&mut session, cells, last, 0xfeed);
    // The last page and the first one: the check of one must not stand for the other.
    store(&mut session, cells, 0, 0xbeef);
    assert_eq!(session.memory_len(&cells).unwrap(), Some(FOUR_GIB));
    let full = session.call_raw(cells, "grow", words(&[1]), LIMIT).unwrap();
    assert_eq!(common::word(&full), u32::MAX);
    let commit = session.commit().unwrap();
    drop((session, vm));
    let vm = VM::with_config(directory.path(), unbounded()).unwrap();
    let mut session = over(&vm, commit);
    assert_eq!(load(&mut session, cells, last), 0xfeed);
    assert_eq!(load(&mut session, cells, 0), 0xbeef);
    assert_eq!(load(&mut session, cells, 1 << 31), 0);
}

#[test]
fn a_64_bit_memory_reaches_nearly_4_tib() {
    let directory = tempfile::tempdir().unwrap();
    let vm = VM::with_config(directory.path(), unbounded()).unwrap();
    let mut session = vm.session(SessionData::builder()).unwrap();
    let cells = session.deploy(code(CELLS_64), with_id(1), LIMIT).unwrap();
    let before = anonymous_bytes();
    call_wide(&mut session, cells, "store", &[150_000, 1]);
    // In steps: the memory moves when it outgrows its address space, and takes its written pages along.
    let sizes = [3, 65_536, 65_537, 1 << 20, 1 << 26];
    for step in sizes.windows(2) {
        let grown = call_wide(&mut session, cells, "grow", &[step[1] - step[0]]);
        assert_eq!(grown, step[0]);
        let end = step[1] * WASM_PAGE;
        call_wide(&mut session, cells, "store", &[end - 8, step[1]]);
        assert_eq!(call_wide(&mut session, cells, "load", &[150_000]), 1);
    }
    call_wide(&mut session, cells, "store", &[FOUR_GIB - 2, 0x0403_0201]);
    for size in &sizes[1..] {
        let found = call_wide(&mut session, cells, "load", &[size * WASM_PAGE - 8]);
        assert_eq!(found, *size);
    }
    assert!(
        anonymous_bytes() < before + (128 << 20),
        "memory on the host follows use"
    );
    let commit = session.commit().unwrap();
    drop((session, vm));
    let vm = VM::with_config(directory.path(), unbounded()).unwrap();
    let mut session = over(&vm, commit);
    let found = call_wide(&mut session, cells, "load", &[FOUR_GIB - 2]);
    assert_eq!(found, 0x0403_0201);
    let page = PageIndex(((FOUR_TIB - 8) / PAGE) as u32);
    let opening = vm.prove(commit, &[ProofItem::page(cells, page)]).unwrap();
    let proven = shown_page(&opening, &commit.root, &cells, page).unwrap();
    let byte = proven[(PAGE - 8) as usize + 3];
    assert_eq!(byte, (1_u64 << 26).to_le_bytes()[3]);
}

#[test]
fn a_thousand_64_bit_contracts_live_in_one_process() {
    let vm = VM::ephemeral_with_config(unbounded()).unwrap();
    let mut session = vm.session(SessionData::builder()).unwrap();
    let code = code(CELLS_64);
    for number in 1..=1_000 {
        let cells = session.deploy(&code, with_id(number), LIMIT).unwrap();
        call_wide(&mut session, cells, "store", &[150_000, number]);
    }
    for number in (1..=1_000).rev() {
        let found = call_wide(&mut session, id(number), "load", &[150_000]);
        assert_eq!(found, number);
    }
}

/// Sessions hold more contracts than a process can map: those not used lately give their address space up, and what they
/// hold stays.
#[test]
fn three_sessions_with_ten_thousand_contracts_each() {
    const CONTRACTS: u64 = 10_000;
    let vm = VM::ephemeral().unwrap();
    let mut session = vm.session(SessionData::builder()).unwrap();
    let code = code(CELLS);
    for number in 1..=CONTRACTS {
        session.deploy(&code, with_id(number), LIMIT).unwrap();
    }
    let base = session.commit().unwrap();
    let mut sessions: Vec<Session> = (0..3).map(|_| over(&vm, base)).collect();
    for number in 1..=CONTRACTS {
        for (at, session) in (1..).zip(&mut sessions) {
            store(session, id(number), 8_192, number as u32 * at);
        }
    }
    for (at, session) in (1..).zip(&mut sessions) {
        for number in (1..=CONTRACTS).step_by(97) {
            assert_eq!(load(session, id(number), 8_192), number as u32 * at);
        }
    }
    // The first again, in another order, by a session that keeps few of them mapped at a time.
    let mut again = over(&vm, base);
    for number in (1..=CONTRACTS).rev() {
        store(&mut again, id(number), 8_192, number as u32);
    }
    assert_eq!(again.root().unwrap(), sessions[0].root().unwrap());
}
