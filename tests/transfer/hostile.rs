//! P7 and P4: whatever a peer sends, it is the chunk that is wanted or a typed error, and an error changes nothing.

use crostata::{ChunkError, Cursor, Export, Import, ImportError, VM};

use super::scene::*;
use crate::common::*;

/// An import of a state, and its chunks.
struct Scene {
    _vms: [VM; 2],
    import: Import,
    export: Export,
    chunks: Vec<(Cursor, Vec<u8>)>,
}

impl Scene {
    fn new(bytes_max: u64) -> Self {
        let (vm, commit) = source();
        let other = VM::ephemeral().unwrap();
        let export = vm.export(commit).unwrap();
        Self {
            import: other.import(commit, export.header()).unwrap(),
            chunks: chunks(&export, bytes_max),
            export,
            _vms: [vm, other],
        }
    }

    /// These bytes are refused; why.
    fn refused(&mut self, bytes: &[u8]) -> ChunkError {
        let before = self.import.cursor();
        let error = self.import.accept(bytes).unwrap_err();
        assert_eq!(self.import.cursor(), before);
        match error {
            ImportError::Chunk(error) => error,
            error => panic!("a wrong chunk gave {error:?}"),
        }
    }

    /// Nothing of what was refused is in the state.
    fn ends_well(mut self) {
        accept_all(&mut self.import, &self.chunks).unwrap();
        let commit = self.import.commit();
        assert_eq!(self.import.finish().unwrap(), commit);
        let again = self._vms[1].export(commit).unwrap();
        assert!(chunks(&again, 20_000) == chunks(&self.export, 20_000));
    }
}

/// Each byte of a chunk counts: all of those that are not in pages or code, and some of those.
#[test]
fn every_byte_counts() {
    let mut scene = Scene::new(20_000);
    for number in 0..scene.chunks.len() {
        let (cursor, chunk) = scene.chunks[number].clone();
        assert_eq!(scene.import.cursor(), Some(cursor));
        for at in 0..chunk.len() {
            if at > 700 && at % 97 != number && chunk.len() - at > 300 {
                continue;
            }
            let mut changed = chunk.clone();
            changed[at] ^= 1 << (at % 8);
            scene.refused(&changed);
        }
        scene.import.accept(&chunk).unwrap();
    }
    assert_eq!(scene.import.cursor(), None);
    let last = scene.chunks.last().unwrap().1.clone();
    assert!(matches!(
        scene.import.accept(&last),
        Err(ImportError::Complete)
    ));
    scene.ends_well();
}

#[test]
fn cut_and_lengthened_chunks_are_refused() {
    let mut scene = Scene::new(20_000);
    for (_, chunk) in scene.chunks.clone() {
        let ends =
            (0..chunk.len()).filter(|len| *len < 500 || len % 61 == 0 || chunk.len() - len < 50);
        for len in ends {
            let error = scene.refused(&chunk[..len]);
            assert!(
                matches!(error, ChunkError::Malformed { .. }),
                "{error} at {len}"
            );
        }
        for tail in [&[0][..], &chunk[..]] {
            let longer = [&chunk[..], tail].concat();
            let offset = chunk.len();
            assert_eq!(scene.refused(&longer), ChunkError::Malformed { offset });
        }
        scene.import.accept(&chunk).unwrap();
    }
    scene.ends_well();
}

#[test]
fn chunks_of_other_places_are_refused() {
    let mut scene = Scene::new(20_000);
    for number in 0..scene.chunks.len() {
        for other in 0..scene.chunks.len() {
            if other != number {
                let (wanted, found) = (scene.chunks[number].0, scene.chunks[other].0);
                let bytes = scene.chunks[other].1.clone();
                assert_eq!(scene.refused(&bytes), ChunkError::Cursor { wanted, found });
                let mut moved = bytes;
                moved[1..=Cursor::BYTES].copy_from_slice(&wanted.to_bytes());
                scene.refused(&moved);
            }
        }
        let bytes = scene.chunks[number].1.clone();
        scene.import.accept(&bytes).unwrap();
    }
    scene.ends_well();
}

/// A state that differs in one word shares nearly everything, and no chunk of it passes.
#[test]
fn chunks_of_another_commit_are_refused() {
    for size in SIZES {
        let mut scene = Scene::new(size);
        let commit = scene.import.commit();
        let mut session = over(&scene._vms[0], commit);
        store(&mut session, id(4), 40 * 4096, 5);
        let other = session.commit().unwrap();
        drop(session);
        let other = scene._vms[0].export(other).unwrap();
        while let Some(cursor) = scene.import.cursor() {
            let wrong = other.chunk(&cursor, size).unwrap();
            let root = commit.root;
            assert_eq!(scene.refused(&wrong.bytes), ChunkError::Records { root });
            let right = scene.export.chunk(&cursor, size).unwrap();
            scene.import.accept(&right.bytes).unwrap();
        }
        assert_eq!(scene.import.finish().unwrap(), commit);
    }
}

