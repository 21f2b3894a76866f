//! Defects known from another VM of this kind, each held shut: what a root binds (P4), atomicity of calls (P2),
//! crashes and damage (P3, P7), resources of a session (P5), what receipts and errors say.

mod common;
#[cfg(target_os = "linux")]
#[path = "common/limited.rs"]
mod limited;

use std::fs;

use common::proofs::{shown_page, shown_record};
use common::*;
use crostata::{
    CommitError, ContractData, ContractId, Error, Event, Fatal, LookupError, Outcome, PAGE_BYTES,
    PageIndex, ProofError, ProofItem, Protocol, RecompileError, Refusal, Rejected, Root,
    SessionData, StateProof, VM, code_hash, contract_bytecode,
};
use crostata_proof::{NotShown, VerifyError, hash};
#[cfg(target_os = "linux")]
use limited::under_ulimit;

/// The root of a state with one contract, made of these parts.
fn root_of(number: u64, owner: &[u8], text: &str, pages_to_grow: u32) -> Root {
    let vm = VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    let data = ContractData::builder().contract_id(id(number)).owner(owner);
    let contract = session.deploy(code(text), data, LIMIT).unwrap();
    let argument = words(&[pages_to_grow]);
    session.call_raw(contract, "grow", argument, LIMIT).unwrap();
    session.root().unwrap()
}

/// Another code with the same memory: a function has another name.
fn other_cells() -> String {
    CELLS.replace("\"nothing\"", "\"something\"")
}

/// P4: the root binds the owner.
#[test]
fn the_root_binds_the_owner() {
    let roots = [&b""[..], b"\0", b"one", b"two"].map(|owner| root_of(1, owner, CELLS, 0));
    assert_all_different(&roots);
    assert_eq!(roots[2], root_of(1, b"one", CELLS, 0));
}

/// P4: the root binds the contract's id.
#[test]
fn the_root_binds_the_contract_id() {
    assert_all_different(&[1, 2, 1 << 63].map(|number| root_of(number, b"", CELLS, 0)));
}

/// P4: the root binds the code, also where two codes make the same memory.
#[test]
fn the_root_binds_the_code() {
    let roots = [
        root_of(1, b"", CELLS, 0),
        root_of(1, b"", &other_cells(), 0),
    ];
    assert_all_different(&roots);
}

/// P4: the root binds the memory's size, though grown pages hold nothing but zeros.
#[test]
fn the_root_binds_the_memory_size() {
    assert_all_different(&[0, 1, 2].map(|pages| root_of(1, b"", CELLS, pages)));
}

fn assert_all_different(roots: &[Root]) {
    for (at, root) in roots.iter().enumerate() {
        assert!(!roots[..at].contains(root), "{root} stands for two states");
    }
}

/// P4: growth that failed does not show in the root, since it did not happen.
#[test]
fn a_growth_that_is_refused_is_no_change() {
    assert_eq!(root_of(1, b"", CELLS, 100_000), root_of(1, b"", CELLS, 0));
}

/// P3: two commits with one root are both kept, told apart by their tags, here and after reopening.
#[test]
fn commits_with_one_root_are_both_kept() {
    let directory = Directory::new();
    let vm = directory.open();
    let commits = [1, 2].map(|tag| {
        let mut session = fresh(&vm);
        deploy_cells(&mut session, 1);
        session.commit_with_tag([tag; 32]).unwrap()
    });
    assert_eq!(commits[0].root, commits[1].root);
    assert_ne!(commits[0].id, commits[1].id);
    assert_eq!(vm.commits(), commits);
    let root = commits[0].root;
    assert!(matches!(
        vm.delete_commit(root),
        Err(CommitError::Lookup(LookupError::Ambiguous { ids, .. })) if ids == commits.map(|commit| commit.id)
    ));
    drop(vm);
    let vm = directory.open();
    assert_eq!(vm.commits(), commits);
    vm.delete_commit(commits[0]).unwrap();
    assert_eq!(vm.commits(), [commits[1]]);
    fresh_over_any(&vm, root);
}

fn fresh_over_any(vm: &VM, root: Root) {
    let mut session = over(vm, root);
    assert_eq!(load(&mut session, id(1), 0), 0);
}

/// P4: one root reached on two ways, with commits of different parents, is two commits.
#[test]
fn commits_of_different_parents_with_one_root_are_both_kept() {
    let vm = VM::ephemeral().unwrap();
    let [base, one, _] = fork(&vm);
    let mut session = over(&vm, one);
    store(&mut session, id(1), 0, 0);
    let back = session.commit().unwrap();
    assert_eq!(back.root, base.root);
    assert_ne!(back.id, base.id);
    assert_eq!(vm.commits().len(), 4);
}

