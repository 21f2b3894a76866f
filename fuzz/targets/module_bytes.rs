//! P7: whatever bytes are deployed are rejected by a rule, or become a contract whose functions can be called.
//!
//! Inputs are modules as they are, or a generated contract and bytes to change in it.
#![no_main]

use std::cell::RefCell;

use crostata::{Backend, ContractData, Error, SessionData, VM};
use crostata_fuzz::differential::generate;
use crostata_fuzz::{call, ephemeral, functions, id};
use crostata_proof::hash;
use libfuzzer_sys::fuzz_target;

const GAS: u64 = 2_000_000;

thread_local! {
    static VM_OF_THREAD: RefCell<VM> = RefCell::new(ephemeral(Backend::Native));
}

/// The code that an input stands for.
fn code(data: &[u8]) -> Option<Vec<u8>> {
    if data.starts_with(b"\0asm") {
        return Some(data.to_vec());
    }
    let (seed, changes) = data.split_first_chunk::<4>()?;
    let mut code = generate::case(u32::from_le_bytes(*seed).into()).wasm;
    for change in changes.chunks_exact(4) {
        let place = usize::from(u16::from_le_bytes([change[0], change[1]]));
        let Some(at) = place.checked_rem(code.len()) else {
            break;
        };
        match change[2] {
            0..200 => code[at] = change[3],
            200..225 => code.insert(at, change[3]),
            _ => drop(code.drain(at..code.len().min(at + 1 + usize::from(change[3] % 8)))),
        }
    }
    Some(code)
}

fn deploy(vm: &VM, code: &[u8]) {
    let mut session = vm.session(SessionData::builder()).unwrap();
    let data = ContractData::builder().contract_id(id(1));
    match session.deploy(code, data, GAS) {
        Ok(contract) => {
            for function in functions(code).iter().take(8) {
                call(&mut session, contract, function, &[1; 24], GAS);
            }
        }
        Err(Error::Rejected(_) | Error::Reverted(_)) => {}
        Err(error) => panic!("{error:?}"),
    }
    drop(session);
    vm.remove_module(&hash::code_hash(code));
}

fuzz_target!(|data: &[u8]| {
    if let Some(code) = code(data) {
        VM_OF_THREAD.with_borrow(|vm| deploy(vm, &code));
    }
});
