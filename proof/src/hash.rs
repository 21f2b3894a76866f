//! Every hash of crostata: BLAKE3 in keyed mode, a fixed key per kind.
//!
//! No kind's preimage passes for another's, since their keys differ. Nothing here allocates, and
//! nothing here decides what is hashed when: `docs/format.md` states that to the byte.

use blake3::Hasher;
use crostata_abi::{ContractId, PAGE_BYTES};

use crate::bytes::{CodeHash, CommitId, Root};
use crate::keys;
use crate::{ARITY, EMPTY, Hash};

/// What a hash is of. Each kind has a key of its own.
///
/// Tree nodes are not listed: [`node`] chooses among their fifteen keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The 4,096 bytes of a page.
    PageLeaf,
    /// Deployed code.
    Code,
    /// The canonical storage-layout section of deployed code.
    Layout,
    /// The contracts at one position of the contract tree.
    Bucket,
    /// A contract id, to find its position.
    Position,
    /// An encoded contract record.
    Record,
    /// A commit: its parent, root and tag.
    Commit,
    /// What a contract's default id is made of.
    ContractId,
    /// The argument of a contract's `init`.
    InitArgument,
    /// A receipt.
    ReceiptDigest,
    /// The result bytes of a call.
    ResultData,
    /// The rules of execution.
    Protocol,
    /// A frame of the store's log.
    LogFrame,
    /// A compiled artifact.
    Artifact,
    /// A list of codes that may be deployed.
    AllowList,
    /// What calls ran under, and the calls.
    Context,
    /// The receipt of a deployment.
    DeploymentDigest,
    /// A receipt in the tree of its block.
    ReceiptLeaf,
    /// A node of the tree of receipts.
    ReceiptNode,
    /// The tree of receipts with their number.
    ReceiptsRoot,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 20] = [
        Self::PageLeaf,
        Self::Code,
        Self::Layout,
        Self::Bucket,
        Self::Position,
        Self::Record,
        Self::Commit,
        Self::ContractId,
        Self::InitArgument,
        Self::ReceiptDigest,
        Self::ResultData,
        Self::Protocol,
        Self::LogFrame,
        Self::Artifact,
        Self::AllowList,
        Self::Context,
        Self::DeploymentDigest,
        Self::ReceiptLeaf,
        Self::ReceiptNode,
        Self::ReceiptsRoot,
    ];

    /// The string that the kind's key is derived from.
    pub const fn context(self) -> &'static str {
        match self {
            Self::PageLeaf => "crostata v1 page leaf",
            Self::Code => "crostata v1 code",
            Self::Layout => "crostata v1 layout",
            Self::Bucket => "crostata v1 bucket",
            Self::Position => "crostata v1 position",
            Self::Record => "crostata v1 record",
            Self::Commit => "crostata v1 commit",
            Self::ContractId => "crostata v1 contract id",
            Self::InitArgument => "crostata v1 init argument",
            Self::ReceiptDigest => "crostata v1 receipt digest",
            Self::ResultData => "crostata v1 result data",
            Self::Protocol => "crostata v1 protocol",
            Self::LogFrame => "crostata v1 log frame",
            Self::Artifact => "crostata v1 artifact",
            Self::AllowList => "crostata v1 allow list",
            Self::Context => "crostata v1 context",
            Self::DeploymentDigest => "crostata v1 deployment digest",
            Self::ReceiptLeaf => "crostata v1 receipt leaf",
            Self::ReceiptNode => "crostata v1 receipt node",
            Self::ReceiptsRoot => "crostata v1 receipts root",
        }
    }

    /// The kind's key, for who computes many hashes of it at once.
    pub const fn key(self) -> &'static [u8; 32] {
        match self {
            Self::PageLeaf => &keys::PAGE_LEAF,
            Self::Code => &keys::CODE,
            Self::Layout => &keys::LAYOUT,
            Self::Bucket => &keys::BUCKET,
            Self::Position => &keys::POSITION,
            Self::Record => &keys::RECORD,
            Self::Commit => &keys::COMMIT,
            Self::ContractId => &keys::CONTRACT_ID,
            Self::InitArgument => &keys::INIT_ARGUMENT,
            Self::ReceiptDigest => &keys::RECEIPT_DIGEST,
            Self::ResultData => &keys::RESULT_DATA,
            Self::Protocol => &keys::PROTOCOL,
            Self::LogFrame => &keys::LOG_FRAME,
            Self::Artifact => &keys::ARTIFACT,
            Self::AllowList => &keys::ALLOW_LIST,
            Self::Context => &keys::CONTEXT,
            Self::DeploymentDigest => &keys::DEPLOYMENT_DIGEST,
            Self::ReceiptLeaf => &keys::RECEIPT_LEAF,
            Self::ReceiptNode => &keys::RECEIPT_NODE,
            Self::ReceiptsRoot => &keys::RECEIPTS_ROOT,
        }
    }
}

