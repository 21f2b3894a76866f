//! P3 and P7: one flipped bit, a file that is cut, gone, swapped or of another day, before opening or while open: the
//! store says so, or it does not matter. Nothing that is read is ever wrong, and nothing panics.
//!
//! What can be told from a crash, and what can not: a frame is known to be synced when a later frame says so. So damage
//! in the last frame of the newest segment looks like a write that the power cut short. It is dropped, and reported.
//! And a newest segment that is replaced by what it was earlier, or cut where a frame ends, is a log that ends there.
//! Everything else is noticed when it is opened or read.

use std::collections::BTreeMap;

use super::directed::{branches_at_the_end, write};
use super::model::Model;
use super::process::{Process, Told, read};
use super::*;
use crate::state::checkpoint::kind;
use crate::state::recovery::OpenStateError;
use crate::state::{CheckpointError, Commit, CommitError, Commits};
use crate::store::{DroppedTail, OpenError};

type Bytes = BTreeMap<String, Vec<u8>>;

/// A directory of several segments, and what is in it.
struct Scene {
    bytes: Bytes,
    newest: String,
    model: Model,
    /// Every earlier moment.
    earlier: Vec<(Bytes, Model)>,
}

impl Scene {
    fn new() -> Self {
        let disk = Disk::sound(&MemoryFiles::new());
        let mut told = Told::nothing();
        let mut process = Process::open(&disk, &mut told).unwrap();
        let mut earlier = Vec::new();
        for step in branches_at_the_end() {
            process.step(&step);
            earlier.push((
                bytes_of(&disk.crash(Unsynced::Kept)),
                process.view().clone(),
            ));
        }
        drop(process);
        let (bytes, model) = earlier.pop().unwrap();
        let newest = bytes.keys().rfind(|name| is_log(name)).unwrap().clone();
        assert!(bytes.len() > 3 && model.commits.len() > 2);
        Self {
            bytes,
            newest,
            model,
            earlier,
        }
    }

    /// The segments. What is in spare files means nothing.
    fn logs(&self) -> impl Iterator<Item = (&String, &Vec<u8>)> {
        self.bytes.iter().filter(|(name, _)| is_log(name))
    }

    /// Whether this is what the log said at some moment.
    fn was(&self, list: &[Commit]) -> bool {
        let mut earlier = self.earlier.iter();
        earlier.any(|(_, model)| model.list() == list)
    }
}

fn is_log(name: &str) -> bool {
    name.starts_with("log-")
}

fn bytes_of(files: &MemoryFiles) -> Bytes {
    let names = files.names().unwrap().into_iter();
    let names = names.filter(|name| name != LOCK_NAME);
    names
        .map(|name| (name.clone(), files.bytes(&name).unwrap()))
        .collect()
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// It did not open.
    Refused,
    /// It opened, and something could not be read.
    Unreadable,
    /// The end of the log was dropped, and reported.
    Dropped,
    /// The log ended earlier.
    Shorter,
    /// Everything is there.
    Whole,
}

/// Opens damaged files, reads everything, goes on, and opens them again.
fn outcome(scene: &Scene, bytes: &Bytes, what: &str) -> Outcome {
    let files = MemoryFiles::with(bytes.clone());
    let first = opened(scene, &files, what);
    if first != Outcome::Refused {
        go_on(&files);
        // Whatever was done on top of the damage has not hidden it.
        let again = reopened(scene, &files, what);
        assert!(again || first != Outcome::Whole, "{what}");
    }
    first
}

fn opened(scene: &Scene, files: &MemoryFiles, what: &str) -> Outcome {
    let (commits, report) = match Commits::open(Arc::new(files.clone()), SMALL) {
        Ok(opened) => opened,
        Err(error) => return refused(&error, what),
    };
    let list = commits.list();
    let all = list == scene.model.list();
    assert!(all || scene.was(&list), "{what}: found {list:?}");
    let readable = read_all(&commits, scene, what);
    let clean = commits.verify(&|_| ()).is_clean();
    assert!(readable || !clean, "{what}: verify finds nothing");
    match (all, readable, report.dropped_tail) {
        (_, false, _) => Outcome::Unreadable,
        (true, true, _) => Outcome::Whole,
        (false, true, None) => Outcome::Shorter,
        (false, true, Some(DroppedTail { file, .. })) => {
            assert_eq!(file, scene.newest, "{what}");
            Outcome::Dropped
        }
    }
}

