//! The tree of commits: what is durable stays, in its order, whatever else happens (P3); sessions are apart from one
//! another and from the tree (P1, P2); a migration happens wholly or not at all (P2).

mod common;

use std::thread;

use common::proofs::{shown_page, shown_record};
use common::*;
use crostata::{
    Commit, CommitError, Config, ContractData, ContractId, DatumError, Error, LookupError, Outcome,
    PageIndex, ProofItem, Protocol, Rejected, Root, Session, SessionData, SessionError, VM,
    contract_bytecode,
};

/// Commits a change of the cell at 0 of contract 1 over a base.
fn child(vm: &VM, base: Commit, value: u32) -> Commit {
    let mut session = over(vm, base);
    store(&mut session, id(1), 0, value);
    session.commit().unwrap()
}

/// The cell at 0 of contract 1 at a commit.
fn value_at(vm: &VM, commit: Commit) -> u32 {
    load(&mut over(vm, commit), id(1), 0)
}

/// The first commit: contract 1, with zeros.
fn first(vm: &VM) -> Commit {
    let mut session = fresh(vm);
    deploy_cells(&mut session, 1);
    session.commit().unwrap()
}

/// P3: a base may have many children, each opens with its own state, and all are there after reopening, in order.
#[test]
fn a_base_has_many_children() {
    let directory = Directory::new();
    let vm = directory.open();
    let base = first(&vm);
    let mut commits = vec![base];
    commits.extend((1..=50).map(|value| child(&vm, base, value)));
    let grandchild = child(&vm, commits[7], 1000);
    commits.push(grandchild);
    assert_eq!(vm.commits(), commits);
    drop(vm);
    let vm = directory.open();
    assert_eq!(vm.commits(), commits);
    for (value, commit) in commits[..51].iter().enumerate() {
        assert_eq!(value_at(&vm, *commit), value as u32);
        assert_eq!(over(&vm, *commit).root().unwrap(), commit.root);
    }
    assert_eq!(
        (grandchild.parent, value_at(&vm, grandchild)),
        (commits[7].id, 1000)
    );
}

/// P3: a long line of commits, a session each, comes back whole.
#[test]
fn a_line_of_commits_comes_back() {
    let directory = Directory::new();
    let mut last = first(&directory.open());
    for value in 1..=20 {
        let vm = directory.open();
        assert_eq!(value_at(&vm, last), value - 1);
        last = child(&vm, last, value);
    }
    let vm = directory.open();
    assert_eq!((vm.commits().len(), value_at(&vm, last)), (21, 20));
}

/// P3: finalising folds the path to a commit, drops every other branch, keeps its children, and can be repeated.
#[test]
fn finalising_drops_the_losers() {
    let directory = Directory::new();
    let vm = directory.open();
    let base = first(&vm);
    let (winner, loser) = (child(&vm, base, 1), child(&vm, base, 2));
    let loser_child = child(&vm, loser, 3);
    let (left, right) = (child(&vm, winner, 4), child(&vm, winner, 5));
    let survivors = [winner, left, right];
    for _ in 0..2 {
        assert_eq!(vm.finalize_commit(winner).unwrap(), winner);
        assert_eq!(
            (vm.commits(), vm.finalized()),
            (survivors.to_vec(), Some(winner))
        );
    }
    for dropped in [base, loser, loser_child] {
        assert!(matches!(
            vm.session(SessionData::builder().base(dropped)),
            Err(SessionError::Base(LookupError::Unknown(_)))
        ));
        assert!(matches!(
            vm.finalize_commit(dropped),
            Err(CommitError::Lookup(LookupError::Unknown(_)))
        ));
    }
    drop(vm);
    let vm = directory.open();
    assert_eq!(
        (vm.commits(), vm.finalized()),
        (survivors.to_vec(), Some(winner))
    );
    assert_eq!(vm.finalize_commit(winner.root).unwrap(), winner);
    assert_eq!(vm.finalize_commit(right).unwrap(), right);
    assert_eq!((vm.commits(), value_at(&vm, right)), (vec![right], 5));
    drop(vm);
    let vm = directory.open();
    assert_eq!((vm.commits(), value_at(&vm, right)), (vec![right], 5));
    assert_eq!(child(&vm, right, 6).parent, right.id);
}

