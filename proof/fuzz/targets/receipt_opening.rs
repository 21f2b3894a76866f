//! P4, P7 and the one encoding: of any bytes, decoding gives a typed error or the opening of a receipt that encodes to them; and whatever is done to an
//! opening, it never shows of a block what the block does not have, nor the same in other bytes.
#![no_main]

use std::sync::OnceLock;

use crostata_proof::receipts::{
    ReceiptLeaf, ReceiptOpening, ReceiptOpeningError, ReceiptsRoot, ReceiptsTree,
};
use crostata_proof::{ReceiptDigest, hash};
use crostata_proof_fuzz::Choices;
use libfuzzer_sys::fuzz_target;

/// Blocks of one receipt and more, as many as there are values of a byte: four levels above the leaves.
fn blocks() -> &'static [ReceiptsTree] {
    static BLOCKS: OnceLock<Vec<ReceiptsTree>> = OnceLock::new();
    BLOCKS.get_or_init(|| {
        let block = |count| ReceiptsTree::new((0..count).map(leaf).collect());
        (1..=256).map(block).collect()
    })
}

/// The receipt of this index, in every block: of two blocks, one begins as the other does.
fn leaf(index: u16) -> ReceiptLeaf {
    let filled = hash::code_hash(&index.to_le_bytes()).to_bytes();
    ReceiptLeaf {
        tag: filled,
        digest: ReceiptDigest::from_bytes(filled.map(|byte| !byte)),
    }
}

fuzz_target!(|data: &[u8]| {
    decode_and_climb(data);
    let mut choices = Choices(data);
    let block = &blocks()[usize::from(choices.byte())];
    let mut opening = any_opening(block, &mut choices);
    let other = any_opening(&blocks()[usize::from(choices.byte())], &mut choices);
    for _ in 0..1 + choices.below(4) {
        choices.change(&mut opening, &other);
    }
    decode_and_climb(&opening);
    check(block, &opening);
});

fn any_opening(block: &ReceiptsTree, choices: &mut Choices<'_>) -> Vec<u8> {
    let index = choices.below(block.leaves().len());
    block
        .opening(index)
        .expect("an index of the block")
        .encode()
}

/// The only root that an opening holds for is the one that it leads to.
fn decode_and_climb(bytes: &[u8]) {
    let Ok(opening) = ReceiptOpening::decode(bytes) else {
        return;
    };
    assert_eq!(opening.encode(), bytes);
    match opening.verify(&ReceiptsRoot::from_bytes([1; 32])) {
        Err(ReceiptOpeningError::OtherRoot { found, .. }) => {
            let proven = opening.verify(&found).expect("its root");
            assert!(proven.index < proven.count);
        }
        Err(_) => {}
        Ok(_) => panic!("a root that nobody computed"),
    }
}

/// What an opening shows of a block, the block has, and shows it in these bytes.
fn check(block: &ReceiptsTree, bytes: &[u8]) {
    let Ok(opening) = ReceiptOpening::decode(bytes) else {
        return;
    };
    let Ok(proven) = opening.verify(&block.root()) else {
        return;
    };
    assert_eq!(proven.count, block.leaves().len() as u64);
    let index = usize::try_from(proven.index).expect("an index");
    assert_eq!(block.leaves()[index], proven.leaf);
    let known = block.opening(index).expect("an index of the block");
    assert_eq!(known.encode(), bytes, "a second encoding");
}
