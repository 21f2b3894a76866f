//! P1, P6, P7: whatever an argument holds, a contract's call ends within its gas and not by the host's fault, the same on both backends.
#![no_main]

use std::cell::RefCell;

use crostata::{Backend, ContractData, Session, SessionData};
use crostata_fuzz::{ARTIFACTS, CELLS, call, ephemeral, functions, id};
use libfuzzer_sys::fuzz_target;

/// Arguments that a constructor may take.
const INITS: [&[u8]; 3] = [&[7; 8], &[1; 40], &[]];

/// A session on each backend with the same contracts.
struct Scene {
    sessions: [Session; 2],
    /// Number and functions of each contract.
    contracts: Vec<(u8, Vec<String>)>,
}

impl Scene {
    fn new() -> Self {
        let sessions = [Backend::Native, Backend::Portable].map(|backend| {
            let vm = ephemeral(backend);
            vm.session(SessionData::builder()).unwrap()
        });
        let mut scene = Self {
            sessions,
            contracts: Vec::new(),
        };
        let all = ARTIFACTS.iter().map(|(_, code)| *code).chain([CELLS]);
        for (number, code) in (1..).zip(all) {
            scene.deploy(number, code);
        }
        assert!(
            scene.contracts.len() + 2 > ARTIFACTS.len(),
            "{}",
            scene.contracts.len()
        );
        scene
    }

    fn deploy(&mut self, number: u8, code: &[u8]) {
        let is_there = self.sessions.each_mut().map(|session| {
            let with = INITS.iter().any(|argument| {
                let data = ContractData::builder()
                    .contract_id(id(number))
                    .init_arg_raw(argument.to_vec());
                session.deploy(code, data, 100_000_000).is_ok()
            });
            let plain = ContractData::builder().contract_id(id(number));
            with || session.deploy(code, plain, 100_000_000).is_ok()
        });
        assert_eq!(is_there[0], is_there[1]);
        if is_there[0] {
            self.contracts.push((number, functions(code)));
        }
    }

    /// Calls what the first bytes choose with the others, and undoes it.
    fn run(&mut self, data: &[u8]) {
        let Some(([contract, function, gas, _], argument)) = data.split_first_chunk::<4>() else {
            return;
        };
        let (number, functions) = &self.contracts[usize::from(*contract) % self.contracts.len()];
        let function = &functions[usize::from(*function) % functions.len()];
        let gas =
            40_000 * (1 + u64::from(*gas)) + u64::from(argument.first().copied().unwrap_or(0));
        let [native, portable] = self.sessions.each_mut().map(|session| {
            let before = session.savepoint().unwrap();
            let seen = call(session, id(*number), function, argument, gas);
            session.rollback(before).unwrap();
            seen
        });
        assert_eq!(native, portable, "{function} of contract {number}");
    }
}

thread_local! {
    static SCENE: RefCell<Scene> = RefCell::new(Scene::new());
}

fuzz_target!(|data: &[u8]| {
    SCENE.with_borrow_mut(|scene| scene.run(data));
});