/// P3: deleting a commit deletes what descends from it and nothing else, durably.
#[test]
fn deleting_takes_the_branch() {
    let directory = Directory::new();
    let vm = directory.open();
    let base = first(&vm);
    let (gone, kept) = (child(&vm, base, 1), child(&vm, base, 2));
    let gone_child = child(&vm, gone, 3);
    child(&vm, gone_child, 4);
    let kept_child = child(&vm, kept, 3);
    assert_eq!(gone_child.root, kept_child.root);
    assert_eq!(vm.delete_commit(gone).unwrap(), gone);
    assert_eq!(vm.commits(), [base, kept, kept_child]);
    assert!(matches!(
        vm.delete_commit(gone),
        Err(CommitError::Lookup(_))
    ));
    drop(vm);
    let vm = directory.open();
    assert_eq!(vm.commits(), [base, kept, kept_child]);
    assert_eq!(value_at(&vm, kept_child), 3);
    let again = child(&vm, base, 1);
    assert_eq!(again, gone, "the same commit may come again");
    drop(vm);
    let vm = directory.open();
    assert_eq!(vm.commits(), [base, kept, kept_child, again]);
    assert_eq!(value_at(&vm, again), 1);
}

/// The finalised commit can not be deleted.
#[test]
fn the_finalised_commit_stays() {
    let vm = VM::ephemeral().unwrap();
    let [_, one, _] = fork(&vm);
    vm.finalize_commit(one).unwrap();
    let error = vm.delete_commit(one).unwrap_err();
    assert!(matches!(error, CommitError::Finalised { id } if id == one.id));
    assert_eq!(vm.commits(), [one]);
}

/// A session whose base was dropped can be read and called on, and can not be committed: the error names the base.
#[test]
fn a_session_over_a_dropped_base_is_readable() {
    let vm = VM::ephemeral().unwrap();
    let [_, one, two] = fork(&vm);
    let (mut deleted, mut outvoted) = (over(&vm, one), over(&vm, two));
    let later = child(&vm, two, 9);
    vm.delete_commit(one).unwrap();
    assert_dropped(&mut deleted, one, 1);
    vm.finalize_commit(later).unwrap();
    assert_dropped(&mut outvoted, two, 2);
    assert_eq!(vm.commits(), [later]);
}

fn assert_dropped(session: &mut Session, base: Commit, value: u32) {
    assert_eq!(load(session, id(1), 0), value);
    store(session, id(1), 4, 7);
    let error = session.commit().unwrap_err();
    assert!(matches!(error, CommitError::BaseDropped { base: named } if named == base.id));
    assert_eq!(
        (load(session, id(1), 0), load(session, id(1), 4)),
        (value, 7)
    );
}

/// A session over the empty state can not be committed beside a finalised commit.
#[test]
fn the_empty_state_is_dropped_by_a_finalisation() {
    let vm = VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    deploy_cells(&mut session, 2);
    let [_, one, _] = fork(&vm);
    vm.finalize_commit(one).unwrap();
    assert!(matches!(
        session.commit(),
        Err(CommitError::BaseDropped { .. })
    ));
    assert_eq!(load(&mut session, id(2), 0), 0);
}

/// The same changes on the same base are the same commit, whoever makes them.
#[test]
fn the_same_commit_twice_is_one_commit() {
    let directory = Directory::new();
    let vm = directory.open();
    let base = first(&vm);
    let once = child(&vm, base, 1);
    assert_eq!(child(&vm, base, 1), once);
    assert_eq!(vm.commits(), [base, once]);
    drop(vm);
    assert_eq!(directory.open().commits(), [base, once]);
}