/// A VM with two contracts whose pages 0 and 1 hold different words, committed.
fn two_contracts(vm: &VM) -> Root {
    let mut session = fresh(vm);
    for number in [1, 2] {
        let cells = deploy_cells(&mut session, number);
        store(&mut session, cells, 0, 10 * number as u32);
        store(
            &mut session,
            cells,
            PAGE_BYTES as u32,
            10 * number as u32 + 1,
        );
    }
    session.commit().unwrap().root
}

/// P4, P7: an opening proves its own page of its own contract at its own root and nothing else.
#[test]
fn openings_bind_contract_index_and_root() {
    let vm = VM::ephemeral().unwrap();
    let root = two_contracts(&vm);
    let opening = vm
        .prove(root, &[ProofItem::page(id(1), PageIndex(1))])
        .unwrap();
    let proven = shown_page(&opening, &root, &id(1), PageIndex(1)).unwrap();
    assert_eq!(proven[..4], 11u32.to_le_bytes());
    let state = opening.clone().verify(&root).unwrap();
    let other = state.page(&id(2), PageIndex(1));
    assert_eq!(other, Err(NotShown::Contract { contract: id(2) }));
    assert!(shown_page(&opening, &root, &id(1), PageIndex(0)).is_err());
    assert!(shown_page(&opening, &root, &id(1), PageIndex(1 << 20)).is_err());
    let other_root = Root::from_bytes([7; 32]);
    let elsewhere = opening.verify(&other_root);
    assert!(matches!(elsewhere, Err(VerifyError::Root { .. })));
}

/// P4: an opening binds the memory's length: the page behind the last one is proven by nothing.
#[test]
fn openings_bind_the_memory_length() {
    let vm = VM::ephemeral().unwrap();
    let root = two_contracts(&vm);
    let opening = vm
        .prove(root, &[ProofItem::page(id(1), PageIndex(47))])
        .unwrap();
    let proven = shown_page(&opening, &root, &id(1), PageIndex(47)).unwrap();
    assert_eq!(proven[0], 0);
    let state = opening.verify(&root).unwrap();
    let behind = state.page(&id(1), PageIndex(48)).unwrap_err();
    let memory_bytes = 48 * 4096;
    assert!(
        matches!(behind, NotShown::OutOfMemory { memory_bytes: found, .. } if found == memory_bytes)
    );
    assert!(matches!(
        vm.prove(root, &[ProofItem::page(id(1), PageIndex(48))]),
        Err(ProofError::Opening(_))
    ));
}

/// P7: an opening with any bit changed, cut off anywhere or continued proves nothing and panics nothing.
#[test]
fn a_hostile_opening_proves_nothing() {
    let vm = VM::ephemeral().unwrap();
    let root = two_contracts(&vm);
    let opening = vm
        .prove(root, &[ProofItem::page(id(1), PageIndex(1))])
        .unwrap()
        .encode();
    let proves = |bytes: &[u8]| {
        StateProof::decode(bytes)
            .is_ok_and(|opening| shown_page(&opening, &root, &id(1), PageIndex(1)).is_ok())
    };
    assert!(proves(&opening));
    for at in 0..opening.len() {
        let mut hostile = opening.clone();
        hostile[at] ^= 1 << (at % 8);
        assert!(!proves(&hostile), "byte {at} changed");
        hostile[at] = 0xff;
        assert!(opening[at] == 0xff || !proves(&hostile), "byte {at} set");
    }
    for len in 0..opening.len() {
        assert!(!proves(&opening[..len]), "cut to {len} bytes");
    }
    assert!(!proves(&[&opening[..], &[0]].concat()));
}

/// P4: the order of deployment does not show in the root, whether or not commits lie between.
#[test]
fn deploy_order_does_not_show_in_the_root() {
    let numbers: Vec<u64> = (0..20).map(|number| number * 0x9e37_79b9).collect();
    let root = |order: &mut dyn Iterator<Item = &u64>, commit_between: bool| {
        let vm = VM::ephemeral().unwrap();
        let mut session = fresh(&vm);
        for number in order {
            let cells = deploy_cells(&mut session, *number);
            store(&mut session, cells, 8, *number as u32);
            if commit_between {
                session.commit().unwrap();
            }
        }
        session.root().unwrap()
    };
    let forwards = root(&mut numbers.iter(), false);
    assert_eq!(forwards, root(&mut numbers.iter().rev(), false));
    assert_eq!(forwards, root(&mut numbers.iter().rev(), true));
}

