//! P3: a process that is killed at any moment has lost nothing that it acknowledged, and the next one goes on.
//!
//! The test runs its own program as a child, which commits, finalises, deletes and checkpoints in one real directory
//! and tells on its output what it begins and what it has done. `CROSTATA_KILL_ROUNDS` sets how often it is killed,
//! `CROSTATA_KILL_SEED` when.

mod common;

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader, Write, stdout};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use common::*;
use crostata::{Commit, CommitId, Config, LogConfig, VM};

const ROUNDS: u64 = 200;
/// Where the child works; without it the test that is the child does nothing.
const DIRECTORY: &str = "CROSTATA_KILL_DIRECTORY";
/// What the child begins to count its values with.
const FIRST_VALUE: &str = "CROSTATA_KILL_VALUE";

/// So little that there are checkpoints and new segments all the time.
fn small() -> Config {
    Config {
        log: LogConfig {
            segment_bytes: 128 << 10,
            checkpoint_bytes: 64 << 10,
            checkpoint_entries: 9,
            slack_bytes: 0,
            node_cache_bytes: 1 << 20,
        },
        ..Config::default()
    }
}

fn open(directory: &Path) -> VM {
    VM::with_config(directory, small()).unwrap()
}

fn say(what: &str, id: CommitId, value: u32) {
    let mut out = stdout().lock();
    writeln!(out, "\ntold {what} {id} {value}").unwrap();
    out.flush().unwrap();
}

/// The child. Ends only by being killed.
#[test]
fn child() {
    let Ok(directory) = env::var(DIRECTORY) else {
        return;
    };
    let first: u32 = env::var(FIRST_VALUE).unwrap().parse().unwrap();
    let nothing = CommitId::from_bytes([0; 32]);
    say("opening", nothing, 0);
    let vm = open(Path::new(&directory));
    let mut last = vm.commits().last().copied();
    for value in first.. {
        let commit = commit(&vm, last, value);
        match value % 5 {
            0 | 3 => {
                say("finalising", commit.id, value);
                vm.finalize_commit(commit).unwrap();
                say("finalised", commit.id, value);
            }
            1 => {
                let other = self::commit(&vm, last, value + 1_000_000);
                say("deleting", other.id, value);
                vm.delete_commit(other).unwrap();
                say("deleted", other.id, value);
            }
            2 => vm.checkpoint().unwrap(),
            _ => {}
        }
        last = Some(commit);
    }
}

/// Commits a state in which the cells of [`cells`] have this value.
fn commit(vm: &VM, base: Option<Commit>, value: u32) -> Commit {
    let mut session = match base {
        Some(base) => over(vm, base),
        None => fresh(vm),
    };
    if base.is_none() {
        deploy_cells(&mut session, 1);
        session.call_raw(id(1), "grow", words(&[8]), LIMIT).unwrap();
    }
    for address in cells(value) {
        store(&mut session, id(1), address, value);
    }
    let sealed = session.seal().unwrap();
    say("committing", sealed.id(), value);
    let commit = sealed.commit().unwrap();
    say("committed", commit.id, value);
    commit
}

/// The cells that the commit of a value writes: one page always, and two that come round.
fn cells(value: u32) -> [u32; 3] {
    [0, 4096 * (1 + value % 13), 4096 * (33 + value % 100)]
}

/// What the children have told.
#[derive(Default)]
struct Told {
    /// The value of every commit that was begun.
    values: BTreeMap<String, u32>,
    /// Those that were acknowledged and not dropped by what was acknowledged later.
    retained: Vec<String>,
    finalised: Option<String>,
    /// The last line, if it tells of something begun.
    begun: Option<(String, String)>,
    acknowledged: u64,
}

impl Told {
    fn hear(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        if words.next() != Some("told") {
            return;
        }
        let what = words.next().unwrap().to_owned();
        // A line that was cut short tells nothing.
        let (Some(id), Some(value)) = (words.next(), words.next()) else {
            return;
        };
        let id = id.to_owned();
        self.begun = None;
        match &*what {
            "committing" => {
                self.values.insert(id.clone(), value.parse().unwrap());
                self.begun = Some((what, id));
            }
            "finalising" | "deleting" => self.begun = Some((what, id)),
            "committed" => self.retain(id),
            "finalised" => self.finalise(id),
            "deleted" => self.retained.retain(|other| *other != id),
            _ => return,
        }
        self.acknowledged += u64::from(self.begun.is_none());
    }

    fn retain(&mut self, id: String) {
        if !self.retained.contains(&id) {
            self.retained.push(id);
        }
    }

    /// The children finalise only what is youngest.
    fn finalise(&mut self, id: String) {
        self.retained = vec![id.clone()];
        self.finalised = Some(id);
    }

    /// Compares with what is there. What was begun may have happened; then it has from here on.
    fn compare(&mut self, vm: &VM) {
        let found: Vec<String> = vm.commits().iter().map(|one| one.id.to_string()).collect();
        let finalised = vm.finalized().map(|one| one.id.to_string());
        if (&found, &finalised) != (&self.retained, &self.finalised) {
            match self.begun.take() {
                Some((what, id)) if what == "committing" => self.retain(id),
                Some((what, id)) if what == "finalising" => self.finalise(id),
                Some((_, id)) => self.retained.retain(|other| *other != id),
                None => {}
            }
        }
        self.begun = None;
        assert_eq!((&found, &finalised), (&self.retained, &self.finalised));
        assert!(vm.verify(|_| ()).is_clean());
        for commit in vm.commits() {
            let value = self.values[&commit.id.to_string()];
            let mut session = over(vm, commit);
            assert_eq!(session.root().unwrap(), commit.root);
            for address in cells(value) {
                assert_eq!(load(&mut session, id(1), address), value);
            }
        }
    }
}

fn start(directory: &Path, first_value: u64) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, directory)
        .env(FIRST_VALUE, first_value.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Lets a child work and kills it; what it told.
fn killed(directory: &Path, first_value: u64, delay: Duration) -> Vec<String> {
    let mut child = start(directory, first_value);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let opening = |line: &String| line.starts_with("told opening");
    let begun = lines
        .by_ref()
        .map_while(Result::ok)
        .any(|line| opening(&line));
    assert!(begun, "the child did not start");
    let killer = thread::spawn(move || {
        thread::sleep(delay);
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success());
    });
    let lines = lines.map_while(Result::ok).collect();
    killer.join().unwrap();
    lines
}

fn from_environment(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

#[test]
fn a_process_may_be_killed_at_any_moment() {
    let rounds = from_environment("CROSTATA_KILL_ROUNDS").unwrap_or(ROUNDS);
    let seed = from_environment("CROSTATA_KILL_SEED").unwrap_or(1);
    let directory = Directory::new();
    let mut told = Told::default();
    let mut random = seed;
    for round in 0..rounds {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let delay = Duration::from_micros(1_000 + (random >> 33) % 149_000);
        for line in killed(directory.path(), 1 + round * 10_000, delay) {
            told.hear(&line);
        }
        let vm = open(directory.path());
        told.compare(&vm);
    }
    println!(
        "seed {seed}, {rounds} rounds, {} acknowledged",
        told.acknowledged
    );
    assert!(told.acknowledged > rounds, "{}", told.acknowledged);
}