/// An error that says what is wrong, and is not that of a disk: the disk works.
fn refused(error: &OpenStateError, what: &str) -> Outcome {
    let disk = matches!(
        error,
        OpenStateError::Store(OpenError::Io { .. } | OpenError::Locked { .. })
    );
    assert!(!disk, "{what}: {error:?}");
    assert!(error.to_string().contains("log"), "{what}: {error}");
    Outcome::Refused
}

/// Whether everything that is retained can be read. What is read is right.
fn read_all(commits: &Commits, scene: &Scene, what: &str) -> bool {
    let moments = scene.earlier.iter().map(|(_, model)| model);
    let known: Vec<_> = moments
        .chain([&scene.model])
        .flat_map(|model| &model.commits)
        .collect();
    let mut readable = true;
    for commit in commits.list() {
        let Some(known) = known.iter().find(|known| known.commit == commit) else {
            continue; // of those that came later
        };
        let retained = commits.any(commit.id.into()).unwrap();
        let done = match commits.state(&retained) {
            Ok(snapshot) => read(commits, &snapshot, &known.state),
            Err(error) => Err(error.into()),
        };
        if let Err(error) = done {
            assert!(!format!("{error:?}").contains("Io {"), "{what}: {error:?}");
            readable = false;
        }
    }
    readable
}

/// Commits, finalises and checkpoints, as far as that works.
fn go_on(files: &MemoryFiles) {
    let Ok((commits, _)) = Commits::open(Arc::new(files.clone()), SMALL) else {
        return;
    };
    let done = || -> Result<(), CommitError> {
        let last = *commits.list().last().ok_or(CommitError::Poisoned)?;
        let state = commits.state(&*commits.any(last.id.into())?)?;
        let changes = write(3, &[(0, 4), (1, 3)]);
        let sealed = super::process::seal(&commits, Some(last.id), &state, &changes, 9)?;
        commits.store_sealed(&sealed)?;
        Ok(())
    };
    let _ = done();
    let finalised: Result<(), CheckpointError> = commits.checkpoint();
    let _ = finalised;
    let _ = commits.checkpoint();
}

/// Opens once more what was gone on with; whether everything could be read.
fn reopened(scene: &Scene, files: &MemoryFiles, what: &str) -> bool {
    match Commits::open(Arc::new(files.clone()), SMALL) {
        Ok((commits, _)) => read_all(&commits, scene, what),
        Err(error) => {
            refused(&error, what);
            false
        }
    }
}

#[derive(Debug, Default)]
struct Tally(BTreeMap<Outcome, u64>);

impl Tally {
    fn count(&mut self, outcome: Outcome) {
        *self.0.entry(outcome).or_default() += 1;
    }

    fn of(&self, outcome: Outcome) -> u64 {
        self.0.get(&outcome).copied().unwrap_or(0)
    }
}

/// Bytes of the file whose every byte is worth a try: headers, metas, and nodes. The others are sampled.
fn telling(scene: &Scene, name: &str) -> Vec<usize> {
    let files = MemoryFiles::with(scene.bytes.clone());
    let (commits, _) = Commits::open(Arc::new(files), SMALL).unwrap();
    let store = commits.store();
    let segments = store.segments();
    let segment = segments.iter().find(|info| info.file == name).unwrap();
    let mut bytes: Vec<usize> = (0..116).collect();
    for frame in store.frames(segment.number).unwrap() {
        let begin = frame.place.offset() as usize;
        bytes.extend(begin..begin + 128 + frame.meta.len() + 4);
        let blobs = frame.blobs.offset() as usize;
        let len = frame.blobs_len as usize;
        match frame.kind {
            kind::NODES => bytes.extend(blobs..blobs + len),
            _ => bytes.extend((blobs..blobs + len).step_by(1021)),
        }
    }
    bytes
}

/// One case in so many, so that a run without optimisation ends; `CROSTATA_DAMAGE_ALL` tries them all.
fn step() -> usize {
    match std::env::var("CROSTATA_DAMAGE_ALL") {
        Ok(_) => 1,
        Err(_) => 5,
    }
}

