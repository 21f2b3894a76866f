//! P1, P6 and P7: compiled libraries are kept on the disk as code is, and a cache of whatever content changes nothing but the time that opening takes.

use std::path::Path;

use crostata::{ArtifactConfig, ArtifactCounters, ArtifactDirectory};

use super::*;

fn config(chain: &Chain, artifacts: &Path) -> Config {
    Config {
        artifacts: ArtifactConfig {
            directory: ArtifactDirectory::At(artifacts.into()),
            ..ArtifactConfig::default()
        },
        ..chain.config(Backend::default())
    }
}

/// What came of calls in a VM with this cache, and what the cache did.
fn open(chain: &Chain, artifacts: &Path, asked: &[Vec<u8>]) -> (Vec<Came>, ArtifactCounters) {
    let vm = VM::ephemeral_with_config(config(chain, artifacts)).unwrap();
    let counters = vm.artifact_counters();
    let mut session = session(&vm, Some(block()));
    let came = asked
        .iter()
        .map(|asked| ask(&mut session, id(1), asked, LIMIT));
    (came.collect(), counters)
}

fn artifacts(directory: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(directory).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let mut files: Vec<PathBuf> = files
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "artifact")
        })
        .collect();
    files.sort();
    files
}

#[test]
fn libraries_are_compiled_once() {
    let (toolbox, world) = (toolbox(), world());
    let chain = Chain::with(&[&toolbox, &world]);
    let hash = code_hash(&toolbox);
    let asked = [
        asking(hash, "reverse", b"some bytes"),
        asking(code_hash(&world), "tell", b"x"),
        asking(hash, "trap", &[]),
    ];
    let cache = tempfile::tempdir().unwrap();
    let (came, counters) = open(&chain, cache.path(), &asked);
    assert_eq!((counters.compiled, counters.missing), (2, 2));
    let (again, counters) = open(&chain, cache.path(), &asked);
    assert_eq!((counters.compiled, counters.disk_hits), (0, 2));
    assert_eq!(again, came);
    // Every file damaged at its end, where the compiled code is.
    for file in artifacts(cache.path()) {
        let mut bytes = fs::read(&file).unwrap();
        let at = bytes.len() - 100;
        bytes[at] ^= 1;
        fs::write(&file, bytes).unwrap();
    }
    let (again, counters) = open(&chain, cache.path(), &asked);
    assert_eq!((counters.compiled, counters.damaged), (2, 2));
    assert_eq!(again, came);
    let (again, counters) = open(&chain, cache.path(), &asked);
    assert_eq!((counters.compiled, counters.disk_hits), (0, 2));
    assert_eq!(again, came);
}

/// An artifact says under what limits its library was one: under others it is judged again. Another list changes no other library's, and no contract's.
#[test]
fn artifacts_hold_under_the_same_rules() {
    let (toolbox, world) = (toolbox(), world());
    let mut chain = Chain::with(&[&toolbox]);
    let asked = [asking(code_hash(&toolbox), "reverse", b"ab")];
    let cache = tempfile::tempdir().unwrap();
    let (came, _) = open(&chain, cache.path(), &asked);
    let files = artifacts(cache.path());
    fs::write(chain.file(&world), &world).unwrap();
    let both = [&toolbox, &world].map(|library| code_hash(library));
    chain.protocol.libraries = Libraries::new(both);
    let (again, counters) = open(&chain, cache.path(), &asked);
    assert_eq!((counters.compiled, counters.disk_hits), (1, 1));
    assert_eq!(again, came);
    // The contract's artifact is among the old ones.
    assert_eq!(artifacts(cache.path()).len(), files.len() + 1);
    chain.protocol.libraries = Libraries::new([both[0]]);
    chain.protocol.libraries.rules.nesting_max = 2;
    let refused = VM::ephemeral_with_config(config(&chain, cache.path()));
    match refused {
        Err(OpenVmError::Binaries { problems }) => {
            assert!(matches!(&problems[..], [BinaryError::Library { .. }]));
        }
        other => panic!("{other:?}"),
    }
}

/// An artifact in another's place is not taken for it.
#[test]
fn artifacts_do_not_stand_in_for_each_other() {
    let (toolbox, world) = (toolbox(), world());
    let chain = Chain::with(&[&toolbox, &world]);
    let asked = [asking(code_hash(&toolbox), "reverse", b"ab")];
    let cache = tempfile::tempdir().unwrap();
    let (came, _) = open(&chain, cache.path(), &asked);
    let files = artifacts(cache.path());
    let copy = fs::read(&files[0]).unwrap();
    for file in &files[1..] {
        fs::write(file, &copy).unwrap();
    }
    let (again, counters) = open(&chain, cache.path(), &asked);
    assert!(counters.foreign > 0);
    assert_eq!(again, came);
}
