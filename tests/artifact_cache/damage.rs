//! Artifacts changed in every part, exchanged, cut, gone, unreadable; the key too; between blocks and while they run.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crostata::{ArtifactCounters, ArtifactDirectory, Backend, Config, Protocol, VM};

use crate::blocks::*;
use crate::common::*;

const HEADER: usize = 84;
const SEAL: usize = 32;

/// A cache with the artifacts of all codes.
fn filled() -> Directory {
    let directory = Directory::new();
    let vm = vm_at(directory.path());
    run(&vm);
    let counters = vm.artifact_counters();
    assert_eq!((counters.compiled, counters.missing), (CODES, CODES));
    assert_eq!(counters.disk_hits, 2 * CODES);
    assert_eq!(artifacts(directory.path()).len() as u64, CODES);
    directory
}

/// Runs the blocks over a cache: the same comes of it as without one, and what was unfit is whole again afterwards.
fn same_over(path: &Path, what: &str, wanted: &[Seen]) -> ArtifactCounters {
    let vm = vm_at(path);
    assert_eq!(run(&vm), wanted, "{what}");
    let counters = vm.artifact_counters();
    let again = vm_at(path);
    assert_eq!(run(&again), wanted, "{what}, again");
    let healed = again.artifact_counters();
    assert_eq!(
        (healed.compiled, healed.disk_hits),
        (0, 3 * CODES),
        "{what}"
    );
    counters
}

/// The counters of artifacts that were there and of no use: foreign, damaged, unreadable.
fn unfit(counters: &ArtifactCounters) -> [u64; 3] {
    [counters.foreign, counters.damaged, counters.unreadable]
}

const FOREIGN: [u64; 3] = [1, 0, 0];
const DAMAGED: [u64; 3] = [0, 1, 0];
const UNREADABLE: [u64; 3] = [0, 0, 1];

/// A place in each part of an artifact, and what a change there makes of it.
fn parts(bytes: &[u8]) -> Vec<(&'static str, usize, [u64; 3])> {
    let len = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
    let module = HEADER + len(60);
    let code = module + len(68);
    let end = code + len(76);
    assert_eq!(bytes.len(), end + SEAL);
    vec![
        ("magic", 0, DAMAGED),
        ("version", 8, FOREIGN),
        ("name of the key", 12, FOREIGN),
        ("hash of the code", 40, DAMAGED),
        ("length of the engine section", 60, DAMAGED),
        ("length of the module section", 69, DAMAGED),
        ("length of the code section", 83, DAMAGED),
        ("engine section", HEADER, DAMAGED),
        ("end of the engine section", module - 1, DAMAGED),
        ("module section", module, DAMAGED),
        ("end of the module section", code - 1, DAMAGED),
        ("code section", code, DAMAGED),
        ("machine code", code + len(76) / 2, DAMAGED),
        ("end of the code section", end - 1, DAMAGED),
        ("seal", end, DAMAGED),
        ("end of the seal", bytes.len() - 1, DAMAGED),
    ]
}

#[test]
fn a_change_in_any_part_is_noticed() {
    let (cache, wanted) = (filled(), reference());
    let victim = artifact(cache.path(), 2);
    let good = fs::read(&victim).unwrap();
    for (part, at, outcome) in parts(&good) {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&victim, bytes).unwrap();
        let counters = same_over(cache.path(), part, &wanted);
        assert_eq!(unfit(&counters), outcome, "{part}");
        assert_eq!(counters.compiled, 1, "{part}");
        // Compiling is deterministic, and the key is what it was.
        assert_eq!(fs::read(&victim).unwrap(), good, "{part}");
    }
}

#[test]
fn a_cut_or_lengthened_artifact_is_noticed() {
    let (cache, wanted) = (filled(), reference());
    let victim = artifact(cache.path(), 3);
    let good = fs::read(&victim).unwrap();
    let ends = [
        0,
        1,
        8,
        HEADER - 1,
        HEADER,
        HEADER + SEAL,
        good.len() / 2,
        good.len() - 1,
    ];
    let cuts = ends.into_iter().map(|end| good[..end].to_vec());
    let longer = [vec![0], vec![7; 5_000], good.clone()];
    let longer = longer.into_iter().map(|more| [&good[..], &more].concat());
    for bytes in cuts.chain(longer) {
        let what = format!("{} of {} bytes", bytes.len(), good.len());
        fs::write(&victim, bytes).unwrap();
        let counters = same_over(cache.path(), &what, &wanted);
        assert_eq!(unfit(&counters), DAMAGED, "{what}");
    }
}