/// A session goes on from its commit: what it commits next is a child with both changes.
#[test]
fn a_session_goes_on_after_a_commit() {
    let directory = Directory::new();
    let vm = directory.open();
    let mut session = fresh(&vm);
    let cells = deploy_cells(&mut session, 1);
    let mut commits = Vec::new();
    for value in [1, 2, 1, 0] {
        store(&mut session, cells, 0, value);
        store(&mut session, cells, 8192 + 4 * value, 1);
        commits.push(session.commit().unwrap());
        assert_eq!(session.root().unwrap(), commits.last().unwrap().root);
    }
    for pair in commits.windows(2) {
        assert_eq!(pair[1].parent, pair[0].id);
    }
    let pages: Vec<_> = session.memory_pages(cells).unwrap().collect();
    drop((session, vm));
    let vm = directory.open();
    assert_eq!(vm.commits(), commits);
    for (commit, value) in commits.iter().zip([1, 2, 1, 0]) {
        assert_eq!(value_at(&vm, *commit), value);
    }
    let last = commits[3];
    let reopened = over(&vm, last).memory_pages(cells).unwrap().count();
    assert_eq!(reopened, pages.len());
    for (page, opening) in pages {
        shown_page(&opening, &last.root, &cells, page).unwrap();
    }
}

/// A call that fails after a commit falls back to the committed state, page by page.
#[test]
fn a_failure_after_a_commit_reverts_to_the_commit() {
    let vm = VM::ephemeral().unwrap();
    let base = first(&vm);
    let mut session = over(&vm, base);
    store(&mut session, id(1), 0, 5);
    let commit = session.commit().unwrap();
    for address in [0, 20_000] {
        let argument = words(&[address, 6]);
        reverted(session.call_raw(id(1), "store_then_fail", argument, LIMIT));
        assert_eq!(session.root().unwrap(), commit.root);
    }
    assert_eq!(load(&mut session, id(1), 0), 5);
}

/// P1: writing what was there already is no change of the root, before and after a commit.
#[test]
fn only_content_decides_the_root() {
    let vm = VM::ephemeral().unwrap();
    let base = first(&vm);
    let mut session = over(&vm, base);
    store(&mut session, id(1), 0, 5);
    store(&mut session, id(1), 0, 0);
    assert_eq!(session.root().unwrap(), base.root);
    store(&mut session, id(1), 0, 5);
    let commit = session.commit().unwrap();
    store(&mut session, id(1), 0, 0);
    assert_eq!(session.root().unwrap(), base.root);
    store(&mut session, id(1), 0, 5);
    assert_eq!(session.root().unwrap(), commit.root);
}

/// P2: two sessions over one base never see each other's writes, nor those of a commit made meanwhile.
#[test]
fn sessions_do_not_see_each_other() {
    let vm = VM::ephemeral().unwrap();
    let base = first(&vm);
    let (mut one, mut two) = (over(&vm, base), over(&vm, base));
    store(&mut one, id(1), 0, 1);
    assert_eq!(load(&mut two, id(1), 0), 0);
    store(&mut two, id(1), 4, 2);
    deploy_cells(&mut two, 2);
    assert_eq!(load(&mut one, id(1), 4), 0);
    assert_eq!(one.contract_metadata(&id(2)).unwrap(), None);
    one.commit().unwrap();
    assert_eq!(load(&mut two, id(1), 0), 0);
    assert_eq!(value_at(&vm, base), 0);
    let two = two.commit().unwrap();
    assert_eq!((two.parent, value_at(&vm, two)), (base.id, 0));
}

/// A little workload of its own for each number; gives the root.
fn work(vm: &VM, base: Commit, number: u32) -> Commit {
    let mut session = over(vm, base);
    for step in 0..20 {
        store(
            &mut session,
            id(1),
            step * 4096 % 65_536,
            number * 100 + step,
        );
    }
    let counter = session
        .deploy(
            contract_bytecode!("counter"),
            with_id(50 + u64::from(number)),
            LIMIT,
        )
        .unwrap();
    for _ in 0..number {
        session
            .call::<_, ()>(counter, "increment", &(), LIMIT)
            .unwrap();
    }
    reverted(session.call_raw(id(1), "store_then_fail", words(&[0, 1]), LIMIT));
    session.commit().unwrap()
}