/// P4: two ids at one position of the contract tree both deploy, live, are proven, and survive reopening.
#[test]
fn ids_that_share_a_position_both_deploy() {
    const PAIR: [u64; 2] = [1_918_441_929_552_476_960, 738_965_214_712_665_620];
    assert_eq!(hash::position(&id(PAIR[0])), hash::position(&id(PAIR[1])));
    let directory = Directory::new();
    let vm = directory.open();
    let mut session = fresh(&vm);
    for (value, number) in PAIR.iter().enumerate() {
        let cells = deploy_cells(&mut session, *number);
        store(&mut session, cells, 0, value as u32 + 5);
        session.commit().unwrap();
    }
    let root = session.root().unwrap();
    drop((session, vm));
    let vm = directory.open();
    for (value, number) in PAIR.iter().enumerate() {
        assert_eq!(load(&mut over(&vm, root), id(*number), 0), value as u32 + 5);
        let opening = vm
            .prove(root, &[ProofItem::page(id(*number), PageIndex(0))])
            .unwrap();
        let opening = StateProof::decode(&opening.encode()).unwrap();
        let proven = shown_page(&opening, &root, &id(*number), PageIndex(0)).unwrap();
        assert_eq!(proven[0], value as u8 + 5);
        let record = vm.prove(root, &[ProofItem::Contract(id(*number))]).unwrap();
        let record = shown_record(&record, &root, &id(*number)).unwrap();
        assert_eq!(record.contract, id(*number));
    }
    let opening = vm
        .prove(root, &[ProofItem::page(id(PAIR[0]), PageIndex(0))])
        .unwrap();
    assert!(shown_page(&opening, &root, &id(PAIR[1]), PageIndex(0)).is_err());
}

/// Every state of the log that a kill during the last append may leave: written up to a point, whether or not the
/// file was lengthened before, and with single blocks missing.
fn torn_logs(before: &[u8], after: &[u8]) -> Vec<Vec<u8>> {
    let mut padded = before.to_vec();
    padded.resize(after.len(), 0);
    let changed: Vec<usize> = (0..after.len())
        .filter(|at| padded[*at] != after[*at])
        .collect();
    let (first, last) = (changed[0], changed[changed.len() - 1]);
    let step = ((last - first) / 40).max(1);
    let cuts = (first..=last).step_by(step).chain([first + 1, last]);
    let written_to = |cut: usize| [&after[..cut], &padded[cut..]].concat();
    let missing_block = |at: usize| {
        let block = at..(at + 512).min(after.len());
        let mut log = after.to_vec();
        log[block.clone()].copy_from_slice(&padded[block]);
        log
    };
    let mut logs: Vec<Vec<u8>> = Vec::new();
    for cut in cuts {
        logs.push(written_to(cut));
        logs.push(after[..cut].to_vec());
        // Sectors that differ: leaving out one that does not would give the whole log.
        if changed.iter().any(|at| (cut..cut + 512).contains(at)) {
            logs.push(missing_block(cut));
        }
    }
    logs
}

/// Opens the VM over each torn log: all that was acknowledged before must be there and work.
fn assert_torn_logs_open(directory: &Directory, before: &[u8], kept: &[crostata::Commit]) {
    let after = directory.log();
    let torn = torn_logs(before, &after);
    assert!(torn.len() > 2);
    for log in torn {
        directory.put_log(&log);
        let vm = directory.open();
        let commits = vm.commits();
        assert_eq!(&commits[..kept.len()], kept);
        assert_eq!(commits.len(), kept.len(), "the torn entry does not count");
        for commit in kept {
            assert_eq!(over(&vm, *commit).root().unwrap(), commit.root);
        }
    }
}

/// P3: after a kill during the last write of a commit the store opens with every commit that was acknowledged.
#[test]
fn a_kill_during_a_commit_loses_nothing_acknowledged() {
    let directory = Directory::new();
    let vm = directory.open();
    let kept = fork(&vm);
    let before = directory.log();
    let mut session = over(&vm, kept[1]);
    store(&mut session, id(1), 9000, 7);
    deploy_cells(&mut session, 2);
    session.commit().unwrap();
    drop((session, vm));
    assert_torn_logs_open(&directory, &before, &kept);
}