/// Counts that promise more than is there make room for nothing and end typed.
#[test]
fn numbers_that_lie_are_refused() {
    let mut scene = Scene::new(1 << 20);
    let chunk = scene.chunks[0].1.clone();
    for at in 0..900.min(chunk.len() - 8) {
        for lie in [u64::MAX, 0, 1 << 31, 0x7fff_ffff_ffff_ffff] {
            let mut changed = chunk.clone();
            changed[at..at + 8].copy_from_slice(&lie.to_le_bytes());
            if changed != chunk {
                scene.refused(&changed);
            }
        }
    }
    let long = vec![1; (64 << 20) + 1];
    assert!(matches!(scene.refused(&long), ChunkError::TooLong { .. }));
    assert_eq!(scene.refused(&[]), ChunkError::Malformed { offset: 0 });
    assert_eq!(scene.refused(&[2]), ChunkError::Version { found: 2 });
    scene.ends_well();
}

/// Where the fields of a chunk of one item are.
struct Fields {
    records: usize,
    edges: usize,
    contents: usize,
}

fn fields(chunk: &[u8]) -> Fields {
    let number = |at: usize| u32::from_le_bytes(chunk[at..at + 4].try_into().unwrap()) as usize;
    let mut at = 1 + Cursor::BYTES;
    let records = at + 4;
    for _ in 0..number(at) {
        let count = number(at + 4);
        at += 4;
        for _ in 0..count {
            at += 4 + number(at + 4);
        }
    }
    let edges = at + 4;
    let masks = &chunk[edges..edges + 31];
    let hashes: u32 = masks.iter().map(|mask| mask.count_ones()).sum();
    let contents = edges + 31 + 32 * hashes as usize;
    Fields {
        records,
        edges,
        contents,
    }
}

/// A chunk made by hand that leaves out, repeats, or swaps pages, with everything else as it should be.
#[test]
fn pages_are_all_there_once_and_in_order() {
    let scene_of = || {
        let mut scene = Scene::new(60_000);
        let at = scene
            .chunks
            .iter()
            .position(|chunk| matches!(chunk.0, Cursor::Inside { .. }))
            .unwrap();
        for (_, chunk) in &scene.chunks[..at] {
            scene.import.accept(chunk).unwrap();
        }
        (scene.chunks[at].1.clone(), scene)
    };
    let (chunk, mut scene) = scene_of();
    let first = fields(&chunk).contents + 4 + 1 + 4;
    let page = 4 + 4096;
    let count = u32::from_le_bytes(chunk[first - 4..first].try_into().unwrap());
    assert!(count > 4);
    let with_pages = |pages: &[usize]| {
        let mut out = chunk[..first - 4].to_vec();
        out.extend((pages.len() as u32).to_le_bytes());
        for number in pages {
            out.extend(&chunk[first + number * page..][..page]);
        }
        out.extend(&chunk[first + count as usize * page..]);
        out
    };
    let all: Vec<usize> = (0..count as usize).collect();
    assert!(with_pages(&all) == chunk);
    for left_out in 0..all.len() {
        let mut pages = all.clone();
        pages.remove(left_out);
        let error = scene.refused(&with_pages(&pages));
        assert!(matches!(error, ChunkError::Pages { .. }), "{error}");
    }
    let mut swapped = all.clone();
    swapped.swap(1, 2);
    let twice = [&all[..1], &all].concat();
    for pages in [swapped, twice] {
        let error = scene.refused(&with_pages(&pages));
        assert!(matches!(error, ChunkError::PageOrder { .. }), "{error}");
    }
    let error = scene.refused(&with_pages(&[]));
    assert!(
        matches!(error, ChunkError::Contents | ChunkError::Malformed { .. }),
        "{error}"
    );
    let mut zeros = with_pages(&all);
    zeros[first + 4..first + page].fill(0);
    assert!(matches!(scene.refused(&zeros), ChunkError::ZeroPage { .. }));
    scene.ends_well();
}

/// A contract's pages may end early only where the chunk does.
#[test]
fn a_contract_is_whole_before_the_next_begins() {
    let mut scene = Scene::new(1 << 20);
    let whole = scene.chunks[0].1.clone();
    let part = scene.export.chunk(&Cursor::Start, 24_000).unwrap();
    let contract = id(4);
    assert!(
        matches!(part.next, Some(Cursor::Inside { contract: found, page: 34.. }) if found == contract)
    );
    let begin = fields(&whole).contents + 4;
    let len = 1 + code_len(&part.bytes) + 4 + 4 * (4 + 4096) + 10;
    let cut = &part.bytes[fields(&part.bytes).contents + 4..];
    let spliced = [&whole[..begin], cut, &whole[begin + len..]].concat();
    assert_eq!(
        scene.refused(&spliced),
        ChunkError::PagesMissing { contract }
    );
    let same = [
        &whole[..begin],
        &whole[begin..begin + len],
        &whole[begin + len..],
    ]
    .concat();
    scene.import.accept(&same).unwrap();
    scene.ends_well();
}