#[test]
fn a_flipped_bit_is_never_wrong_data() {
    let scene = Scene::new();
    let mut tally = Tally::default();
    for (name, bytes) in scene.logs() {
        for at in telling(&scene, name).into_iter().step_by(step()) {
            let mut damaged = scene.bytes.clone();
            damaged.get_mut(name).unwrap()[at] ^= 1 << (at % 8);
            let what = format!(
                "{name} of {} bytes, bit {} of byte {at}",
                bytes.len(),
                at % 8
            );
            let outcome = outcome(&scene, &damaged, &what);
            let lost = matches!(outcome, Outcome::Dropped | Outcome::Shorter);
            assert!(!lost || *name == scene.newest, "{what}: {outcome:?}");
            assert_ne!(outcome, Outcome::Shorter, "{what}");
            tally.count(outcome);
        }
    }
    println!("{tally:?}");
    assert!(tally.of(Outcome::Refused) > 100, "{tally:?}");
    assert!(tally.of(Outcome::Unreadable) > 100, "{tally:?}");
    assert!(tally.of(Outcome::Dropped) > 10, "{tally:?}");
}

/// Where a file of this length is worth cutting.
fn cuts(len: usize) -> impl Iterator<Item = usize> {
    (0..len)
        .step_by(4096)
        .flat_map(move |at| [at, at + 100, at + 4000])
        .filter(move |at| *at < len)
}

/// Cutting the newest segment where a frame ends makes a log that ends there: that can not be noticed.
#[test]
fn a_truncated_file_is_never_wrong_data() {
    let scene = Scene::new();
    let mut tally = Tally::default();
    for (name, bytes) in scene.logs() {
        for len in cuts(bytes.len()) {
            let mut damaged = scene.bytes.clone();
            damaged.get_mut(name).unwrap().truncate(len);
            let what = format!("{name} cut to {len} of {} bytes", bytes.len());
            let outcome = outcome(&scene, &damaged, &what);
            let lost = matches!(outcome, Outcome::Dropped | Outcome::Shorter);
            assert!(!lost || *name == scene.newest, "{what}: {outcome:?}");
            tally.count(outcome);
        }
    }
    println!("{tally:?}");
    assert!(tally.of(Outcome::Refused) > 10, "{tally:?}");
    assert!(tally.of(Outcome::Unreadable) > 5, "{tally:?}");
    assert!(tally.of(Outcome::Shorter) > 0, "{tally:?}");
}

#[test]
fn spare_files_mean_nothing() {
    let scene = Scene::new();
    let spares = scene.bytes.keys().filter(|name| !is_log(name));
    let mut tried = 0;
    for name in spares {
        let damages: [fn(&mut Bytes, &String); 3] = [
            |bytes, name| drop(bytes.remove(name)),
            |bytes, name| bytes.get_mut(name).unwrap().truncate(1000),
            |bytes, name| bytes.get_mut(name).unwrap().fill(0xff),
        ];
        for damage in damages {
            let mut damaged = scene.bytes.clone();
            damage(&mut damaged, name);
            let outcome = outcome(&scene, &damaged, &format!("{name} damaged"));
            assert_eq!(outcome, Outcome::Whole);
            tried += 1;
        }
    }
    assert!(tried > 0);
}

#[test]
fn a_deleted_file_is_noticed() {
    let scene = Scene::new();
    for (name, _) in scene.logs() {
        let mut damaged = scene.bytes.clone();
        damaged.remove(name);
        let outcome = outcome(&scene, &damaged, &format!("without {name}"));
        // The log without its newest segment is a log that ended before, if nothing else needs that one.
        let noticed = outcome == Outcome::Refused || *name == scene.newest;
        assert!(noticed, "without {name}: {outcome:?}");
    }
}

#[test]
fn two_swapped_files_are_noticed() {
    let scene = Scene::new();
    for (one, _) in scene.logs() {
        for (other, _) in scene.logs().filter(|(other, _)| *other > one) {
            let mut damaged = scene.bytes.clone();
            damaged.insert(one.clone(), scene.bytes[other].clone());
            damaged.insert(other.clone(), scene.bytes[one].clone());
            let what = format!("{one} and {other} swapped");
            let outcome = outcome(&scene, &damaged, &what);
            let noticed = [Outcome::Refused, Outcome::Unreadable];
            assert!(noticed.contains(&outcome), "{what}: {outcome:?}");
        }
    }
}

