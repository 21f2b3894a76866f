//! P2 between calls: a session savepoint undoes exactly what came after it, contracts, deployments, migrations and
//! session data alike, however savepoints nest and whatever failed in between.

mod common;

use common::{CELLS, code, deploy_cells, fresh, id, load, over, reverted, store, with_id, words};
use crostata::{CommitError, Error, Rejected, Root, Session, SessionData, VM};

fn vm() -> VM {
    VM::ephemeral().unwrap()
}

fn unknown(result: Result<(), Error>) -> bool {
    matches!(result, Err(Error::Rejected(Rejected::UnknownSavepoint)))
}

#[test]
fn a_rollback_undoes_writes_growth_deployments_and_data() {
    let vm = vm();
    let mut session = fresh(&vm);
    let cells = deploy_cells(&mut session, 1);
    store(&mut session, cells, 4, 7);
    session.set_meta("height", &1u64).unwrap();
    let root = session.root().unwrap();
    let before = session.savepoint().unwrap();
    store(&mut session, cells, 4, 8);
    store(&mut session, cells, 5_000, 9);
    session
        .call_raw(cells, "grow", words(&[2]), common::LIMIT)
        .unwrap();
    let other = deploy_cells(&mut session, 2);
    store(&mut session, other, 0, 1);
    session.set_meta("height", &2u64).unwrap();
    session.set_meta("new", &2u64).unwrap();
    assert_ne!(session.root().unwrap(), root);
    session.rollback(before).unwrap();
    assert_eq!(session.root().unwrap(), root);
    assert_eq!(load(&mut session, cells, 4), 7);
    assert_eq!(session.memory_len(&cells).unwrap(), Some(3 * 65_536));
    assert!(session.contract_metadata(&other).unwrap().is_none());
    assert_eq!(session.meta("height"), Some(1u64.to_le_bytes().to_vec()));
    assert_eq!(session.meta("new"), None);
    // What was undone can be done again.
    deploy_cells(&mut session, 2);
}

#[test]
fn savepoints_nest_and_a_released_one_is_undone_with_the_one_around_it() {
    let vm = vm();
    let mut session = fresh(&vm);
    let cells = deploy_cells(&mut session, 1);
    let roots = |session: &mut Session, value| {
        store(session, cells, 8, value);
        session.root().unwrap()
    };
    let first = roots(&mut session, 1);
    let outer = session.savepoint().unwrap();
    let second = roots(&mut session, 2);
    let middle = session.savepoint().unwrap();
    roots(&mut session, 3);
    let inner = session.savepoint().unwrap();
    roots(&mut session, 4);
    session.release(inner).unwrap();
    session.rollback(middle).unwrap();
    assert_eq!(session.root().unwrap(), second);
    assert!(unknown(session.rollback(inner)) && unknown(session.rollback(middle)));
    session.rollback(outer).unwrap();
    assert_eq!(session.root().unwrap(), first);
    assert!(unknown(session.release(outer)));
}

/// A savepoint around failing calls, and failing calls around nothing: both leave what was there.
#[test]
fn failed_calls_between_do_not_confuse_it() {
    let vm = vm();
    let mut session = fresh(&vm);
    let cells = deploy_cells(&mut session, 1);
    store(&mut session, cells, 100, 1);
    let root = session.root().unwrap();
    let before = session.savepoint().unwrap();
    for round in 0..50 {
        store(&mut session, cells, 100 + 4096 * (round % 7), round);
        let failed = session.call_raw(
            cells,
            "store_then_fail",
            words(&[200 + 4096 * (round % 5), 9]),
            common::LIMIT,
        );
        reverted(failed);
    }
    assert_eq!(load(&mut session, cells, 200), 0);
    session.rollback(before).unwrap();
    assert_eq!(session.root().unwrap(), root);
}

/// Contracts that the session had not touched before the savepoint come back as the base has them.
#[test]
fn contracts_of_the_base_come_back() {
    let vm = vm();
    let mut session = fresh(&vm);
    let contracts: Vec<_> = (1..=3).map(|n| deploy_cells(&mut session, n)).collect();
    contracts
        .iter()
        .for_each(|cells| store(&mut session, *cells, 12, 5));
    let base = session.commit().unwrap();
    let mut session = over(&vm, base);
    store(&mut session, contracts[0], 12, 6);
    let before = session.savepoint().unwrap();
    contracts
        .iter()
        .for_each(|cells| store(&mut session, *cells, 12, 7));
    session.rollback(before).unwrap();
    let seen: Vec<u32> = contracts
        .iter()
        .map(|cells| load(&mut session, *cells, 12))
        .collect();
    assert_eq!(seen, [6, 5, 5]);
}