/// The cache of another node, backend or protocol, or another code's, has good artifacts of the wrong kind.
#[test]
fn artifacts_of_others_are_noticed() {
    let (cache, wanted) = (filled(), reference());
    let [one, two] = [1, 2].map(|number| artifact(cache.path(), number));
    let (first, second) = (fs::read(&one).unwrap(), fs::read(&two).unwrap());
    fs::write(&one, &second).unwrap();
    fs::write(&two, &first).unwrap();
    let swapped = same_over(cache.path(), "swapped", &wanted);
    assert_eq!(unfit(&swapped), [2, 0, 0]);

    let other = filled();
    fs::write(&one, fs::read(artifact(other.path(), 1)).unwrap()).unwrap();
    let foreign = same_over(cache.path(), "of another node", &wanted);
    assert_eq!(unfit(&foreign), FOREIGN);

    let at = || ArtifactDirectory::At(cache.path().into());
    let portable = Config {
        backend: Backend::Portable,
        ..config(at(), 0)
    };
    let mut dear = Protocol::default();
    dear.operators.call += 1;
    let dear = Config {
        protocols: vec![dear],
        ..config(at(), 0)
    };
    let mut tall = Protocol::default();
    tall.code.stack_height_limit -= 1;
    let tall = Config {
        protocols: vec![tall],
        ..config(at(), 0)
    };
    for (what, config) in [("backend", portable), ("prices", dear), ("height", tall)] {
        let name = fs::read(artifact(cache.path(), 1)).unwrap();
        fs::rename(cache.path(), cache.path().with_extension("aside")).unwrap();
        let key = cache.path().with_extension("aside").join("key");
        fs::create_dir(cache.path()).unwrap();
        fs::copy(&key, cache.path().join("key")).unwrap();
        let vm = VM::ephemeral_with_config(config).unwrap();
        first_block(&vm);
        assert_eq!(vm.artifact_counters().compiled, CODES, "{what}");
        let theirs = fs::read(artifact(cache.path(), 1)).unwrap();
        assert_ne!(theirs, name);
        fs::remove_dir_all(cache.path()).unwrap();
        fs::rename(cache.path().with_extension("aside"), cache.path()).unwrap();
        fs::write(artifact(cache.path(), 1), theirs).unwrap();
        let counters = same_over(cache.path(), what, &wanted);
        assert_eq!(unfit(&counters), FOREIGN, "{what}");
    }
}

/// Artifacts that were sealed with the node's own key and are none all the same: of another engine, or of no sense.
#[test]
fn sealed_nonsense_is_noticed() {
    let (cache, wanted) = (filled(), reference());
    let victim = artifact(cache.path(), 1);
    let good = fs::read(&victim).unwrap();
    let key: [u8; 32] = fs::read(cache.path().join("key"))
        .unwrap()
        .try_into()
        .unwrap();
    let places = parts(&good);
    let place = |name| places.iter().find(|part| part.0 == name).unwrap().1;
    let code = place("code section");
    let seal = good.len() - SEAL;
    let cases = [
        ("engine section", HEADER..HEADER + 1, FOREIGN),
        ("module section", place("module section")..code, DAMAGED),
        ("code section", code..seal, DAMAGED),
    ];
    for (part, range, outcome) in cases {
        let mut bytes = good.clone();
        bytes[range].fill(0xee);
        let sealed = blake3::keyed_hash(&key, &bytes[..seal]);
        bytes[seal..].copy_from_slice(sealed.as_bytes());
        fs::write(&victim, bytes).unwrap();
        let counters = same_over(cache.path(), part, &wanted);
        assert_eq!(unfit(&counters), outcome, "{part}");
    }
}

#[test]
fn artifacts_that_are_gone_or_can_not_be_read() {
    let (cache, wanted) = (filled(), reference());
    let victim = artifact(cache.path(), 4);
    fs::remove_file(&victim).unwrap();
    let missing = same_over(cache.path(), "missing", &wanted);
    assert_eq!((unfit(&missing), missing.missing), ([0; 3], 1));

    fs::remove_file(&victim).unwrap();
    fs::create_dir(&victim).unwrap();
    let vm = vm_at(cache.path());
    assert_eq!(run(&vm), wanted);
    let counters = vm.artifact_counters();
    // It can not be put there either, so that each of the three sessions compiles it.
    assert_eq!(unfit(&counters), UNREADABLE.map(|count| 3 * count));
    assert_eq!((counters.write_failures, counters.compiled), (3, 3));
}