/// P3: after a kill during a finalisation the store opens as it was before, and can be finalised again.
#[test]
fn a_kill_during_a_finalisation_loses_nothing() {
    let directory = Directory::new();
    let vm = directory.open();
    let kept = fork(&vm);
    let before = directory.log();
    vm.finalize_commit(kept[1]).unwrap();
    drop(vm);
    assert_torn_logs_open(&directory, &before, &kept);
    let vm = directory.open();
    assert_eq!(vm.finalized(), None);
    vm.finalize_commit(kept[1]).unwrap();
    assert_eq!(vm.commits(), [kept[1]]);
}

/// A directory with a contract whose page 0 holds a word that is nowhere else, and a later commit behind it.
fn marked() -> (Directory, [crostata::Commit; 2]) {
    let directory = Directory::new();
    let vm = directory.open();
    let mut session = fresh(&vm);
    let cells = deploy_cells(&mut session, 1);
    deploy_cells(&mut session, 2);
    store(&mut session, cells, 100, MARK);
    let first = session.commit().unwrap();
    store(&mut session, id(2), 0, 1);
    let second = session.commit().unwrap();
    drop(session);
    (directory, [first, second])
}

const MARK: u32 = 0x5eed_c0de;

/// P7: a page with a flipped bit is a fatal error that names the page, to calls and proofs; others work.
#[test]
fn a_flipped_page_is_never_served_as_truth() {
    let (directory, [_, commit]) = marked();
    directory.flip_in(&MARK.to_le_bytes());
    let vm = directory.open();
    let error = over(&vm, commit)
        .call_raw(id(1), "load", words(&[100]), LIMIT)
        .unwrap_err();
    assert!(matches!(error, Error::Fatal(_)), "{error:?}");
    assert!(
        chain(&error).contains("log-0000000000000001 is damaged"),
        "{}",
        chain(&error)
    );
    let error = vm
        .prove(commit, &[ProofItem::page(id(1), PageIndex(0))])
        .unwrap_err();
    assert!(matches!(error, ProofError::Read(_)), "{error:?}");
    assert_eq!(load(&mut over(&vm, commit), id(2), 0), 1);
    let untouched = vm
        .prove(commit, &[ProofItem::page(id(1), PageIndex(1))])
        .unwrap();
    shown_page(&untouched, &commit.root, &id(1), PageIndex(1)).unwrap();
}

/// An error and what caused it, in a line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut next = error.source();
    while let Some(source) = next {
        texts.push(source.to_string());
        next = source.source();
    }
    texts.join(": ")
}

/// P3, P7: a flipped bit in a page of the last commit is found when the store is opened, and reported.
#[test]
fn a_flipped_page_of_the_last_commit_is_reported() {
    let directory = Directory::new();
    let vm = directory.open();
    let [base, ..] = fork(&vm);
    let mut session = over(&vm, base);
    store(&mut session, id(1), 100, MARK);
    let last = session.commit().unwrap();
    drop((session, vm));
    directory.flip_in(&MARK.to_le_bytes());
    let vm = directory.open();
    assert!(vm.recovery().dropped_tail.is_some());
    assert!(!vm.commits().contains(&last));
    assert_eq!(vm.commits().len(), 3);
}

/// P7: code with a flipped bit is never run. What was compiled of it while it was good is, and is the same.
#[test]
fn flipped_code_is_never_run() {
    let (directory, [_, commit]) = marked();
    directory.flip_in(b"store_then_fail");
    let vm = directory.open();
    assert_eq!(load(&mut over(&vm, commit), id(1), 100), MARK);
    assert!(!vm.verify(|_| ()).is_clean());
    let recompiled = vm.recompile_module(commit, id(1));
    assert!(matches!(recompiled, Err(RecompileError::Fault(_))));
    assert!(vm.remove_module(&code_hash(&code(CELLS))));
    let error = over(&vm, commit)
        .call_raw(id(1), "load", words(&[100]), LIMIT)
        .unwrap_err();
    assert!(matches!(error, Error::Fatal(_)), "{error:?}");
}

/// P7: a log that is cut short under an open VM is a typed error for whoever reads from it, not a signal; sessions
/// that hold their pages go on.
#[test]
fn a_truncated_log_is_an_error_and_no_signal() {
    let (directory, [_, commit]) = marked();
    let vm = directory.open();
    let mut holding = over(&vm, commit);
    assert_eq!(load(&mut holding, id(1), 100), MARK);
    let log = fs::OpenOptions::new()
        .write(true)
        .open(directory.log_path());
    log.unwrap().set_len(4096).unwrap();
    assert_eq!(load(&mut holding, id(1), 104), 0);
    let error = over(&vm, commit)
        .call_raw(id(2), "load", words(&[0]), LIMIT)
        .unwrap_err();
    assert!(matches!(error, Error::Fatal(_)), "{error:?}");
    let error = vm
        .prove(commit, &[ProofItem::page(id(1), PageIndex(0))])
        .unwrap_err();
    assert!(matches!(error, ProofError::Read(_)), "{error:?}");
}