/// The hash of `bytes` as a thing of this kind.
///
/// ```
/// use crostata_proof::hash::{Kind, keyed};
///
/// assert_ne!(keyed(Kind::Code, b"x"), keyed(Kind::Layout, b"x"));
/// ```
pub fn keyed(kind: Kind, bytes: &[u8]) -> Hash {
    *blake3::keyed_hash(kind.key(), bytes).as_bytes()
}

/// A hash of one kind in the making, for bytes that come in parts.
#[derive(Clone)]
pub struct KeyedHasher(Hasher);

/// Starts a hash of this kind; [`keyed`] of the same bytes gives the same hash.
pub fn hasher(kind: Kind) -> KeyedHasher {
    KeyedHasher(Hasher::new_keyed(kind.key()))
}

impl KeyedHasher {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update(bytes);
        self
    }

    /// The hash of all bytes added so far.
    pub fn finalize(&self) -> Hash {
        *self.0.finalize().as_bytes()
    }
}

impl core::fmt::Debug for KeyedHasher {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("KeyedHasher")
    }
}

/// The leaf of a page: [`EMPTY`] for a page of zeros, which is the same as one never written.
pub fn page_leaf(page: &[u8; PAGE_BYTES]) -> Hash {
    if *page == [0; PAGE_BYTES] {
        return EMPTY;
    }
    keyed(Kind::PageLeaf, page)
}

/// The hash of deployed code.
pub fn code_hash(code: &[u8]) -> CodeHash {
    CodeHash::from_bytes(keyed(Kind::Code, code))
}

/// The hash of the canonical storage-layout section, [`EMPTY`] if the code has none.
pub fn layout_hash(section: Option<&[u8]>) -> Hash {
    section.map_or(EMPTY, |section| keyed(Kind::Layout, section))
}

/// The hash of a tree node: of its non-[`EMPTY`] children in order, under the key of their bitmap.
///
/// A node of four EMPTY children is EMPTY.
pub fn node(children: &[Hash; ARITY]) -> Hash {
    let mut present = [EMPTY; ARITY];
    let mut count = 0;
    let mut bitmap = 0;
    for (at, child) in children.iter().enumerate() {
        if *child != EMPTY {
            present[count] = *child;
            count += 1;
            bitmap |= 1 << at;
        }
    }
    node_of(bitmap, &present[..count])
}

/// The hash of a tree node whose children are not EMPTY at the places of these bits: the same as [`node`].
///
/// `bitmap` is below 16, and `present` has a hash for each of its bits.
pub fn node_of(bitmap: usize, present: &[Hash]) -> Hash {
    debug_assert_eq!(bitmap.count_ones() as usize, present.len());
    match bitmap {
        0 => EMPTY,
        bitmap => *blake3::keyed_hash(node_key(bitmap), present.as_flattened()).as_bytes(),
    }
}

/// The key of nodes whose children are not EMPTY at the places of these bits, 1 to 15, for who computes many at once.
///
/// # Panics
/// For any other number.
pub const fn node_key(bitmap: usize) -> &'static [u8; 32] {
    &keys::NODE[bitmap - 1]
}

/// The position of a contract in the contract tree: the first 62 bits, big-endian, of the keyed
/// hash of its id.
pub fn position(contract: &ContractId) -> u64 {
    let hash = keyed(Kind::Position, contract.as_bytes());
    let mut head = [0; 8];
    head.copy_from_slice(&hash[..8]);
    u64::from_be_bytes(head) >> 2
}

/// The leaf of the contract tree for the contracts at one position: id and record hash of each.
///
/// The entries must be sorted by id, each id once. Without entries the leaf is [`EMPTY`].
pub fn bucket(entries: &[(ContractId, Hash)]) -> Hash {
    debug_assert!(entries.is_sorted_by(|a, b| a.0 < b.0), "sorted, ids once");
    bucket_of(entries.iter().map(|(contract, record)| (contract, record)))
}