/// P1: sessions that run and commit on several threads at once give the commits of serial order.
#[test]
fn concurrent_sessions_give_serial_roots() {
    let serial_vm = VM::ephemeral().unwrap();
    let base = first(&serial_vm);
    let serial: Vec<Commit> = (0..8)
        .map(|number| work(&serial_vm, base, number))
        .collect();
    let directory = Directory::new();
    let vm = directory.open();
    assert_eq!(first(&vm), base);
    let concurrent: Vec<Commit> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|number| {
                let vm = &vm;
                scope.spawn(move || work(vm, base, number))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(concurrent, serial);
    drop(vm);
    let vm = directory.open();
    let mut found = vm.commits();
    found.sort_by_key(|commit| commit.id);
    let mut expected = [&[base], &serial[..]].concat();
    expected.sort_by_key(|commit| commit.id);
    assert_eq!(found, expected);
}

/// P3: commits, finalisations and deletions from several threads at once leave a tree that opens as it was.
#[test]
fn a_busy_tree_opens_again() {
    let directory = Directory::new();
    let vm = directory.open();
    vm.finalize_commit(first(&vm)).unwrap();
    thread::scope(|scope| {
        for number in 0..4 {
            let vm = &vm;
            scope.spawn(move || grow_branch(vm, number));
        }
        for step in 0..40 {
            // Any commit may go or become final at any moment; what matters is that the tree stays a tree.
            let commits = vm.commits();
            let _ = vm.delete_commit(commits[commits.len() - 1]);
            if step % 8 == 0 {
                let _ = vm.finalize_commit(commits[commits.len() / 4]);
            }
        }
    });
    let (commits, finalised) = (vm.commits(), vm.finalized());
    drop(vm);
    let vm = directory.open();
    assert_eq!((vm.commits(), vm.finalized()), (commits.clone(), finalised));
    for commit in commits {
        assert_eq!(over(&vm, commit).root().unwrap(), commit.root);
        value_at(&vm, commit);
    }
}

/// Commits one child after another, from the finalised commit again where the branch was cut off.
fn grow_branch(vm: &VM, number: u32) {
    let mut session = over_finalised(vm);
    for step in 0..30 {
        store(&mut session, id(1), 0, 1_000 * number + step);
        match session.commit() {
            Ok(_) => {}
            Err(CommitError::BaseDropped { .. }) => session = over_finalised(vm),
            Err(other) => panic!("{other}"),
        }
    }
}

/// A session over the finalised commit, which may become another meanwhile.
fn over_finalised(vm: &VM) -> Session {
    loop {
        let data = SessionData::builder().base(vm.finalized().unwrap());
        if let Ok(session) = vm.session(data) {
            return session;
        }
    }
}

/// A session may be sent to another thread between calls, and the VM shared.
#[test]
fn sessions_move_between_threads() {
    let vm = VM::ephemeral().unwrap();
    let base = first(&vm);
    let mut session = over(&vm, base);
    for value in 1..5 {
        session = thread::spawn(move || {
            store(&mut session, id(1), 0, value);
            session
        })
        .join()
        .unwrap();
        assert_eq!(load(&mut session, id(1), 0), value);
    }
}

/// A protocol with another price for calls.
fn dear() -> Protocol {
    let mut protocol = Protocol::default();
    protocol.schedule.call_base += 1;
    protocol
}

fn config(protocols: Vec<Protocol>) -> Config {
    Config {
        protocols,
        ..Config::default()
    }
}

/// A commit made under rules that a VM was not configured with is an error that names the rule; nothing else is lost.
#[test]
fn an_unknown_protocol_is_named() {
    let directory = Directory::new();
    let vm = VM::with_config(directory.path(), config(vec![dear()])).unwrap();
    let base = first(&vm);
    drop(vm);
    let vm = directory.open();
    assert_eq!(vm.commits(), [base]);
    match vm.session(SessionData::builder().base(base)) {
        Err(SessionError::UnknownProtocol {
            wanted,
            differences,
        }) => {
            assert_eq!(wanted, dear().fingerprint());
            let here = Protocol::default().schedule.call_base;
            let expected = format!("gas.call_base: {} there, {here} here", here + 1);
            assert_eq!(differences, [expected]);
        }
        other => panic!("{other:?}"),
    }
    drop(vm);
    let both = config(vec![Protocol::default(), dear()]);
    let vm = VM::with_config(directory.path(), both).unwrap();
    assert_eq!(value_at(&vm, base), 0);
}

/// A session runs under its base's protocol, or under the one it is given if the VM knows that.
#[test]
fn a_session_may_change_the_protocol() {
    let vm = VM::ephemeral_with_config(config(vec![Protocol::default(), dear()])).unwrap();
    let base = first(&vm);
    let forked = SessionData::builder().base(base).protocol(dear());
    let mut session = vm.session(forked).unwrap();
    store(&mut session, id(1), 0, 1);
    let commit = session.commit().unwrap();
    assert_eq!(value_at(&vm, commit), 1);
    let mut unknown = dear();
    unknown.schedule.call_base += 1;
    let forked = SessionData::builder().base(base).protocol(unknown);
    assert!(matches!(
        vm.session(forked),
        Err(SessionError::UnknownProtocol { .. })
    ));
}

/// A session with a counter that counted to 0xfe, under id 1 and with an owner; and its root.
fn counted(vm: &VM) -> (Session, ContractId, Root) {
    let mut session = fresh(vm);
    let data = ContractData::builder().contract_id(id(1)).owner([7; 33]);
    let counter = session
        .deploy(contract_bytecode!("counter"), data, LIMIT)
        .unwrap();
    for _ in 0..2 {
        session
            .call::<_, ()>(counter, "increment", &(), LIMIT)
            .unwrap();
    }
    let root = session.root().unwrap();
    (session, counter, root)
}

fn read_value(session: &mut Session, contract: ContractId) -> i64 {
    let read = session.call::<_, i64>(contract, "read_value", &(), LIMIT);
    read.unwrap().data
}

fn initial(value: i64) -> ContractData {
    ContractData::builder().init_arg(&value).build()
}

/// Moves the counter's number into an `initializer` by counting up to it.
fn migrate_counter(session: &mut Session, counter: ContractId) -> Result<(), Error> {
    let bytecode = contract_bytecode!("initializer");
    session.migrate(counter, bytecode, initial(0xf0), LIMIT, |new, session| {
        while read_value(session, new) < read_value(session, counter) {
            session.call::<_, ()>(new, "increment", &(), LIMIT)?;
        }
        Ok(())
    })
}

/// P2: a migration puts new code and memory under the old id, keeps the owner, and leaves no second contract.
#[test]
fn a_migration_takes_the_place() {
    let directory = Directory::new();
    let vm = directory.open();
    let (mut session, counter, _) = counted(&vm);
    session.commit().unwrap();
    let mut beside = None;
    let bytecode = contract_bytecode!("initializer");
    session
        .migrate(counter, bytecode, initial(40), LIMIT, |new, session| {
            beside = Some(new);
            assert_eq!(read_value(session, counter), 0xfe);
            session
                .call::<_, ()>(new, "increment", &(), LIMIT)
                .map(drop)
        })
        .unwrap();
    let metadata = session.contract_metadata(&counter).unwrap().unwrap();
    assert_eq!(metadata.owner, [7; 33]);
    assert_eq!(
        metadata.code_hash,
        crostata_proof::hash::code_hash(bytecode)
    );
    assert_eq!(session.contract_metadata(&beside.unwrap()).unwrap(), None);
    assert_eq!(read_value(&mut session, counter), 41);
    let commit = session.commit().unwrap();
    drop((session, vm));
    let vm = directory.open();
    assert_eq!(read_value(&mut over(&vm, commit), counter), 41);
    let record = vm.prove(commit, &[ProofItem::Contract(counter)]).unwrap();
    let record = shown_record(&record, &commit.root, &counter).unwrap();
    assert_eq!(record.owner.as_bytes(), [7; 33]);
}

/// P4: a migrated contract has the root of one that was deployed like that.
#[test]
fn a_migrated_contract_has_the_root_of_a_deployed_one() {
    let vm = VM::ephemeral().unwrap();
    let (mut session, counter, _) = counted(&vm);
    let bytecode = contract_bytecode!("initializer");
    session
        .migrate(counter, bytecode, initial(40), LIMIT, |_, _| Ok(()))
        .unwrap();
    let mut straight = fresh(&vm);
    let data = ContractData::builder().contract_id(id(1)).owner([7; 33]);
    straight
        .deploy(bytecode, data.init_arg(&40i64), LIMIT)
        .unwrap();
    assert_eq!(session.root().unwrap(), straight.root().unwrap());
}

/// A migration gives another owner if it is told to.
#[test]
fn a_migration_may_change_the_owner() {
    let vm = VM::ephemeral().unwrap();
    let (mut session, counter, _) = counted(&vm);
    let data = ContractData::builder().init_arg(&1i64).owner([8]);
    session
        .migrate(
            counter,
            contract_bytecode!("initializer"),
            data,
            LIMIT,
            |_, _| Ok(()),
        )
        .unwrap();
    assert_eq!(
        session.contract_metadata(&counter).unwrap().unwrap().owner,
        [8]
    );
}

/// A contract can be migrated to code that it has already: its memory starts anew.
#[test]
fn a_migration_to_the_same_code_starts_anew() {
    let vm = VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    let bytecode = contract_bytecode!("counter");
    let counter = session
        .deploy(bytecode, ContractData::builder(), LIMIT)
        .unwrap();
    session
        .call::<_, ()>(counter, "increment", &(), LIMIT)
        .unwrap();
    session
        .migrate(counter, bytecode, ContractData::builder(), LIMIT, |_, _| {
            Ok(())
        })
        .unwrap();
    assert_eq!(read_value(&mut session, counter), 0xfc);
}

/// P2: a migration whose closure fails, whatever it did before, leaves the session as it was: contracts, memory,
/// data and root.
#[test]
fn a_migration_that_fails_changes_nothing() {
    let vm = VM::ephemeral().unwrap();
    let (mut session, counter, _) = counted(&vm);
    deploy_cells(&mut session, 2);
    session.set_meta("height", &1u64).unwrap();
    let root = session.root().unwrap();
    let meta = session.meta("height");
    let mut beside = None;
    let failed = session.migrate(
        counter,
        contract_bytecode!("initializer"),
        initial(1),
        LIMIT,
        |new, session| {
            beside = Some(new);
            session.call::<_, ()>(counter, "increment", &(), LIMIT)?;
            store(session, id(2), 5000, 1);
            session.call_raw(id(2), "grow", words(&[2]), LIMIT)?;
            deploy_cells(session, 3);
            session.set_meta("height", &2u64).unwrap();
            session.call::<_, ()>(new, "nowhere", &(), LIMIT).map(drop)
        },
    );
    assert!(matches!(failed, Err(Error::Rejected(Rejected::Call(_)))));
    assert_eq!(session.root().unwrap(), root);
    assert_eq!(session.meta("height"), meta);
    for gone in [id(3), beside.unwrap()] {
        assert_eq!(session.contract_metadata(&gone).unwrap(), None);
    }
    assert_eq!(read_value(&mut session, counter), 0xfe);
    migrate_counter(&mut session, counter).unwrap();
    assert_eq!(read_value(&mut session, counter), 0xfe);
}

/// P2: a migration whose `init` fails or whose code is rejected changes nothing.
#[test]
fn a_migration_whose_deployment_fails_changes_nothing() {
    let vm = VM::ephemeral().unwrap();
    let (mut session, counter, root) = counted(&vm);
    let never = |_: ContractId, _: &mut Session| -> Result<(), Error> { unreachable!() };
    let bytecode = contract_bytecode!("initializer");
    let failed = session.migrate(counter, bytecode, initial(-1), LIMIT, never);
    assert_eq!(reverted(failed).failure.code, Outcome::Panic);
    let failed = session.migrate(counter, b"no code", ContractData::builder(), LIMIT, never);
    assert!(matches!(
        failed,
        Err(Error::Rejected(Rejected::Code { .. }))
    ));
    let failed = session.migrate(id(9), bytecode, initial(1), LIMIT, never);
    assert!(matches!(failed, Err(Error::Rejected(_))));
    assert_eq!(session.root().unwrap(), root);
    assert_eq!(read_value(&mut session, counter), 0xfe);
}

/// P2: a migration inside of one that fails is undone with it.
#[test]
fn a_migration_inside_a_failing_one_is_undone() {
    let vm = VM::ephemeral().unwrap();
    let (mut session, counter, root) = counted(&vm);
    let owner = session.contract_metadata(&counter).unwrap().unwrap();
    let failed = session.migrate(
        counter,
        contract_bytecode!("initializer"),
        initial(1),
        LIMIT,
        |new, session| {
            let inner = ContractData::builder().init_arg(&2i64).owner([9]);
            let bytecode = contract_bytecode!("initializer");
            session.migrate(counter, bytecode, inner, LIMIT, |_, _| Ok(()))?;
            assert_eq!(read_value(session, counter), 2);
            session.call::<_, ()>(new, "nowhere", &(), LIMIT).map(drop)
        },
    );
    assert!(matches!(failed, Err(Error::Rejected(Rejected::Call(_)))));
    assert_eq!(session.contract_metadata(&counter).unwrap(), Some(owner));
    assert_eq!(session.root().unwrap(), root);
    assert_eq!(read_value(&mut session, counter), 0xfe);
}

/// P3: a commit made inside a migration's closure does not spoil what is committed afterwards: the directory opens.
#[test]
fn a_commit_inside_a_migration_spoils_nothing() {
    let directory = Directory::new();
    let vm = directory.open();
    let (mut session, counter, _) = counted(&vm);
    session.commit().unwrap();
    let mut committed = None;
    let moved = session.migrate(
        counter,
        contract_bytecode!("initializer"),
        initial(5),
        LIMIT,
        |_, session| {
            committed = session.commit().ok();
            Ok(())
        },
    );
    let expected = if moved.is_ok() { 5 } else { 0xfe };
    assert_eq!(read_value(&mut session, counter), expected);
    let last = session.commit().unwrap();
    drop((session, vm));
    let vm = directory.open();
    assert_eq!(read_value(&mut over(&vm, last), counter), expected);
    if let Some(commit) = committed {
        assert_eq!(read_value(&mut over(&vm, commit), counter), 0xfe);
    }
}

/// P2, P3: a migration that fails after its closure committed leaves a session whose root is that of its content.
#[test]
fn a_failed_migration_that_committed_has_an_honest_root() {
    let directory = Directory::new();
    let vm = directory.open();
    let (mut session, counter, _) = counted(&vm);
    deploy_cells(&mut session, 2);
    let base = session.commit().unwrap();
    drop(session);
    let mut session = over(&vm, base);
    assert_eq!(load(&mut session, id(2), 0), 0);
    let bytecode = contract_bytecode!("initializer");
    let failed = session.migrate(counter, bytecode, initial(5), LIMIT, |new, session| {
        store(session, id(2), 0, 77);
        let _ = session.commit();
        session.call::<_, ()>(new, "nowhere", &(), LIMIT).map(drop)
    });
    assert!(failed.is_err());
    let seen = load(&mut session, id(2), 0);
    let commit = session.commit().unwrap();
    assert_eq!(load(&mut over(&vm, commit), id(2), 0), seen);
    drop((session, vm));
    let vm = directory.open();
    assert_eq!(load(&mut over(&vm, commit), id(2), 0), seen);
}

/// A contract that gives the session datum whose name is its argument.
const READS_DATA: &str = r#"(module
  (import "env" "hd" (func $hd (param i32 i32) (result i32)))
  (memory (export "memory") 3)
  (global (export "A") i32 (i32.const 65536))
  (func (export "read") (param i32) (result i32)
    (call $hd (i32.const 65536) (local.get 0)))
)"#;