/// P3, P7: a log that is cut short anywhere opens, or is refused with an error; what it gives is a prefix.
#[test]
fn a_log_of_any_length_gives_a_prefix_or_an_error() {
    let (directory, commits) = marked();
    let log = directory.log();
    for len in (0..log.len()).step_by(997).take(60) {
        directory.put_log(&log[..len]);
        if let Ok(vm) = VM::new(directory.path()) {
            assert!(commits.starts_with(&vm.commits()));
        }
    }
}

/// P2: a call that fails returns a receipt of its own, and its events are in no other receipt.
#[test]
fn a_failed_call_has_a_receipt_and_keeps_its_events() {
    let vm = VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    let contract = session
        .deploy(contract_bytecode!("reverting_events"), with_id(1), LIMIT)
        .unwrap();
    let failed = reverted(session.call::<_, ()>(contract, "emits_then_fails", &3u32, LIMIT));
    assert_eq!(failed.failure.code, Outcome::Panic);
    assert!(failed.receipt.gas_spent > 0 && failed.receipt.gas_spent < LIMIT);
    assert_eq!(failed.receipt.gas_limit, LIMIT);
    assert_eq!(failed.receipt.events, []);
    assert_eq!(topics(&failed.receipt.reverted_events), ["number"; 3]);
    assert_eq!(failed.receipt.call_tree.len(), 1);
    let next = session
        .call::<_, ()>(contract, "emits", &2u32, LIMIT)
        .unwrap();
    assert_eq!(topics(&next.events), ["number"; 2]);
    assert_eq!(next.reverted_events, []);
}

fn topics(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.topic.as_str()).collect()
}

/// P7: an argument longer than the buffer is rejected before anything runs, and leaves no frame behind.
#[test]
fn an_overlong_argument_leaves_no_stale_frame() {
    let vm = VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    let contract = session
        .deploy(contract_bytecode!("metadata"), with_id(1), LIMIT)
        .unwrap();
    let root = session.root().unwrap();
    let before = session.call::<_, Vec<ContractId>>(contract, "callstack", &(), LIMIT);
    let long = vec![0; 65_537];
    let error = session.call_raw(contract, "callstack", &long, LIMIT);
    assert!(matches!(
        error,
        Err(Error::Rejected(Rejected::Call(Refusal::ArgumentTooLong {
            len_bytes: 65_537
        })))
    ));
    let error = session.call::<_, ()>(contract, "callstack", &long, LIMIT);
    assert!(matches!(
        error,
        Err(Error::Rejected(Rejected::Argument { .. }))
    ));
    let after = session.call::<_, Vec<ContractId>>(contract, "callstack", &(), LIMIT);
    assert_eq!(before.unwrap(), after.unwrap());
    assert_eq!(session.root().unwrap(), root);
}

/// P4: a function that only reads changes no root, with whatever argument; leftovers are not state.
#[test]
fn a_getter_with_an_argument_changes_no_root() {
    let vm = VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    let echo = session
        .deploy(contract_bytecode!("crossing_argument"), with_id(1), LIMIT)
        .unwrap();
    let cells = deploy_cells(&mut session, 2);
    let root = session.root().unwrap();
    for len in [1, 100, 4000] {
        let text = "x".repeat(len);
        let given = session.call::<_, u64>(echo, "echo_number", &(len as u64), LIMIT);
        assert_eq!(given.unwrap().data, len as u64);
        assert_eq!(session.root().unwrap(), root, "after a number");
        session.call_raw(cells, "nothing", &text, LIMIT).unwrap();
        assert_eq!(session.root().unwrap(), root, "after raw bytes");
    }
    assert_eq!(
        load(&mut session, cells, 65_536),
        65_536,
        "its own argument"
    );
    assert_eq!(
        load(&mut session, cells, 65_540),
        0,
        "no leftovers of others"
    );
    let committed = session.commit().unwrap();
    let mut session = over(&vm, committed);
    session
        .call::<_, u64>(echo, "echo_number", &7u64, LIMIT)
        .unwrap();
    assert_eq!(session.root().unwrap(), root, "over a commit");
}