/// The directory goes between blocks and comes back; a file in its place keeps everything out.
#[test]
fn a_directory_that_is_gone() {
    let wanted = reference();
    let cache = filled();
    let vm = vm_at(cache.path());
    let (mut base, mut all) = first_block(&vm);
    for height in 1..3 {
        fs::remove_dir_all(cache.path()).unwrap();
        let (next, seen) = block(&vm, base, height);
        base = next;
        all.extend(seen);
    }
    assert_eq!(all, wanted);
    let counters = vm.artifact_counters();
    assert_eq!(
        (counters.missing, counters.compiled),
        (2 * CODES, 2 * CODES)
    );
    assert_eq!(counters.write_failures, 0);
    same_over(cache.path(), "made again", &wanted);

    fs::remove_dir_all(cache.path()).unwrap();
    fs::write(cache.path(), "no directory").unwrap();
    let vm = vm_at(cache.path());
    assert_eq!(run(&vm), wanted);
    let counters = vm.artifact_counters();
    assert_eq!(counters.compiled, 3 * CODES);
    assert_eq!(counters.write_failures, 3 * CODES);
    fs::remove_file(cache.path()).unwrap();
    fs::create_dir(cache.path()).unwrap();
}

/// Without its key, or with another one, everything in the cache is foreign.
#[test]
fn a_lost_or_damaged_key() {
    let wanted = reference();
    type Change = fn(&Path);
    let changes: [(&str, Change); 5] = [
        ("lost", |key| fs::remove_file(key).unwrap()),
        ("empty", |key| fs::write(key, []).unwrap()),
        ("zeros", |key| fs::write(key, [0; 32]).unwrap()),
        ("long", |key| fs::write(key, [1; 33]).unwrap()),
        ("flipped", |key| {
            let mut bytes = fs::read(key).unwrap();
            bytes[9] ^= 4;
            fs::write(key, bytes).unwrap();
        }),
    ];
    for (what, change) in changes {
        let cache = filled();
        change(&cache.path().join("key"));
        let counters = same_over(cache.path(), what, &wanted);
        assert_eq!(unfit(&counters), [CODES, 0, 0], "{what}");
        let key = fs::read(cache.path().join("key")).unwrap();
        assert!(key.len() == 32 && key != [0; 32], "{what}");
    }
}

/// A small generator of numbers, so that a failure can be replayed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % end.max(1)
    }
}

/// Does something to a file of the cache; whether it is still there does not matter.
fn harm(path: &Path, numbers: &mut Numbers) {
    let mut files: Vec<_> = fs::read_dir(path)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    files.sort();
    if files.is_empty() {
        return;
    }
    let victim = &files[numbers.below(files.len())];
    let other = &files[numbers.below(files.len())];
    let Ok(mut bytes) = fs::read(victim) else {
        return;
    };
    let _ = match numbers.below(8) {
        0 => fs::remove_file(victim),
        1 => fs::rename(victim, other),
        2 => fs::copy(victim, other).map(drop),
        3 => fs::write(victim, &bytes[..numbers.below(bytes.len())]),
        4 => fs::write(victim, [&bytes[..], &bytes[..]].concat()),
        5 if numbers.below(4) == 0 => fs::remove_dir_all(path),
        _ if bytes.is_empty() => Ok(()),
        _ => {
            let at = numbers.below(bytes.len());
            bytes[at] ^= 1 << numbers.below(8);
            fs::write(victim, bytes)
        }
    };
}

#[test]
fn damage_while_blocks_run_changes_nothing() {
    let wanted = reference();
    let cache = filled();
    let seed = std::env::var("CROSTATA_SEED").map_or(20_261_121, |seed| seed.parse().unwrap());
    println!("CROSTATA_SEED={seed}");
    let ended = AtomicBool::new(false);
    let counters = thread::scope(|scope| {
        scope.spawn(|| {
            let mut numbers = Numbers(seed);
            while !ended.load(Ordering::Relaxed) {
                harm(cache.path(), &mut numbers);
                // So that some are loaded before they are harmed.
                thread::sleep(Duration::from_micros(numbers.below(40_000) as u64));
            }
        });
        let runs: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let vm = vm_at(cache.path());
                    (run(&vm), vm.artifact_counters())
                })
            })
            .collect();
        let mut all = Vec::new();
        for run in runs {
            let (seen, counters) = run.join().unwrap();
            assert_eq!(seen, wanted, "CROSTATA_SEED={seed}");
            all.push(counters);
        }
        for _ in 0..10 {
            let vm = vm_at(cache.path());
            assert_eq!(run(&vm), wanted, "CROSTATA_SEED={seed}");
            all.push(vm.artifact_counters());
        }
        ended.store(true, Ordering::Relaxed);
        all
    });
    let sum = |of: fn(&ArtifactCounters) -> u64| counters.iter().map(of).sum::<u64>();
    let harmed = sum(|one| one.damaged + one.foreign + one.missing);
    println!("{harmed} harmed, {} compiled", sum(|one| one.compiled));
    assert!(harmed > 0, "something was damaged in time");
    assert!(sum(|one| one.disk_hits) > 0, "something was not");
    assert_eq!(
        sum(|one| one.disk_hits + one.compiled),
        12 * 3 * CODES,
        "each session got each code from one or the other"
    );
}
