//! The receipts of a block as a Merkle tree, and openings of it: that a transaction is in a block, and with which receipt.
//!
//! Hashes, with numbers little-endian:
//!
//! | what | hash of |
//! |---|---|
//! | leaf, kind "receipt leaf" | index (8), tag of the transaction (32), digest of its receipt (32) |
//! | node, kind "receipt node" | its children in order, one to four |
//! | root, kind "receipts root" | number of receipts (8), the node above all leaves: the leaf if there is one, zeros if there is none |
//!
//! Four neighbours have a parent, the last parent of a level whatever is left. Number and index decide the shape, and the root binds
//! both: nothing in an opening is trusted, and of one receipt there is one opening.

use alloc::vec::Vec;
use core::ops::Range;

use crostata_abi::ContractId;
use thiserror::Error;

use crate::bytes::bytes32;
use crate::hash::{Kind, hasher, keyed};
use crate::read::Reader;
use crate::receipt::ReceiptDigest;
use crate::state_proof::{read_end, read_head};
use crate::{ARITY, DecodeError, EMPTY, Hash, PROOF_VERSION, Verified};

/// What kind of proof an opening is.
const KIND: u8 = 4;

bytes32! {
    /// The root of the tree of a block's receipts.
    ReceiptsRoot
}

/// The digest of a deployment's receipt: the contract's id, what its code cost, and the digest of what `init` did, if there is one.
///
/// ```
/// use crostata_proof::{ContractId, receipts::deployment_digest};
///
/// let contract = ContractId::from_bytes([7; 32]);
/// assert_ne!(deployment_digest(&contract, 40, None), deployment_digest(&contract, 41, None));
/// ```
pub fn deployment_digest(
    contract: &ContractId,
    code_gas: u64,
    init: Option<&ReceiptDigest>,
) -> ReceiptDigest {
    let hash = hasher(Kind::DeploymentDigest)
        .update(contract.as_bytes())
        .update(&code_gas.to_le_bytes())
        .update(&init.map_or(EMPTY, |init| init.to_bytes()))
        .finalize();
    ReceiptDigest::from_bytes(hash)
}

/// What the tree holds of a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiptLeaf {
    /// The embedder's name of the transaction: its hash.
    pub tag: [u8; 32],
    /// The digest of its receipt.
    pub digest: ReceiptDigest,
}

impl ReceiptLeaf {
    fn hash(&self, index: u64) -> Hash {
        hasher(Kind::ReceiptLeaf)
            .update(&index.to_le_bytes())
            .update(&self.tag)
            .update(self.digest.as_bytes())
            .finalize()
    }
}

/// The tree of a block's receipts, in the order of the block.
///
/// ```
/// use crostata_proof::receipts::{ReceiptLeaf, ReceiptOpening, ReceiptsTree};
/// use crostata_proof::ReceiptDigest;
///
/// let leaf = |seed| ReceiptLeaf { tag: [seed; 32], digest: ReceiptDigest::from_bytes([seed; 32]) };
/// let tree = ReceiptsTree::new((0..9).map(leaf).collect());
/// let opening = tree.opening(7).unwrap().encode();
///
/// // Elsewhere, by who knows the root:
/// let proven = ReceiptOpening::decode(&opening)?.verify(&tree.root())?;
/// assert_eq!((proven.index, proven.count, proven.leaf), (7, 9, leaf(7)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ReceiptsTree {
    leaves: Vec<ReceiptLeaf>,
    /// From the leaves' hashes up to one node; none without leaves.
    levels: Vec<Vec<Hash>>,
}

impl ReceiptsTree {
    /// The tree of these receipts. Costs hashing of each.
    pub fn new(leaves: Vec<ReceiptLeaf>) -> Self {
        let hashes = (0..).zip(&leaves).map(|(index, leaf)| leaf.hash(index));
        let mut level: Vec<Hash> = hashes.collect();
        let mut levels = Vec::new();
        while level.len() > 1 {
            let above = level.chunks(ARITY).map(parent).collect();
            levels.push(level);
            level = above;
        }
        levels.push(level);
        Self { leaves, levels }
    }

    /// The root.
    pub fn root(&self) -> ReceiptsRoot {
        let top = self.levels.last().and_then(|top| top.first());
        root(self.leaves.len() as u64, top.unwrap_or(&EMPTY))
    }

    /// The receipts.
    pub fn leaves(&self) -> &[ReceiptLeaf] {
        &self.leaves
    }