/// P7: a store past `memory.size` traps, wholly or partly outside, and inside grown memory it does not.
#[test]
fn a_store_past_the_memory_traps() {
    let vm = VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    let cells = deploy_cells(&mut session, 1);
    let root = session.root().unwrap();
    let end = 3 * 65_536;
    for address in [end - 3, end, end + 4096, u32::MAX - 3, u32::MAX] {
        let result = session.call_raw(cells, "store", words(&[address, 1]), LIMIT);
        let failure = reverted(result).failure;
        assert_eq!(failure.code, Outcome::MemoryOutOfBounds, "{address}");
        assert_eq!(session.root().unwrap(), root);
    }
    let grown = session.call_raw(cells, "grow", words(&[1]), LIMIT).unwrap();
    assert_eq!(word(&grown), 3);
    store(&mut session, cells, end, 1);
    assert_eq!(load(&mut session, cells, end), 1);
}

/// P7: the same for 64-bit memories, up to the last address there is.
#[test]
fn a_store_past_a_64_bit_memory_traps() {
    let vm = VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    let cells = session.deploy(code(CELLS_64), with_id(1), LIMIT).unwrap();
    let end = 3 * 65_536u64;
    for address in [
        end - 3,
        end,
        1 << 32,
        (1 << 32) + 8,
        1 << 47,
        u64::MAX - 3,
        u64::MAX,
    ] {
        let argument = [&address.to_le_bytes()[..], &[1, 0, 0, 0]].concat();
        let failure = reverted(session.call_raw(cells, "store", argument, LIMIT)).failure;
        assert_eq!(failure.code, Outcome::MemoryOutOfBounds, "{address:#x}");
    }
    let argument = [&(end - 4).to_le_bytes()[..], &[1, 0, 0, 0]].concat();
    session.call_raw(cells, "store", argument, LIMIT).unwrap();
}

/// Deleting a commit that a session of the same thread holds waits for nobody, and the session works on.
#[test]
fn deleting_a_held_commit_blocks_nobody() {
    let vm = VM::ephemeral().unwrap();
    let [base, one, two] = fork(&vm);
    let mut held = over(&vm, one);
    assert_eq!(vm.delete_commit(one).unwrap(), one);
    assert_eq!(vm.commits(), [base, two]);
    assert_eq!(load(&mut held, id(1), 0), 1);
    store(&mut held, id(1), 4, 3);
    assert_eq!(load(&mut held, id(1), 4), 3);
    let mut held_base = over(&vm, base);
    vm.delete_commit(base).unwrap();
    assert_eq!(vm.commits(), []);
    assert_eq!(load(&mut held_base, id(1), 0), 0);
}

/// The finalised commit is a base like any other: by id and by root, also after reopening.
#[test]
fn the_finalised_commit_opens() {
    let directory = Directory::new();
    let vm = directory.open();
    let [_, one, _] = fork(&vm);
    vm.finalize_commit(one).unwrap();
    assert_eq!(load(&mut over(&vm, one), id(1), 0), 1);
    drop(vm);
    let vm = directory.open();
    assert_eq!(vm.finalized(), Some(one));
    assert_eq!(load(&mut over(&vm, one.id), id(1), 0), 1);
    let mut session = over(&vm, one.root);
    store(&mut session, id(1), 0, 9);
    let next = session.commit().unwrap();
    assert_eq!(next.parent, one.id);
}

/// The directory of an ephemeral VM is there while the VM or a session of it lives, and gone afterwards.
#[test]
fn an_ephemeral_directory_lives_as_long_as_its_users() {
    let vm = VM::ephemeral().unwrap();
    let path = vm.root_dir().to_path_buf();
    assert!(path.is_dir());
    let mut session = fresh(&vm);
    let cells = deploy_cells(&mut session, 1);
    drop(vm);
    assert!(path.is_dir(), "a session still uses it");
    store(&mut session, cells, 0, 1);
    session.commit().unwrap();
    drop(session);
    assert!(!path.exists());
    let vm = VM::ephemeral().unwrap();
    let path = vm.root_dir().to_path_buf();
    drop(vm);
    assert!(!path.exists());
}

/// P5: forty 64-bit contracts live in one session, and in a session over its commit.
#[test]
fn forty_64_bit_contracts_work_in_one_session() {
    let vm = VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    let bytecode = contract_bytecode!("counter64");
    for number in 0..40 {
        session.deploy(bytecode, with_id(number), LIMIT).unwrap();
    }
    count_all(&mut session, 0xfd);
    let commit = session.commit().unwrap();
    count_all(&mut over(&vm, commit), 0xfe);
}