/// Session data can be set, read by contracts, replaced and removed; it is not part of the state.
#[test]
fn session_data_comes_and_goes() {
    let vm = VM::ephemeral().unwrap();
    let data = SessionData::builder().insert("height", &7u64).unwrap();
    let mut session = vm.session(data).unwrap();
    let reader = session.deploy(code(READS_DATA), with_id(1), LIMIT).unwrap();
    let root = session.root().unwrap();
    let seven = 7u64.to_le_bytes().to_vec();
    let eight = 8u64.to_le_bytes().to_vec();
    assert_eq!(read_datum(&mut session, reader), seven);
    assert_eq!(session.set_meta("height", &8u64).unwrap(), Some(seven));
    assert_eq!(read_datum(&mut session, reader), eight);
    assert_eq!(session.meta("height"), Some(eight.clone()));
    assert_eq!(session.remove_meta("height"), Some(eight));
    assert_eq!(read_datum(&mut session, reader), [0u8; 0]);
    assert_eq!(session.remove_meta("height"), None);
    assert_eq!(session.set_meta("height", &9u64).unwrap(), None);
    assert_eq!(session.root().unwrap(), root);
    let commit = session.commit().unwrap();
    assert_eq!(read_datum(&mut over(&vm, commit), reader), [0u8; 0]);
}