    /// The opening of the receipt of this index, if there is one.
    pub fn opening(&self, index: usize) -> Option<ReceiptOpening> {
        let leaf = *self.leaves.get(index)?;
        let mut siblings = Vec::new();
        let mut place = index;
        for level in &self.levels {
            for at in family(place as u64, level.len() as u64) {
                let at = at as usize;
                if at != place {
                    siblings.push(level[at]);
                }
            }
            place /= ARITY;
        }
        Some(ReceiptOpening {
            index: index as u64,
            count: self.leaves.len() as u64,
            leaf,
            siblings,
        })
    }
}

/// That a receipt is in a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptOpening {
    index: u64,
    count: u64,
    leaf: ReceiptLeaf,
    /// From the leaves up, in order, without the way itself.
    siblings: Vec<Hash>,
}

/// A receipt that a block has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProvenReceipt {
    /// Its place in the block, from 0.
    pub index: u64,
    /// How many receipts the block has.
    pub count: u64,
    /// The transaction and the digest.
    pub leaf: ReceiptLeaf,
}

/// Why an opening proves nothing about a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReceiptOpeningError {
    /// The opening leads to another root: it is of another block, or false.
    #[error("the opening leads to the receipts root {found}, not {expected}")]
    OtherRoot {
        /// The root of the block that was asked for.
        expected: ReceiptsRoot,
        /// The root that the opening leads to.
        found: ReceiptsRoot,
    },
}

impl ReceiptOpening {
    /// The receipt, if the block with this root has it.
    ///
    /// # Errors
    /// [`ReceiptOpeningError::OtherRoot`].
    pub fn verify(
        &self,
        expected: &ReceiptsRoot,
    ) -> Result<Verified<ProvenReceipt>, ReceiptOpeningError> {
        let found = root(self.count, &self.climb());
        if found != *expected {
            let expected = *expected;
            return Err(ReceiptOpeningError::OtherRoot { expected, found });
        }
        Ok(Verified::new(ProvenReceipt {
            index: self.index,
            count: self.count,
            leaf: self.leaf,
        }))
    }

    /// The node above all leaves.
    fn climb(&self) -> Hash {
        let mut siblings = self.siblings.iter();
        let mut hash = self.leaf.hash(self.index);
        let (mut place, mut len) = (self.index, self.count);
        while len > 1 {
            let mut hasher = hasher(Kind::ReceiptNode);
            for at in family(place, len) {
                let child = match at == place {
                    true => Some(&hash),
                    false => siblings.next(),
                };
                // INVARIANT: whoever made the opening gave it as many siblings as its shape has; else the root is another one.
                hasher.update(child.unwrap_or(&EMPTY));
            }
            hash = hasher.finalize();
            (place, len) = above(place, len);
        }
        hash
    }

    /// The encoding: version, kind 4, index and number (8 each), tag and digest (32 each), siblings from the leaves up (32 each).
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::from([PROOF_VERSION, KIND]);
        bytes.extend_from_slice(&self.index.to_le_bytes());
        bytes.extend_from_slice(&self.count.to_le_bytes());
        bytes.extend_from_slice(&self.leaf.tag);
        bytes.extend_from_slice(self.leaf.digest.as_bytes());
        bytes.extend_from_slice(self.siblings.as_flattened());
        bytes
    }

    /// The opening that `bytes` encodes. Encoding it again gives `bytes`.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are not exactly one opening.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        read_head(&mut reader, [PROOF_VERSION, KIND])?;
        let index = u64::from_le_bytes(reader.array()?);
        let count = u64::from_le_bytes(reader.array()?);
        if index >= count {
            return Err(DecodeError::ReceiptIndex { index, count });
        }
        let tag = reader.array()?;
        let digest = ReceiptDigest::from_bytes(reader.array()?);
        let mut siblings = Vec::new();
        for _ in 0..siblings_of(index, count) {
            siblings.push(reader.array()?);
        }
        read_end(&reader)?;
        Ok(Self {
            index,
            count,
            leaf: ReceiptLeaf { tag, digest },
            siblings,
        })
    }
}

/// Places of the children of one parent, `place` being one of them, in a level of so many nodes; alone if it is the top.
fn family(place: u64, len: u64) -> Range<u64> {
    let arity = ARITY as u64;
    let first = place - place % arity;
    match len {
        0 | 1 => place..place + len,
        len => first..first.saturating_add(arity).min(len),
    }
}

/// Place and length one level up.
fn above(place: u64, len: u64) -> (u64, u64) {
    let arity = ARITY as u64;
    (place / arity, len.div_ceil(arity))
}

