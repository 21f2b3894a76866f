//! P1, P3, P4, P7: any state, in chunks of any sizes, with any mixture of lies, interruptions and checkpoints, arrives as it is.

use crostata::store::files::MemoryFiles;
use crostata::{Commit, Cursor, Import, ImportError, Session, VM};
use proptest::prelude::*;

use super::scene::*;
use crate::common::*;

/// A contract: its width, which of a few codes it has, and pages with a word in each.
#[derive(Debug, Clone)]
struct Contract {
    is_wide: bool,
    variant: u32,
    pages: Vec<(u32, u32)>,
}

/// What happens before a chunk is accepted.
#[derive(Debug, Clone)]
enum Step {
    Nothing,
    /// A byte of the chunk, counted from its beginning in parts of 2^16, is another.
    Lie(u16, u8),
    /// The chunk ends early.
    Cut(u16),
    Sync,
    Leave,
    Reopen,
    Checkpoint,
}

fn contract() -> impl Strategy<Value = Contract> {
    let page = prop_oneof![3 => 0..16_u32, 3 => 33..48_u32, 1 => 48..1_000_u32];
    let pages = prop::collection::vec((page, 0..9_u32), 0..14);
    (any::<bool>(), 0..3_u32, pages).prop_map(|(is_wide, variant, pages)| Contract {
        is_wide,
        variant,
        pages,
    })
}

fn step() -> impl Strategy<Value = (Step, u64)> {
    let step = prop_oneof![
        4 => Just(Step::Nothing),
        3 => (any::<u16>(), 1..=255_u8).prop_map(|(at, flip)| Step::Lie(at, flip)),
        1 => any::<u16>().prop_map(Step::Cut),
        1 => Just(Step::Sync),
        1 => Just(Step::Leave),
        1 => Just(Step::Reopen),
        1 => Just(Step::Checkpoint),
    ];
    let size = prop_oneof![Just(0_u64), 12_000..40_000_u64, 40_000..200_000_u64];
    (step, size)
}

fn deploy(session: &mut Session, number: u64, contract: &Contract) {
    let text = if contract.is_wide { CELLS_64 } else { CELLS };
    let grown = format!(
        "(memory (export \"memory\") {}",
        if contract.is_wide { "i64 63" } else { "63" }
    );
    let text = text.replace("(memory (export \"memory\") i64 3", &grown);
    let text = text.replace("(memory (export \"memory\") 3", &grown);
    let nops = "(nop) ".repeat(contract.variant as usize);
    let text = text.replace("(i32.const 4))", &format!("{nops}(i32.const 4))"));
    session.deploy(code(&text), with_id(number), LIMIT).unwrap();
    for (page, value) in &contract.pages {
        match contract.is_wide {
            true => store_64(session, number, u64::from(*page) * 4096, *value),
            false => store(session, id(number), page * 4096, *value),
        }
    }
}

fn state(contracts: &[Contract]) -> (VM, Commit) {
    let vm = VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    for (number, contract) in (1..).zip(contracts) {
        deploy(&mut session, number, contract);
    }
    let commit = session.commit().unwrap();
    drop(session);
    (vm, commit)
}

/// The chunk is refused as it should be, and nothing else happened.
fn refused(import: &mut Import, chunk: &[u8]) -> Result<(), TestCaseError> {
    let before = import.cursor();
    let result = import.accept(chunk);
    prop_assert!(matches!(result, Err(ImportError::Chunk(_))), "{:?}", result);
    prop_assert_eq!(import.cursor(), before);
    Ok(())
}

fn at(place: u16, len: usize) -> usize {
    (usize::from(place) * len) >> 16
}

fn arrives(contracts: &[Contract], steps: &[(Step, u64)]) -> Result<(), TestCaseError> {
    let (vm, commit) = state(contracts);
    let export = vm.export(commit).unwrap();
    let files = MemoryFiles::new();
    let mut other = open(&files);
    let mut import = other.import(commit, export.header()).unwrap();
    let mut steps = steps.iter().cycle();
    while let Some(cursor) = import.cursor() {
        let (step, size) = steps.next().unwrap();
        let chunk = export.chunk(&cursor, *size).unwrap();
        match step {
            Step::Nothing => {}
            Step::Lie(place, flip) => {
                let mut lie = chunk.bytes.clone();
                lie[at(*place, chunk.bytes.len())] ^= flip;
                refused(&mut import, &lie)?;
            }
            Step::Cut(place) => {
                refused(&mut import, &chunk.bytes[..at(*place, chunk.bytes.len())])?
            }
            Step::Sync => import.sync().unwrap(),
            Step::Checkpoint => other.checkpoint().unwrap(),
            Step::Leave => {
                drop(import);
                import = other.import(commit, export.header()).unwrap();
            }
            Step::Reopen => {
                drop((import, other));
                other = open(&files);
                import = other.import(commit, export.header()).unwrap();
            }
        }
        prop_assert_eq!(import.cursor(), Some(cursor));
        import.accept(&chunk.bytes).unwrap();
        prop_assert_eq!(import.cursor(), chunk.next);
    }
    prop_assert_eq!(import.finish().unwrap(), commit);
    drop(other);
    let other = open(&files);
    let again = other.export(commit).unwrap();
    let whole = |export: &crostata::Export| export.chunk(&Cursor::Start, 1 << 24).unwrap();
    prop_assert!(whole(&again) == whole(&export));
    let mut ours = over(&vm, commit);
    let mut theirs = over(&other, commit);
    for session in [&mut ours, &mut theirs] {
        deploy(session, 50, &contracts[0]);
    }
    prop_assert_eq!(ours.commit().unwrap(), theirs.commit().unwrap());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_state_arrives(
        contracts in prop::collection::vec(contract(), 1..7),
        steps in prop::collection::vec(step(), 1..20),
    ) {
        arrives(&contracts, &steps)?;
    }
}