fn count_all(session: &mut crostata::Session, expected: i64) {
    for number in 0..40 {
        let counter = id(number);
        session
            .call::<_, ()>(counter, "increment", &(), LIMIT)
            .unwrap();
        let read = session.call::<_, i64>(counter, "read_value", &(), LIMIT);
        assert_eq!(read.unwrap().data, expected, "contract {number}");
    }
}

/// P5: thousands of contracts live in one session: more than the 7,052 at which another VM hangs.
#[test]
fn thousands_of_contracts_work_in_one_session() {
    const CONTRACTS: u64 = 7_100;
    let vm = VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    let bytecode = code(CELLS);
    for number in 0..CONTRACTS {
        session.deploy(&bytecode, with_id(number), LIMIT).unwrap();
    }
    for number in [0, 1, 5_000, CONTRACTS - 1] {
        store(&mut session, id(number), 0, number as u32 + 1);
        assert_eq!(load(&mut session, id(number), 0), number as u32 + 1);
    }
    let commit = session.commit().unwrap();
    let mut session = over(&vm, commit);
    assert_eq!(session.root().unwrap(), commit.root);
    assert_eq!(load(&mut session, id(CONTRACTS - 1), 0), CONTRACTS as u32);
}

/// P5, P7: how many committed contracts sessions use is not bounded by the file descriptors of the process, which may have 128 here.
#[test]
#[cfg(target_os = "linux")]
fn committed_contracts_need_no_file_descriptors() {
    let test = "committed_contracts_need_no_file_descriptors";
    under_ulimit("-n 128", test, || use_committed_contracts(300));
}

/// Calls many committed contracts of different content in one session.
fn use_committed_contracts(contracts: u64) {
    let vm = VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    for number in 0..contracts {
        let cells = deploy_cells(&mut session, number);
        store(&mut session, cells, 0, number as u32 + 1);
    }
    let commit = session.commit().unwrap();
    let mut session = over(&vm, commit);
    for number in 0..contracts {
        assert_eq!(load(&mut session, id(number), 0), number as u32 + 1);
    }
}

/// P7: a process whose address space runs out, for whatever reason, gets an error, and goes on when there is room again. It may have 100 GB
/// here: a dozen memories.
#[test]
#[cfg(target_os = "linux")]
fn address_space_that_runs_out_is_an_error() {
    let test = "address_space_that_runs_out_is_an_error";
    under_ulimit("-v 100000000", test, use_more_memories_than_fit);
}

/// Enters contracts until there is no room for the memory of another one.
fn use_more_memories_than_fit() {
    const CONTRACTS: u64 = 30;
    let vm = VM::ephemeral().unwrap();
    let mut commit = None;
    for number in 0..CONTRACTS {
        let mut session = commit.map_or_else(|| fresh(&vm), |commit| over(&vm, commit));
        let cells = deploy_cells(&mut session, number);
        store(&mut session, cells, 0, number as u32 + 1);
        commit = Some(session.commit().unwrap());
    }
    let mut session = over(&vm, commit.unwrap());
    let mut calls =
        (0..CONTRACTS).map(|number| session.call_raw(id(number), "load", words(&[0]), LIMIT));
    let refused = calls.find_map(Result::err).expect("not all fit");
    assert!(matches!(refused, Error::Fatal(_)), "{refused}");
    drop(session);
    let mut session = over(&vm, commit.unwrap());
    assert_eq!(load(&mut session, id(3), 0), 4);
}

/// Errors say which contract, which function, what and where: for panics, traps and failures below.
#[test]
fn errors_say_where_they_come_from() {
    let vm = VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    let fallible = session
        .deploy(contract_bytecode!("fallible"), with_id(1), LIMIT)
        .unwrap();
    let caller = session
        .deploy(contract_bytecode!("caller"), with_id(2), LIMIT)
        .unwrap();
    let failure = reverted(session.call::<_, ()>(fallible, "panics", &(), LIMIT)).failure;
    assert_eq!((failure.code, failure.contract), (Outcome::Panic, fallible));
    assert_eq!(failure.function, "panics");
    assert!(failure.text().contains("deliberate"), "{}", failure.text());
    assert!(!failure.backtrace.is_empty());
    let failure = reverted(session.call::<_, ()>(fallible, "unreachable", &(), LIMIT)).failure;
    assert_eq!(failure.code, Outcome::Unreachable);
    assert_eq!(
        (failure.contract, &*failure.function),
        (fallible, "unreachable")
    );
    assert!(!failure.backtrace.is_empty());
    let argument = (fallible, "panics".to_owned());
    let failed = reverted(session.call::<_, i64>(caller, "call_and_return", &argument, LIMIT));
    assert_eq!(failed.failure.contract, caller);
    assert_eq!(failed.failure.function, "call_and_return");
    let below = failed.receipt.call_tree.iter().nth(1).unwrap();
    let cause = below.failure.as_ref().unwrap();
    assert_eq!((cause.contract, cause.code), (fallible, Outcome::Panic));
    assert!(cause.text().contains("deliberate"));
}