/// How many siblings an opening has.
fn siblings_of(index: u64, count: u64) -> u64 {
    let (mut place, mut len, mut siblings) = (index, count, 0);
    while len > 1 {
        let family = family(place, len);
        siblings += family.end - family.start - 1;
        (place, len) = above(place, len);
    }
    siblings
}

fn parent(children: &[Hash]) -> Hash {
    keyed(Kind::ReceiptNode, children.as_flattened())
}

fn root(count: u64, top: &Hash) -> ReceiptsRoot {
    let hash = hasher(Kind::ReceiptsRoot)
        .update(&count.to_le_bytes())
        .update(top)
        .finalize();
    ReceiptsRoot::from_bytes(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    fn leaves(count: u8) -> Vec<ReceiptLeaf> {
        let leaf = |seed: u8| ReceiptLeaf {
            tag: [seed; 32],
            digest: ReceiptDigest::from_bytes([255 - seed; 32]),
        };
        (0..count).map(leaf).collect()
    }

    /// P4: every receipt of every block can be opened; the opening says index and number, survives its encoding, and holds for no other
    /// block.
    #[test]
    fn openings_hold_for_their_block_alone() {
        let mut roots = BTreeSet::new();
        for count in 0..70 {
            let tree = ReceiptsTree::new(leaves(count));
            assert!(roots.insert(tree.root()));
            assert_eq!(tree.opening(usize::from(count)), None);
            let other = ReceiptsTree::new(leaves(count + 1)).root();
            for (index, leaf) in leaves(count).into_iter().enumerate() {
                let opening = tree.opening(index).unwrap();
                let decoded = ReceiptOpening::decode(&opening.encode());
                assert_eq!(decoded.as_ref(), Ok(&opening));
                let proven = opening.verify(&tree.root()).unwrap().into_inner();
                let expected = ProvenReceipt {
                    index: index as u64,
                    count: u64::from(count),
                    leaf,
                };
                assert_eq!(proven, expected);
                assert!(opening.verify(&other).is_err());
            }
        }
    }

    /// P7: no opening survives the change of a byte, a byte more or a byte less.
    #[test]
    fn changed_openings_prove_nothing() {
        for (count, index) in [(1, 0), (2, 1), (5, 4), (6, 2), (21, 20), (64, 63)] {
            let tree = ReceiptsTree::new(leaves(count));
            let bytes = tree.opening(index).unwrap().encode();
            let proves = |bytes: &[u8]| {
                let opening = ReceiptOpening::decode(bytes);
                opening.is_ok_and(|opening| opening.verify(&tree.root()).is_ok())
            };
            assert!(proves(&bytes));
            for at in 0..bytes.len() {
                for bit in [1, 4, 128] {
                    let mut changed = bytes.clone();
                    changed[at] ^= bit;
                    assert!(!proves(&changed), "byte {at} of {count}, {index}");
                }
                assert!(!proves(&bytes[..at]));
            }
            assert!(!proves(&[&bytes[..], &[0]].concat()));
            assert!(!proves(&[&bytes[..], &[0; 32]].concat()));
        }
    }

    /// P7: sizes that no block has are refused for what is missing, without taking memory for it.
    #[test]
    fn the_largest_sizes_are_refused_for_what_they_lack() {
        for (index, count) in [(0, u64::MAX), (u64::MAX - 1, u64::MAX), (1 << 63, u64::MAX)] {
            let mut bytes = Vec::from([PROOF_VERSION, KIND]);
            bytes.extend_from_slice(&u64::to_le_bytes(index));
            bytes.extend_from_slice(&u64::to_le_bytes(count));
            bytes.extend_from_slice(&[1; 64 + 32 * 60]);
            assert_eq!(ReceiptOpening::decode(&bytes), Err(DecodeError::Cut));
            bytes[10..18].copy_from_slice(&index.to_le_bytes());
            let count = index;
            let refused = DecodeError::ReceiptIndex { index, count };
            assert_eq!(ReceiptOpening::decode(&bytes), Err(refused));
        }
    }

    /// P4: a deployment's digest binds each part.
    #[test]
    fn deployments_differ_by_each_part() {
        let contract = |seed| ContractId::from_bytes([seed; 32]);
        let init = ReceiptDigest::from_bytes([5; 32]);
        let digests: BTreeSet<_> = [
            deployment_digest(&contract(1), 7, None),
            deployment_digest(&contract(2), 7, None),
            deployment_digest(&contract(1), 8, None),
            deployment_digest(&contract(1), 7, Some(&init)),
        ]
        .into();
        assert_eq!(digests.len(), 4);
    }
}
