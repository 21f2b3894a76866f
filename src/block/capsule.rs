//! A replay capsule: one file that does a session again anywhere, bit by bit.
//!
//! It is a [`Witness`] with what a file has to know besides: the root that it begins at, what came of it, and a checksum, so that a file
//! that was changed is told from one that does something else. The replayer is the [`Verifier`].
//!
//! | bytes | field |
//! |---|---|
//! | 8 | `CRCAPSUL` |
//! | 1 | [`CAPSULE_VERSION`] |
//! | 32 | checksum: BLAKE3, derived for `crostata 2026-11 replay capsule`, of all that follows |
//! | 32 | root before |
//! | 32 | root after |
//! | 4 + 32 n | how many receipts there are, little-endian, and the digest of each, in order; zeros where nothing ran |
//! | n | the witness |

use crostata_proof::{ReceiptDigest, Root};

use super::bytes::{Reader, WitnessDecodeError, put_len};
use super::error::{NoWitness, WitnessError};
use super::verify::{StepReceipt, VerifiedCalls, Verifier};
use super::witness::Witness;
use crate::session::Session;

/// The version of the encoding of capsules.
pub const CAPSULE_VERSION: u8 = 1;

const MAGIC: &[u8; 8] = b"CRCAPSUL";
const CHECKSUM_CONTEXT: &str = "crostata 2026-11 replay capsule";

/// What a session did, to be done again anywhere.
///
/// ```
/// # use crostata::{contract_bytecode, Capsule, Config, ContractData, SessionData, VM, Verifier};
/// let vm = VM::ephemeral()?;
/// # let mut session = vm.session(SessionData::builder())?;
/// # let counter = session.deploy(contract_bytecode!("counter"), ContractData::builder(), 1_000_000)?;
/// # let commit = session.commit()?;
/// let mut session = vm.session(SessionData::builder().base(commit).recording())?;
/// let receipt = session.call_raw(counter, "increment", [], 1_000_000)?;
/// let file = session.capsule(&[Some(receipt.digest)])?.encode();
///
/// // Elsewhere:
/// let verifier = Verifier::new(Config::default())?;
/// let replayed = verifier.replay(Capsule::decode(&file)?)?;
/// assert_eq!(replayed.receipts[0].digest(), Some(receipt.digest));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capsule {
    /// The root of the state before.
    pub root_before: Root,
    /// The root of the state after.
    pub root_after: Root,
    /// What each call and deployment came to, in order; none where nothing ran.
    pub digests: Vec<Option<ReceiptDigest>>,
    /// What was done, and what of the state was used.
    pub witness: Witness,
}

/// Why bytes are no capsule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CapsuleDecodeError {
    /// They are something else.
    #[error("these bytes are no replay capsule: they do not begin with `CRCAPSUL`")]
    Stranger,
    /// A capsule of another version.
    #[error("a replay capsule of version {found}; this build reads version {CAPSULE_VERSION}")]
    Version {
        /// Its version.
        found: u8,
    },
    /// Bytes are not those that were written.
    #[error("the capsule was changed or cut since it was written; get it again")]
    Changed,
    /// The capsule is whole, and what is in it is none.
    #[error(transparent)]
    Witness(#[from] WitnessDecodeError),
}

/// Why a capsule was not done again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// It can not be run.
    #[error(transparent)]
    Witness(#[from] WitnessError),
    /// Another state came of it.
    #[error("the replay came to root {found}, and the session to {recorded}")]
    Root {
        /// What the replay came to.
        found: Root,
        /// What the capsule says.
        recorded: Root,
    },
    /// A call came to something else.
    #[error("the replay's receipt {at} is not the session's")]
    Receipt {
        /// Which one, from 0.
        at: usize,
    },
}

impl Capsule {
    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        body.extend_from_slice(self.root_before.as_bytes());
        body.extend_from_slice(self.root_after.as_bytes());
        put_len(&mut body, self.digests.len());
        for digest in &self.digests {
            let bytes = digest.as_ref().map_or([0; 32], |digest| *digest.as_bytes());
            body.extend_from_slice(&bytes);
        }
        body.extend_from_slice(&self.witness.encode());
        let mut bytes = MAGIC.to_vec();
        bytes.push(CAPSULE_VERSION);
        bytes.extend_from_slice(&checksum(&body));
        bytes.extend_from_slice(&body);
        bytes
    }

    /// The capsule that `bytes` encodes. Takes memory in proportion to the bytes, whatever they say.
    ///
    /// # Errors
    /// [`CapsuleDecodeError`] if the bytes are not exactly one capsule of the known version.
    pub fn decode(bytes: &[u8]) -> Result<Self, CapsuleDecodeError> {
        let rest = bytes.strip_prefix(MAGIC);
        let rest = rest.ok_or(CapsuleDecodeError::Stranger)?;
        let (version, rest) = rest.split_first().ok_or(CapsuleDecodeError::Changed)?;
        if *version != CAPSULE_VERSION {
            return Err(CapsuleDecodeError::Version { found: *version });
        }
        let (sum, body) = rest
            .split_first_chunk::<32>()
            .ok_or(CapsuleDecodeError::Changed)?;
        if *sum != checksum(body) {
            return Err(CapsuleDecodeError::Changed);
        }
        let mut reader = Reader::new(body);
        let roots = (reader.array()?, reader.array()?);
        let digests = reader.list(|reader| {
            let digest: [u8; 32] = reader.array()?;
            Ok((digest != [0; 32]).then(|| ReceiptDigest::from_bytes(digest)))
        })?;
        let witness = Witness::decode(&body[reader.at()..])?;
        Ok(Self {
            root_before: Root::from_bytes(roots.0),
            root_after: Root::from_bytes(roots.1),
            digests,
            witness,
        })
    }
}

fn checksum(body: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(CHECKSUM_CONTEXT);
    *hasher.update(body).finalize().as_bytes()
}

impl Session {
    /// What the session did since its base, which it was opened to record, as one file: its
    /// [`witness`](Self::witness), the roots before and after, and the digests of its receipts, which are given.
    ///
    /// # Errors
    /// [`NoWitness`].
    pub fn capsule(&self, digests: &[Option<ReceiptDigest>]) -> Result<Capsule, NoWitness> {
        let witness = self.witness()?;
        let roots = self.recorded(|recorded| (recorded.base.root(), recorded.root_after))?;
        let (root_before, root_after) = roots.ok_or(NoWitness::NotRecorded)?;
        Ok(Capsule {
            root_before,
            root_after,
            digests: digests.to_vec(),
            witness,
        })
    }
}

impl Verifier {
    /// Does again what a capsule has, and holds the roots and receipts against what it says came of it.
    ///
    /// A capsule is its maker's word: it proves what these calls do over a state of this root, not that any chain has that root.
    ///
    /// # Errors
    /// [`ReplayError`].
    pub fn replay(&self, capsule: Capsule) -> Result<VerifiedCalls, ReplayError> {
        let replayed = self.verify_call(&capsule.root_before, capsule.witness)?;
        if replayed.root_after != capsule.root_after {
            return Err(ReplayError::Root {
                found: replayed.root_after,
                recorded: capsule.root_after,
            });
        }
        let digests = replayed.receipts.iter().map(StepReceipt::digest);
        let len = digests.len().max(capsule.digests.len());
        let found: Vec<_> = digests.collect();
        match (0..len).find(|at| found.get(*at) != capsule.digests.get(*at)) {
            Some(at) => Err(ReplayError::Receipt { at }),
            None => Ok(replayed),
        }
    }
}