/// The backtrace names functions as the code's name section does, innermost first.
#[test]
fn backtraces_have_names() {
    let text = r#"(module
      (memory (export "memory") 3)
      (global (export "A") i32 (i32.const 65536))
      (func $innermost (unreachable))
      (func $middle (call $innermost))
      (func $outermost (export "run") (param i32) (result i32) (call $middle) (i32.const 0)))"#;
    let vm = VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    let contract = session.deploy(code(text), with_id(1), LIMIT).unwrap();
    let failure = reverted(session.call_raw(contract, "run", [], LIMIT)).failure;
    assert_eq!(failure.backtrace, ["innermost", "middle", "outermost"]);
}

/// A chain of calls needs hardly more gas than it uses: a sixty-fourth per level, not the 27 % of a fixed share, and the deposits
/// for failures, one per level, that come back.
#[test]
fn nested_calls_need_hardly_more_gas_than_they_use() {
    let vm = VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    let caller = session
        .deploy(contract_bytecode!("caller"), with_id(1), LIMIT)
        .unwrap();
    for depth in [1, 2, 4] {
        let used = session
            .call::<_, u32>(caller, "chain", &depth, LIMIT)
            .unwrap()
            .gas_spent;
        let deposit = Protocol::default().schedule.failure_base;
        let mut enough = used + 1;
        for _ in 0..depth {
            enough += enough / 63 + 1 + deposit;
        }
        let receipt = session.call::<_, u32>(caller, "chain", &depth, enough);
        assert_eq!(receipt.unwrap().gas_spent, used, "at depth {depth}");
    }
}

/// A callee that uses millions gets by on a limit a sixty-fourth above what the whole call uses, and the deposit for its failure.
#[test]
fn a_heavy_callee_needs_a_sixty_fourth_more() {
    let vm = VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    let ids = [1, 2].map(|number| {
        let data = with_id(number);
        session.deploy(contract_bytecode!("spender"), data, LIMIT)
    });
    let [outer, inner] = ids.map(Result::unwrap);
    let rounds = 500_000u64;
    type Outcomes = (u64, u64, Result<(), crostata::ContractError>);
    let mut delegate = |limit| {
        let argument = (inner, rounds, 0u64);
        let receipt = session.call::<_, Outcomes>(outer, "delegate", &argument, limit);
        receipt.map(|receipt| (receipt.data.2, receipt.gas_spent))
    };
    let (outcome, used) = delegate(LIMIT).unwrap();
    assert_eq!(outcome, Ok(()));
    assert!(used > 4_000_000, "{used}");
    let deposit = Protocol::default().schedule.failure_base;
    let (outcome, _) = delegate(used + used / 63 + 1 + deposit).unwrap();
    assert_eq!(outcome, Ok(()));
}

/// A session over a root that no commit holds is an error that names it, and opens nothing.
#[test]
fn a_lost_root_is_named() {
    let vm = VM::ephemeral().unwrap();
    let root = Root::from_bytes([3; 32]);
    let error = vm.session(SessionData::builder().base(root)).unwrap_err();
    assert!(error.to_string().contains(&root.to_string()), "{error}");
}

/// A session that had a fatal error refuses to go on, and to commit what is unknown.
#[test]
fn a_session_with_a_fatal_error_commits_nothing() {
    let (directory, [_, commit]) = marked();
    directory.flip_in(&MARK.to_le_bytes());
    let vm = directory.open();
    let mut session = over(&vm, commit);
    let _ = session.call_raw(id(1), "load", words(&[100]), LIMIT);
    assert!(matches!(session.commit(), Err(CommitError::Poisoned)));
    let next = session.call_raw(id(2), "load", words(&[0]), LIMIT);
    assert!(matches!(next, Err(Error::Fatal(Fatal::Poisoned))));
    assert_eq!(vm.commits().len(), 2);
}