/// [`bucket`] of entries that do not lie side by side.
pub(crate) fn bucket_of<'a>(mut entries: impl Iterator<Item = (&'a ContractId, &'a Hash)>) -> Hash {
    let Some(first) = entries.next() else {
        return EMPTY;
    };
    let Some(second) = entries.next() else {
        // Nearly always.
        return keyed(Kind::Bucket, [*first.0.as_bytes(), *first.1].as_flattened());
    };
    let mut hasher = hasher(Kind::Bucket);
    for (contract, record) in [first, second].into_iter().chain(entries) {
        hasher.update(contract.as_bytes()).update(record);
    }
    hasher.finalize()
}

/// The id of a commit. The first commit of all has a parent id of 32 zero bytes; `tag` is the
/// embedder's block digest, zeros by default.
pub fn commit_id(parent: &CommitId, root: &Root, tag: &[u8; 32]) -> CommitId {
    let mut preimage = [0; 96];
    preimage[..32].copy_from_slice(parent.as_bytes());
    preimage[32..64].copy_from_slice(root.as_bytes());
    preimage[64..].copy_from_slice(tag);
    CommitId::from_bytes(keyed(Kind::Commit, &preimage))
}

/// The id that a contract gets when its deployer names none.
///
/// A contract without an `init` argument has one of no bytes.
pub fn contract_id(code: &CodeHash, owner: &[u8], init_arg: &[u8], nonce: u64) -> ContractId {
    let hash = hasher(Kind::ContractId)
        .update(code.as_bytes())
        .update(&(owner.len() as u64).to_le_bytes())
        .update(owner)
        .update(&keyed(Kind::InitArgument, init_arg))
        .update(&nonce.to_le_bytes())
        .finalize();
    ContractId::from_bytes(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::format;

    /// P1, P4: the constants are the derived keys, and no two kinds share one.
    #[test]
    fn keys_are_derived_from_their_contexts_and_differ() {
        let mut seen = BTreeSet::new();
        for kind in Kind::ALL {
            assert_eq!(*kind.key(), blake3::derive_key(kind.context(), &[]));
            assert!(seen.insert(*kind.key()));
        }
        for (at, key) in keys::NODE.iter().enumerate() {
            let context = format!("crostata v1 node {}", at + 1);
            assert_eq!(*key, blake3::derive_key(&context, &[]));
            assert!(seen.insert(*key));
        }
        assert_eq!(seen.len(), Kind::ALL.len() + 15);
    }

    /// P4: which children a node has decides its hash, not only what they are.
    #[test]
    fn nodes_of_the_same_children_in_other_places_differ() {
        let child = [1; 32];
        let lone = |at: usize| core::array::from_fn(|i| if i == at { child } else { EMPTY });
        let hashes: BTreeSet<_> = (0..ARITY).map(|at| node(&lone(at))).collect();
        assert_eq!(hashes.len(), ARITY);
        assert_eq!(node(&[EMPTY; ARITY]), EMPTY);
    }

    #[test]
    fn zeros_are_empty_and_parts_add_up() {
        let mut page = [0; PAGE_BYTES];
        assert_eq!(page_leaf(&page), EMPTY);
        page[4095] = 1;
        assert_eq!(page_leaf(&page), keyed(Kind::PageLeaf, &page));
        let mut parts = hasher(Kind::PageLeaf);
        parts.update(&page[..100]).update(&page[100..]);
        assert_eq!(parts.finalize(), page_leaf(&page));
        assert_eq!(bucket(&[]), EMPTY);
        assert_eq!(layout_hash(None), EMPTY);
        assert_ne!(layout_hash(Some(&[])), EMPTY);
    }

    /// P4: owner and argument can not run into each other.
    #[test]
    fn contract_ids_bind_each_part() {
        let code = code_hash(b"code");
        let ids: BTreeSet<_> = [
            contract_id(&code, b"ab", b"c", 0),
            contract_id(&code, b"a", b"bc", 0),
            contract_id(&code, b"ab", b"c", 1),
            contract_id(&code_hash(b"node"), b"ab", b"c", 0),
        ]
        .into();
        assert_eq!(ids.len(), 4);
    }
}
