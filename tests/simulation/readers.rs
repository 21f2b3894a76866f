//! Who asks while blocks are executed: any commit that is retained, on threads of their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crostata::{Commit, ProofError, ProofItem, Session, SessionData, SessionError, VM};

use crate::fixtures::id;
use crate::node::{Node, SharedVm};
use crate::random::Random;
use crate::world::{LEDGER, LEDGER_SUPPLY, LIMIT, POOL, PURSES, SUPPLY, TOKENS, context};

pub struct Readers {
    threads: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
}

/// Starts so many threads.
pub fn start(node: &Node, count: u64) -> Readers {
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::new(AtomicU64::new(0));
    let threads = (0..count).map(|number| {
        let (vm, stop, asked) = (node.vm.clone(), stop.clone(), asked.clone());
        thread::spawn(move || {
            let mut random = Random::spread(number + 77);
            while !stop.load(Ordering::Relaxed) {
                let answered = ask(&vm, &mut random);
                asked.fetch_add(u64::from(answered), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(3));
            }
        })
    });
    let threads = threads.collect();
    Readers {
        threads,
        stop,
        asked,
    }
}

impl Readers {
    /// Ends them, and says how often they asked.
    pub fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
        self.asked.load(Ordering::Relaxed)
    }
}

/// Asks one thing of one commit. Its answer is known; whether the commit is retained still is not.
fn ask(vm: &SharedVm, random: &mut Random) -> bool {
    let vm = vm.read().unwrap();
    let Some(vm) = vm.as_ref() else {
        return false;
    };
    let commits = vm.commits();
    let commit = random.among(&commits);
    match random.below(4) {
        0 => compare(vm, commit, random.among(&commits)),
        1 => prove(vm, commit),
        _ => query(vm, commit, random),
    }
}

fn is_gone(error: &ProofError) -> bool {
    matches!(error, ProofError::Commit(_))
}

fn prove(vm: &VM, commit: Commit) -> bool {
    match vm.prove(commit.id, &[ProofItem::Contract(id(POOL))]) {
        Ok(proof) => {
            let state = proof.verify(&commit.root).unwrap();
            assert!(state.contract(&id(POOL)).unwrap().is_some());
            true
        }
        Err(error) if is_gone(&error) => false,
        Err(error) => panic!("{error}"),
    }
}

fn compare(vm: &VM, from: Commit, to: Commit) -> bool {
    match vm.diff(from.id, to.id) {
        Ok(diff) => {
            assert_eq!(diff.contracts.is_empty(), from.root == to.root);
            true
        }
        Err(error) if is_gone(&error) => false,
        Err(error) => panic!("{error}"),
    }
}

fn query(vm: &VM, commit: Commit, random: &mut Random) -> bool {
    let data = SessionData::builder().base(commit.id);
    let data = data.block(context(random.below(100), 0)).unwrap();
    let mut session = match vm.session(data) {
        Ok(session) => session,
        Err(SessionError::Base(_)) => return false,
        Err(error) => panic!("{error}"),
    };
    match random.below(2) {
        0 => {
            let supply: u64 = read(&mut session, LEDGER, "total_supply");
            assert!(supply >= LEDGER_SUPPLY);
        }
        _ => {
            // Nothing is made or lost, in any state that a block ended in.
            let token = random.among(&TOKENS);
            let holders = PURSES.chain([POOL]);
            let balances = holders.map(|holder| {
                let receipt = session.call::<_, u64>(id(token), "balance_of", &id(holder), LIMIT);
                receipt.unwrap().data
            });
            assert_eq!(balances.sum::<u64>(), SUPPLY);
        }
    }
    true
}

fn read(session: &mut Session, contract: u8, function: &str) -> u64 {
    let receipt = session.call::<_, u64>(id(contract), function, &(), LIMIT);
    receipt.unwrap().data
}