#[test]
fn a_migration_is_undone_with_its_savepoint() {
    let vm = vm();
    let mut session = fresh(&vm);
    let cells = deploy_cells(&mut session, 1);
    store(&mut session, cells, 4, 7);
    let root = session.root().unwrap();
    let before = session.savepoint().unwrap();
    let other = CELLS.replace("\"nothing\"", "\"something\"");
    session
        .migrate(
            cells,
            code(&other),
            with_id(9),
            common::LIMIT,
            |new, session| {
                store(session, new, 4, 70);
                Ok(())
            },
        )
        .unwrap();
    assert_eq!(load(&mut session, cells, 4), 70);
    session.rollback(before).unwrap();
    assert_eq!(
        (session.root().unwrap(), load(&mut session, cells, 4)),
        (root, 7)
    );
    let nothing = session.call_raw(cells, "nothing", [], common::LIMIT);
    assert!(nothing.is_ok(), "the old code is back");
}

/// A migration stands on a savepoint of its own: its closure can not pull the ground away.
#[test]
fn a_closure_can_not_undo_the_migration_it_runs_in() {
    let vm = vm();
    let mut session = fresh(&vm);
    let cells = deploy_cells(&mut session, 1);
    let before = session.savepoint().unwrap();
    store(&mut session, cells, 4, 1);
    session
        .migrate(
            cells,
            code(CELLS),
            with_id(9),
            common::LIMIT,
            |new, session| {
                assert!(unknown(session.rollback(before)) && unknown(session.release(before)));
                let inside = session.savepoint().unwrap();
                store(session, new, 8, 1);
                session.rollback(inside).unwrap();
                session.savepoint().map(|_left_open| ())
            },
        )
        .unwrap();
    assert_eq!(load(&mut session, cells, 8), 0);
    session.rollback(before).unwrap();
    assert_eq!(load(&mut session, cells, 4), 0);
}

#[test]
fn a_commit_ends_every_savepoint() {
    let vm = vm();
    let mut session = fresh(&vm);
    let cells = deploy_cells(&mut session, 1);
    let outer = session.savepoint().unwrap();
    store(&mut session, cells, 4, 1);
    let inner = session.savepoint().unwrap();
    let commit = session.commit().unwrap();
    assert!(unknown(session.rollback(inner)) && unknown(session.rollback(outer)));
    assert_eq!(session.root().unwrap(), commit.root);
    // Savepoints after the commit go back to it and not further.
    let after = session.savepoint().unwrap();
    store(&mut session, cells, 4, 2);
    session.rollback(after).unwrap();
    assert_eq!(session.root().unwrap(), commit.root);
}

#[test]
fn code_deployed_and_undone_is_not_in_the_commit() {
    let vm = vm();
    let mut session = fresh(&vm);
    let before = session.savepoint().unwrap();
    deploy_cells(&mut session, 1);
    session.rollback(before).unwrap();
    let commit = session.commit().unwrap();
    assert_eq!(commit.root, Root::from_bytes([0; 32]));
    let mut session = fresh(&vm);
    deploy_cells(&mut session, 1);
    session.commit_with_tag([1; 32]).unwrap();
    let mut reopened = over(&vm, vm.commits()[1]);
    assert_eq!(load(&mut reopened, id(1), 0), 0);
}

#[test]
fn savepoints_of_other_sessions_are_unknown() {
    let vm = vm();
    let (mut one, mut other) = (fresh(&vm), fresh(&vm));
    let savepoint = one.savepoint().unwrap();
    other.savepoint().unwrap();
    assert!(unknown(other.rollback(savepoint)) && unknown(other.release(savepoint)));
    one.rollback(savepoint).unwrap();
}

/// The migration error of `commit` stays what it is with savepoints open.
#[test]
fn a_commit_inside_a_migration_is_refused() {
    let vm = vm();
    let mut session = vm.session(SessionData::builder()).unwrap();
    let cells = deploy_cells(&mut session, 1);
    session.savepoint().unwrap();
    session
        .migrate(
            cells,
            code(CELLS),
            with_id(9),
            common::LIMIT,
            |_, session| {
                assert!(matches!(session.commit(), Err(CommitError::Migrating)));
                Ok(())
            },
        )
        .unwrap();
    session.commit().unwrap();
}
