//! P1 and P3 under threads: sessions of one VM that spawn, call, commit, drop, delete and finalise at once never wait
//! for each other for ever, never see each other's writes, and make the roots that the same changes make alone.

mod common;

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use common::{deploy_cells, fresh, id, load, over, store};
use crostata::{Commit, CommitError, CommitId, SessionError, VM};

const THREADS: u64 = 8;
const ROUNDS: u64 = 60;

/// What the cells of a commit hold: (contract, address) -> value.
type Cells = BTreeMap<(u64, u32), u32>;

/// What every commit should hold, by its id.
type Model = Mutex<HashMap<CommitId, (Commit, Cells)>>;

/// A small generator of its own for each thread; its seed is the thread's number.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }
}

fn genesis(vm: &VM) -> Commit {
    let mut session = fresh(vm);
    (1..=4).for_each(|number| {
        deploy_cells(&mut session, number);
    });
    session.commit().unwrap()
}

/// One change on one base, as a commit if the base still stands.
fn extend(vm: &VM, base: &Commit, cells: &Cells, dice: &mut Dice) -> Option<(Commit, Cells)> {
    let data = crostata::SessionData::builder().base(base.id);
    let mut session = match vm.session(data) {
        Ok(session) => session,
        Err(SessionError::Base(_)) => return None,
        Err(error) => panic!("{error}"),
    };
    let mut cells = cells.clone();
    for _ in 0..1 + dice.roll(4) {
        let (number, address) = (1 + dice.roll(4), 8 * dice.roll(8_000) as u32);
        let expected = cells.get(&(number, address)).copied().unwrap_or(0);
        assert_eq!(load(&mut session, id(number), address), expected);
        let value = dice.roll(1 << 30) as u32;
        store(&mut session, id(number), address, value);
        cells.insert((number, address), value);
    }
    let mut tag = [0; 32];
    tag[..8].copy_from_slice(&dice.roll(u64::MAX).to_le_bytes());
    match session.commit_with_tag(tag) {
        Ok(commit) => Some((commit, cells)),
        Err(CommitError::BaseDropped { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

fn work(vm: &VM, model: &Model, thread: u64) {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ (thread + 1));
    for _ in 0..ROUNDS {
        let commits = vm.commits();
        let base = commits[dice.roll(commits.len() as u64) as usize];
        let Some(cells) = held(model, &base) else {
            continue;
        };
        let extended = extend(vm, &base, &cells, &mut dice);
        if let Some((commit, cells)) = extended {
            model.lock().unwrap().insert(commit.id, (commit, cells));
        }
        match dice.roll(12) {
            0 => expect_lookup(vm.finalize_commit(base)),
            1 | 2 => expect_lookup(vm.delete_commit(base)),
            _ => {}
        }
    }
}

fn held(model: &Model, commit: &Commit) -> Option<Cells> {
    let model = model.lock().unwrap();
    model.get(&commit.id).map(|(_, cells)| cells.clone())
}

/// Another thread may have dropped it first.
fn expect_lookup(result: Result<Commit, CommitError>) {
    match result {
        Ok(_) | Err(CommitError::Lookup(_) | CommitError::Finalised { .. }) => {}
        Err(error) => panic!("{error}"),
    }
}

/// The root of these cells in a VM of its own.
fn root_alone(cells: &Cells) -> crostata::Root {
    let vm = VM::ephemeral().unwrap();
    let mut session = over(&vm, genesis(&vm));
    for ((number, address), value) in cells {
        store(&mut session, id(*number), *address, *value);
    }
    session.root().unwrap()
}

#[test]
fn threads_make_the_roots_of_serial_order() {
    let vm = VM::ephemeral().unwrap();
    let model = Model::default();
    let first = genesis(&vm);
    // So that there is always a commit to go on from.
    vm.finalize_commit(first).unwrap();
    model
        .lock()
        .unwrap()
        .insert(first.id, (first, Cells::new()));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (vm, model) = (&vm, &model);
            scope.spawn(move || work(vm, model, thread));
        }
    });
    let model = model.into_inner().unwrap();
    assert!(model.len() > ROUNDS as usize, "commits were made");
    for (commit, cells) in model.values().step_by(7) {
        assert_eq!(commit.root, root_alone(cells));
    }
    for commit in vm.commits() {
        assert!(model.contains_key(&commit.id) || commit.id == first.id);
    }
}

/// Two sessions on one base, and what happens to the base and its siblings elsewhere: nobody sees anything of it,
/// in contracts not touched before either.
#[test]
fn what_happens_to_commits_changes_nothing_that_sessions_see() {
    let vm = VM::ephemeral().unwrap();
    let base = genesis(&vm);
    let mut session = over(&vm, base);
    (1..=4).for_each(|number| store(&mut session, id(number), 8, 1));
    let child = session.commit().unwrap();
    let (mut one, mut other) = (over(&vm, child), over(&vm, child));
    store(&mut one, id(1), 8, 2);
    let mut sibling = over(&vm, base);
    (1..=4).for_each(|number| store(&mut sibling, id(number), 8, 3));
    let sibling = sibling.commit().unwrap();
    vm.delete_commit(child).unwrap();
    vm.finalize_commit(sibling).unwrap();
    assert_eq!(load(&mut one, id(1), 8), 2);
    assert_eq!(load(&mut other, id(1), 8), 1);
    for number in 2..=4 {
        assert_eq!(load(&mut one, id(number), 8), 1);
        assert_eq!(load(&mut other, id(number), 8), 1);
    }
    let lost = one.commit();
    assert!(matches!(lost, Err(CommitError::BaseDropped { base }) if base == child.id));
}
/// P3: the commits of a store that was opened again are opened by several threads at once, whatever one of them makes of the way of
/// another: states are made from those below, 64 at once.
#[test]
fn threads_open_the_commits_of_a_reopened_store() {
    let directory = common::Directory::new();
    let vm = directory.open();
    let mut session = fresh(&vm);
    let cells = deploy_cells(&mut session, 1);
    let mut commits = Vec::new();
    for value in 0..300 {
        store(&mut session, cells, 0, value);
        commits.push(session.commit().unwrap());
    }
    drop(session);
    drop(vm);
    for round in 0..12 {
        let vm = directory.open();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (vm, commits) = (&vm, &commits);
                scope.spawn(move || {
                    let mut dice = Dice(1 + 4 * round + thread);
                    let heights = (0..3).map(|_| dice.roll(300)).chain([299]);
                    for height in heights {
                        let commit = commits[height as usize];
                        let mut session = over(vm, commit.id);
                        assert_eq!(load(&mut session, cells, 0), height as u32);
                    }
                });
            }
        });
    }
}