fn read_datum(session: &mut Session, reader: ContractId) -> Vec<u8> {
    let read = session.call_raw(reader, "read", "height", LIMIT);
    read.unwrap().data
}

/// A datum that no contract could read is refused, and the one before stays.
#[test]
fn data_that_can_not_be_read_is_refused() {
    let vm = VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    session.set_meta("name", &1u8).unwrap();
    let long = vec![0u8; 70_000];
    assert!(matches!(
        session.set_meta("name", &long),
        Err(DatumError::Value { name, .. }) if name == "name"
    ));
    assert_eq!(session.meta("name"), Some(vec![1]));
    let name = "n".repeat(256);
    let too_long = session.set_meta(&name, &1u8);
    assert_eq!(too_long, Err(DatumError::Name { len_bytes: 256 }));
    let builder = || SessionData::builder();
    assert!(builder().insert(&name, &1u8).is_err());
    assert!(builder().insert_raw("name", long.clone()).is_err());
    assert!(
        builder()
            .insert_raw("name", long[..65_536].to_vec())
            .is_ok()
    );
    assert!(builder().insert(&name[..255], &1u8).is_ok());
}

/// P4: what a commit lists is what its root binds, each contract once, and not what other commits have.
#[test]
fn a_commit_lists_its_contracts() {
    let vm = VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    let mut ids: Vec<ContractId> = (1..=40)
        .map(|number| deploy_cells(&mut session, number))
        .collect();
    store(&mut session, ids[3], 0, 9);
    let before = session.commit().unwrap();
    let later = deploy_cells(&mut session, 41);
    let after = session.commit().unwrap();
    let listed = |commit: Commit| {
        let records = vm.contracts(commit).unwrap();
        let mut listed: Vec<ContractId> = records.map(|record| record.unwrap().contract).collect();
        listed.sort();
        listed
    };
    ids.sort();
    assert_eq!(listed(before), ids);
    ids.push(later);
    ids.sort();
    assert_eq!(listed(after), ids);
    assert_eq!(vm.contract_pages(after, id(4)).unwrap(), [PageIndex(0)]);
    assert_eq!(vm.contract_pages(after, id(5)).unwrap(), []);
    assert!(vm.contract_code(before, later).is_err());
}