/// Blocks are where pages begin and end.
#[test]
fn two_swapped_blocks_are_never_wrong_data() {
    let scene = Scene::new();
    let mut random = Random::new(1);
    let names: Vec<&String> = scene.logs().map(|(name, _)| name).collect();
    for _ in 0..2000 / step() {
        let mut damaged = scene.bytes.clone();
        let mut place = || {
            let name = random.among(&names).clone();
            let block = random.below(scene.bytes[&name].len() as u64 / 4096) as usize;
            (name, 4096 * block)
        };
        let (one, other) = (place(), place());
        let block_of = |(name, at): &(String, usize)| scene.bytes[name][*at..at + 4096].to_vec();
        for (place, block) in [(&one, block_of(&other)), (&other, block_of(&one))] {
            damaged.get_mut(&place.0).unwrap()[place.1..place.1 + 4096].copy_from_slice(&block);
        }
        let what = format!("{one:?} and {other:?} swapped");
        let outcome = outcome(&scene, &damaged, &what);
        assert!(
            block_of(&one) != block_of(&other) || outcome == Outcome::Whole,
            "{what}"
        );
    }
}

/// All files of an earlier moment are a store of that moment. One of them beside the others of today is noticed,
/// unless it is the newest, whose end was not there yet.
#[test]
fn a_file_of_another_day_is_never_wrong_data() {
    let scene = Scene::new();
    let mut tally = Tally::default();
    for (number, (earlier, _)) in scene.earlier.iter().enumerate() {
        for (name, old) in earlier
            .iter()
            .filter(|(name, old)| scene.bytes.get(*name) != Some(old))
        {
            let mut damaged = scene.bytes.clone();
            damaged.insert(name.clone(), old.clone());
            let what = format!("{name} of moment {number}");
            let outcome = outcome(&scene, &damaged, &what);
            let lost = matches!(outcome, Outcome::Dropped | Outcome::Shorter);
            assert!(!lost || *name == scene.newest, "{what}: {outcome:?}");
            tally.count(outcome);
        }
    }
    println!("{tally:?}");
    assert!(tally.of(Outcome::Shorter) > 0, "{tally:?}");
}

/// What happens to a file while it is open.
#[derive(Debug, Clone, Copy)]
enum Stroke {
    Flip(u64),
    Cut(u64),
}

impl Stroke {
    fn hit(self, files: &MemoryFiles, name: &str) {
        let file = files.open(name).unwrap();
        match self {
            Self::Flip(at) => {
                let mut byte = [0];
                file.read_exact_at(&mut byte, at).unwrap();
                file.write_all_at(&[byte[0] ^ 1 << (at % 8)], at).unwrap();
            }
            Self::Cut(len) => file.set_len(len).unwrap(),
        }
    }
}

/// A file is damaged after opening, before anything else is read.
#[test]
fn damage_while_open_is_never_wrong_data() {
    let scene = Scene::new();
    let mut unreadable = 0;
    for (name, bytes) in scene.logs() {
        let flips = telling(&scene, name).into_iter().step_by(7 * step());
        let strokes = flips.map(|at| Stroke::Flip(at as u64));
        let cuts = cuts(bytes.len()).map(|len| Stroke::Cut(len as u64));
        for stroke in strokes.chain(cuts) {
            let what = format!("{name} while open: {stroke:?}");
            unreadable += u64::from(!hit_while_open(&scene, name, stroke, &what));
        }
    }
    assert!(unreadable > 100, "{unreadable}");
}

/// Whether everything could be read.
fn hit_while_open(scene: &Scene, name: &str, stroke: Stroke, what: &str) -> bool {
    let files = MemoryFiles::with(scene.bytes.clone());
    let (commits, _) = Commits::open(Arc::new(files.clone()), SMALL).unwrap();
    stroke.hit(&files, name);
    assert_eq!(commits.list(), scene.model.list());
    let readable = read_all(&commits, scene, what);
    let clean = commits.verify(&|_| ()).is_clean();
    assert!(readable || !clean, "{what}: verify finds nothing");
    let _ = commits.checkpoint();
    read_all(&commits, scene, what);
    drop(commits);
    go_on(&files);
    reopened(scene, &files, what);
    readable
}