/// Of several buckets at one position the tree would take the last only: there is one.
#[test]
fn buckets_have_a_position_each() {
    let mut scene = Scene::new(1 << 20);
    let chunk = scene.chunks[0].1.clone();
    let Fields {
        records, contents, ..
    } = fields(&chunk);
    let number = |at: usize| u32::from_le_bytes(chunk[at..at + 4].try_into().unwrap());
    let bucket = &chunk[records..records + 8 + number(records + 4) as usize];
    let mut forged = bucket.to_vec();
    let len = forged.len();
    forged[len - 32..].fill(0); // no pages
    let with = |buckets: &[&[u8]], added: u32| {
        let mut out = chunk[..records - 4].to_vec();
        out.extend((number(records - 4) + buckets.len() as u32 - 1).to_le_bytes());
        out.extend(buckets.concat());
        out.extend(&chunk[records + len..contents]);
        out.extend((number(contents) + added).to_le_bytes());
        out.extend(vec![0; 5 * added as usize]); // no code, no pages
        out.extend(&chunk[contents + 4..]);
        out
    };
    assert!(with(&[bucket], 0) == chunk);
    assert_eq!(
        scene.refused(&with(&[&forged, bucket], 1)),
        ChunkError::RecordOrder
    );
    let root = scene.import.commit().root;
    assert_eq!(
        scene.refused(&with(&[&forged], 0)),
        ChunkError::Records { root }
    );
    let mut twice = bucket.to_vec();
    twice[..4].copy_from_slice(&2_u32.to_le_bytes());
    twice.extend(&bucket[4..]);
    assert_eq!(scene.refused(&with(&[&twice], 1)), ChunkError::RecordOrder);
    scene.ends_well();
}

/// Code comes with the first contract that has it, and with no other.
#[test]
fn code_comes_once() {
    let mut scene = Scene::new(0);
    let (mut brought, mut missing, mut repeated) = (Vec::new(), 0, 0);
    for (_, chunk) in scene.chunks.clone() {
        let at = fields(&chunk).contents + 4;
        let begins = chunk[at - 4..at] == 1_u32.to_le_bytes() && !is_inside(&chunk);
        if begins && chunk[at] == 1 {
            let len = code_len(&chunk);
            brought = chunk[at + 1..][..len].to_vec();
            let without = [&chunk[..at], &[0], &chunk[at + 1 + len..]].concat();
            let error = scene.refused(&without);
            assert!(matches!(error, ChunkError::CodeMissing { .. }), "{error}");
            let mut other = chunk.clone();
            other[at + 1 + len / 2] ^= 1;
            assert!(matches!(scene.refused(&other), ChunkError::Code { .. }));
            missing += 1;
        } else if begins && code_len(&chunk) == brought.len() {
            let with = [&chunk[..at], &[1], &brought[..], &chunk[at + 1..]].concat();
            let error = scene.refused(&with);
            assert!(
                matches!(
                    error,
                    ChunkError::CodeRepeated { .. } | ChunkError::Code { .. }
                ),
                "{error}"
            );
            repeated += usize::from(matches!(error, ChunkError::CodeRepeated { .. }));
        }
        scene.import.accept(&chunk).unwrap();
    }
    assert_eq!(missing, 3);
    assert!(repeated > 0);
    scene.ends_well();
}

fn is_inside(chunk: &[u8]) -> bool {
    chunk[1] == 1
}

/// The code length that the last record of a chunk states.
fn code_len(chunk: &[u8]) -> usize {
    let Fields { records, edges, .. } = fields(chunk);
    let mut at = records;
    let mut len = 0;
    while at < edges - 4 {
        let count = u32::from_le_bytes(chunk[at..at + 4].try_into().unwrap());
        at += 4;
        for _ in 0..count {
            let record = u32::from_le_bytes(chunk[at..at + 4].try_into().unwrap()) as usize;
            len = u64::from_le_bytes(chunk[at + 4 + 66..][..8].try_into().unwrap()) as usize;
            at += 4 + record;
        }
    }
    len
}

/// A file that is cut, or says that its chunks are longer than they can be, ends typed, and the whole one ends it.
#[test]
fn broken_files_are_refused() {
    let (vm, commit) = source();
    let mut file = Vec::new();
    vm.export(commit).unwrap().write_to(&mut file).unwrap();
    let other = VM::ephemeral().unwrap();
    for len in (0..file.len()).filter(|len| len % 5_003 == 0 || file.len() - len < 6) {
        let error = other.import_from(commit, &file[..len]).unwrap_err();
        assert!(
            matches!(error, ImportError::Io(_) | ImportError::Header(_)),
            "{error} at {len}"
        );
    }
    let header = vm.export(commit).unwrap().header().encode().len();
    let mut long = file.clone();
    long[header..header + 4].fill(0xff);
    let error = other.import_from(commit, &long[..]).unwrap_err();
    assert!(
        matches!(error, ImportError::Chunk(ChunkError::TooLong { .. })),
        "{error}"
    );
    let mut text = file.clone();
    text[105..109].fill(0xff);
    assert!(matches!(
        other.import_from(commit, &text[..]),
        Err(ImportError::Header(_))
    ));
    assert_eq!(other.import_from(commit, &file[..]).unwrap(), commit);
}
