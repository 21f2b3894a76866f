//! That a block is final, for whoever knows the chain's id and its validators' keys, and trusts nobody about the rest.
//!
//! Validators certify blocks. Where one has no certificate of its own, since a later one was certified before, headers lead from the certified block
//! down to it: each header says the digest of its parent. A proof is, numbers of a fixed length little-endian:
//!
//! | bytes | field |
//! |---|---|
//! | 1 | version: 1 |
//! | 4 | length of the certificate |
//! | n | the certificate |
//! | 4 | number of headers, 1 to 256 |
//! | 176 each | header of the block that is certified, of its parent, and so on; the last is that of the block whose finality is proven |
//!
//! A certificate, with numbers of seven bits a byte, the lowest first, each byte but the last with its high bit set:
//!
//! | bytes | field |
//! |---|---|
//! | number | epoch: 0 |
//! | number | view |
//! | number | view of the parent |
//! | 32 | digest of the block |
//! | 8 | how many validators there are, the highest byte first |
//! | n | a bit for each, by rising public key, the lowest bit of a byte first: whether it signed |
//! | number, 64 each | how many signatures there are, and the signatures, ed25519, in that order |
//!
//! What is signed: the length of the name below as such a number; the name, `crostata `, the 32 bytes of the chain's id and `_FINALIZE`; then the first four
//! fields. Of `n` validators `n - (n - 1) / 3` must have signed.

use bytes::Bytes;
use commonware_codec::{Decode, Encode};
use commonware_consensus::simplex::types::Finalization;
use commonware_consensus::types::Height;
use commonware_cryptography::ed25519::PublicKey;
use commonware_parallel::Sequential;
use commonware_utils::ordered::Set;
use commonware_utils::{Faults as _, N3f1};
use crostata_machine::{Block, BlockDigest, ChainId, Header, Malformed, Reader};
use rand::CryptoRng;

use crate::block::{Digest, engine_digest};
use crate::validator::{CommitteeError, Marshal, Scheme, namespace};

/// The first byte of a proof.
const VERSION: u8 = 1;

/// What a client must know of a chain to trust nobody else.
#[derive(Debug, Clone)]
pub struct Trusted {
    chain: ChainId,
    validators: Set<PublicKey>,
}

impl Trusted {
    /// A chain, and who its validators are.
    ///
    /// # Errors
    /// [`CommitteeError`].
    pub fn new(chain: ChainId, validators: Set<PublicKey>) -> Result<Self, CommitteeError> {
        match validators.is_empty() {
            true => Err(CommitteeError::Empty),
            false => Ok(Self { chain, validators }),
        }
    }

    /// Which chain it is.
    pub fn chain(&self) -> ChainId {
        self.chain
    }

    /// Who its validators are.
    pub fn validators(&self) -> &Set<PublicKey> {
        &self.validators
    }

    /// How many of them must have signed.
    pub fn quorum(&self) -> usize {
        N3f1::quorum(self.validators.len()) as usize
    }
}

/// That a block is final. See the file's documentation for its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalityProof {
    certificate: Bytes,
    /// From the certified block down to the one that is proven; at least one.
    headers: Vec<Header>,
}

/// A block that is final, as was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct ProvenFinal {
    /// The block's header.
    pub header: Header,
    /// The header of the block that the certificate is of: this one, or one above it.
    pub certified: Header,
    /// How many validators signed that.
    pub signers: usize,
}

/// Why a proof does not show that a block is final.
#[derive(Debug, thiserror::Error)]
pub enum FinalityError {
    /// It is longer than any proof.
    #[error("a proof of {len_bytes} bytes: none is longer than {max_bytes}")]
    TooLong {
        /// How long.
        len_bytes: usize,
        /// The limit.
        max_bytes: usize,
    },
    /// The bytes are no proof.
    #[error("no proof of finality: {0}")]
    Malformed(#[from] Malformed),
    /// The certificate can not be read: it is none, or of another number of validators.
    #[error("the certificate can not be read, as one of {validators} validators: {source}")]
    Certificate {
        /// How many validators there are.
        validators: usize,
        /// Why.
        source: commonware_codec::Error,
    },
    /// The certificate is of another block than the first header.
    #[error(
        "the certificate is of block {certified}, and the header that follows of block {header}"
    )]
    OtherBlock {
        /// What the certificate is of.
        certified: BlockDigest,
        /// What the header is of.
        header: BlockDigest,
    },
    /// A header is not that of the parent of the one before.
    #[error(
        "the parent of block {child} is {parent}, and the header that follows of block {header}"
    )]
    Broken {
        /// The block.
        child: BlockDigest,
        /// Its parent.
        parent: BlockDigest,
        /// What the header is of.
        header: BlockDigest,
    },
    /// Too few validators signed.
    #[error("{signers} validators signed, and {quorum} must have")]
    TooFew {
        /// How many signed.
        signers: usize,
        /// How many must have.
        quorum: usize,
    },
    /// Signatures do not hold: forged, of other keys, or for another chain.
    #[error("signatures of the certificate are not those of validators of chain {chain}")]
    Unsigned {
        /// The chain.
        chain: ChainId,
    },
    /// It is the proof of another block than the one that was asked for.
    #[error("the proof is of block {proven}, and {wanted} was asked for")]
    NotAsked {
        /// The block that is proven.
        proven: BlockDigest,
        /// The block that was asked for.
        wanted: BlockDigest,
    },
}

impl ProvenFinal {
    /// That it is this block which is final.
    ///
    /// # Errors
    /// [`FinalityError::NotAsked`].
    pub fn require(&self, wanted: BlockDigest) -> Result<(), FinalityError> {
        let proven = self.header.digest();
        match proven == wanted {
            true => Ok(()),
            false => Err(FinalityError::NotAsked { proven, wanted }),
        }
    }
}

impl FinalityProof {
    /// The longest proof, encoded.
    pub const BYTES_MAX: usize = 1 << 18;
    /// The most headers of a proof.
    pub const HEADERS_MAX: usize = 256;

    /// The proof of a certificate and of headers from the certified block down. Nothing is verified here.
    fn new(certificate: &Finalization<Scheme, Digest>, headers: Vec<Header>) -> Self {
        Self {
            certificate: certificate.encode(),
            headers,
        }
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend((self.certificate.len() as u32).to_le_bytes()); // a signature per validator
        out.extend(&self.certificate);
        out.extend((self.headers.len() as u32).to_le_bytes()); // bounded
        for header in &self.headers {
            out.extend(header.encode());
        }
        out
    }

    /// Reads a proof. What it says is not verified by that.
    ///
    /// # Errors
    /// [`FinalityError::TooLong`] and [`FinalityError::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FinalityError> {
        let (len_bytes, max_bytes) = (bytes.len(), Self::BYTES_MAX);
        if len_bytes > max_bytes {
            return Err(FinalityError::TooLong {
                len_bytes,
                max_bytes,
            });
        }
        let mut reader = Reader::new(bytes);
        if reader.byte()? != VERSION {
            return Err(reader.malformed("its version is not known").into());
        }
        let certificate = Bytes::copy_from_slice(reader.long()?);
        let count = reader.u32()? as usize;
        if count == 0 || count > Self::HEADERS_MAX {
            return Err(reader.malformed("it has no headers, or too many").into());
        }
        let headers = reader.take(count * Header::BYTES)?;
        reader.end()?;
        let headers = headers.chunks_exact(Header::BYTES).map(Header::decode);
        Ok(Self {
            certificate,
            headers: headers.collect::<Result<_, _>>()?,
        })
    }

    /// Holds the proof against what is trusted. Randomness is for verifying signatures at once.
    ///
    /// # Errors
    /// [`FinalityError`].
    pub fn verify(
        &self,
        trusted: &Trusted,
        random: &mut impl CryptoRng,
    ) -> Result<ProvenFinal, FinalityError> {
        let finalization = self.certificate(trusted)?;
        let (certified, header) = self.connected(&finalization)?;
        let signers = finalization.certificate.signers.count();
        let quorum = trusted.quorum();
        if signers < quorum {
            return Err(FinalityError::TooFew { signers, quorum });
        }
        let chain = trusted.chain;
        let scheme = Scheme::verifier(&namespace(&chain), trusted.validators.clone());
        match finalization.verify(random, &scheme, &Sequential) {
            true => Ok(ProvenFinal {
                header,
                certified,
                signers,
            }),
            false => Err(FinalityError::Unsigned { chain }),
        }
    }

    fn certificate(
        &self,
        trusted: &Trusted,
    ) -> Result<Finalization<Scheme, Digest>, FinalityError> {
        let validators = trusted.validators.len();
        let decoded = Finalization::decode_cfg(self.certificate.clone(), &validators);
        decoded.map_err(|source| FinalityError::Certificate { validators, source })
    }

    /// The first and the last header, if they are what the certificate leads to.
    fn connected(
        &self,
        finalization: &Finalization<Scheme, Digest>,
    ) -> Result<(Header, Header), FinalityError> {
        let certified = BlockDigest::from_bytes(finalization.proposal.payload.0);
        let mut headers = self.headers.iter();
        // INVARIANT: there is one; both `decode` and `prove_final` see to that.
        let first = headers.next().ok_or(Malformed {
            at: 0,
            what: "it has no headers",
        })?;
        let header = first.digest();
        if header != certified {
            return Err(FinalityError::OtherBlock { certified, header });
        }
        let mut child = first;
        for header in headers {
            let digest = header.digest();
            if digest != child.parent {
                return Err(FinalityError::Broken {
                    child: child.digest(),
                    parent: child.parent,
                    header: digest,
                });
            }
            child = header;
        }
        Ok((*first, *child))
    }
}

/// Why there is no proof that a block is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotProven {
    /// The block is not there.
    #[error("block {height} is not there: it is not final yet, or this node joined after it")]
    NoBlock {
        /// Its height.
        height: u64,
    },
    /// Neither it nor one of those above it has a certificate here.
    #[error(
        "none of the blocks {height} to {to} has a certificate here, yet: ask again when another block is final, or another node"
    )]
    NoCertificate {
        /// The block's height.
        height: u64,
        /// That of the last block that was looked at.
        to: u64,
    },
}

/// Proves that a block is final, from what the engine keeps.
///
/// # Errors
/// [`NotProven`].
pub async fn prove_final(
    marshal: &Marshal,
    genesis: &Block,
    height: u64,
) -> Result<FinalityProof, NotProven> {
    let mut headers = Vec::new();
    for above in height..height.saturating_add(FinalityProof::HEADERS_MAX as u64) {
        let Some(header) = header(marshal, genesis, above).await else {
            break;
        };
        headers.push(header);
        let certificate = marshal.get_finalization(Height::new(above)).await;
        let own = |certificate: &Finalization<Scheme, Digest>| {
            certificate.proposal.payload == engine_digest(header.digest())
        };
        if let Some(certificate) = certificate.filter(own) {
            headers.reverse();
            return Ok(FinalityProof::new(&certificate, headers));
        }
    }
    let last = headers.last().ok_or(NotProven::NoBlock { height })?;
    let to = last.height;
    Err(NotProven::NoCertificate { height, to })
}

async fn header(marshal: &Marshal, genesis: &Block, height: u64) -> Option<Header> {
    if height == 0 {
        return Some(*genesis.header());
    }
    let block = marshal.get_block(Height::new(height)).await?;
    Some(*block.inner().block().header())
}

#[cfg(test)]
mod tests {
    use commonware_codec::DecodeExt as _;
    use commonware_cryptography::Signer as _;
    use commonware_cryptography::ed25519::PrivateKey;
    use crostata::{ReceiptsRoot, Root};
    use crostata_machine::Account;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;

    const CHAIN: ChainId = ChainId::from_bytes([5; 32]);

    /// The validators, by rising public key.
    fn keys() -> Vec<PrivateKey> {
        let key = |seed| PrivateKey::decode(Bytes::from(vec![seed; 32])).unwrap();
        let mut keys: Vec<_> = (1..=4).map(key).collect();
        keys.sort_by_key(PrivateKey::public_key);
        keys
    }

    fn trusted(chain: ChainId) -> Trusted {
        let keys = keys().into_iter().map(|key| key.public_key());
        Trusted::new(chain, Set::from_iter_dedup(keys)).unwrap()
    }

    /// Headers from a height down, each the parent of the one before.
    fn headers(from: u64, count: usize) -> Vec<Header> {
        let mut headers: Vec<Header> = Vec::new();
        for height in from + 1 - count as u64..=from {
            let parent = headers.last().map(Header::digest).unwrap_or_default();
            headers.push(Header {
                parent,
                height,
                time_ms: height,
                proposer: Account::from_bytes([1; 32]),
                state_root: Root::from_bytes([height as u8; 32]),
                receipts_root: ReceiptsRoot::from_bytes([3; 32]),
                transactions_digest: [4; 32],
            });
        }
        headers.reverse();
        headers
    }

    /// A certificate, put together as the file's documentation says.
    fn certificate(chain: ChainId, block: &Header, signers: &[usize]) -> Vec<u8> {
        let proposal = [&[0, 0x81, 1, 0x80, 1][..], block.digest().as_ref()].concat();
        let name = [b"crostata ".as_slice(), chain.as_ref(), b"_FINALIZE"].concat();
        let bits = signers.iter().fold(0, |bits, signer| bits | 1 << signer);
        let mut out = proposal.clone();
        out.extend([0, 0, 0, 0, 0, 0, 0, 4, bits, signers.len() as u8]);
        let keys = keys();
        for signer in signers {
            let signature = keys[*signer].sign(&name, &proposal);
            out.extend_from_slice(signature.as_ref());
        }
        out
    }

    fn proof(certificate: &[u8], headers: &[Header]) -> Vec<u8> {
        let mut out = vec![1];
        out.extend((certificate.len() as u32).to_le_bytes());
        out.extend(certificate);
        out.extend((headers.len() as u32).to_le_bytes());
        headers
            .iter()
            .for_each(|header| out.extend(header.encode()));
        out
    }

    fn verified(proof: &[u8], trusted: &Trusted) -> Result<ProvenFinal, FinalityError> {
        let mut random = StdRng::seed_from_u64(7);
        FinalityProof::decode(proof)?.verify(trusted, &mut random)
    }

    /// What clients rely on: three of four validators that sign a block prove it final, and its ancestors with their headers; the bytes are those that
    /// are documented.
    #[test]
    fn a_certificate_proves_its_block_and_its_ancestors() {
        let trusted = trusted(CHAIN);
        let chain = headers(9, 3);
        for (signers, count) in [(&[0, 1, 2, 3][..], 1), (&[0, 2, 3], 2), (&[1, 2, 3], 3)] {
            let bytes = proof(&certificate(CHAIN, &chain[0], signers), &chain[..count]);
            let proven = verified(&bytes, &trusted).unwrap();
            assert_eq!(proven.header, chain[count - 1]);
            assert_eq!(proven.certified, chain[0]);
            assert_eq!(proven.signers, signers.len());
            proven.require(chain[count - 1].digest()).unwrap();
            assert_eq!(FinalityProof::decode(&bytes).unwrap().encode(), bytes);
        }
    }

    /// What clients rely on: two of four are too few, whatever they sign; and nobody who is not a validator counts.
    #[test]
    fn too_few_signatures_prove_nothing() {
        let trusted = trusted(CHAIN);
        let chain = headers(9, 1);
        let bytes = proof(&certificate(CHAIN, &chain[0], &[1, 3]), &chain);
        let two = verified(&bytes, &trusted);
        assert!(
            matches!(
                two,
                Err(FinalityError::TooFew {
                    signers: 2,
                    quorum: 3
                })
            ),
            "{two:?}"
        );
        // One of them, three times: the bits say how many there are.
        let mut twice = certificate(CHAIN, &chain[0], &[0, 1, 3]);
        let last = twice.len() - 64;
        twice.copy_within(last - 64..last, last);
        let twice = verified(&proof(&twice, &chain), &trusted);
        assert!(
            matches!(twice, Err(FinalityError::Unsigned { .. })),
            "{twice:?}"
        );
    }

    /// What clients rely on: a forged signature, and those of another chain or of other validators, prove nothing.
    #[test]
    fn other_signatures_prove_nothing() {
        let chain = headers(9, 1);
        let whole = certificate(CHAIN, &chain[0], &[0, 1, 3]);
        let bytes = proof(&whole, &chain);
        let mut forged = whole.clone();
        *forged.last_mut().unwrap() ^= 1;
        let forged = verified(&proof(&forged, &chain), &trusted(CHAIN));
        assert!(
            matches!(forged, Err(FinalityError::Unsigned { .. })),
            "{forged:?}"
        );
        let other = ChainId::from_bytes([6; 32]);
        let elsewhere = verified(&bytes, &trusted(other));
        assert!(matches!(elsewhere, Err(FinalityError::Unsigned { chain }) if chain == other));
        let stranger = PrivateKey::decode(Bytes::from(vec![9; 32])).unwrap();
        let mut committee: Vec<_> = keys().iter().map(PrivateKey::public_key).collect();
        committee[3] = stranger.public_key();
        let others = Trusted::new(CHAIN, Set::from_iter_dedup(committee.clone())).unwrap();
        assert!(matches!(
            verified(&bytes, &others),
            Err(FinalityError::Unsigned { .. })
        ));
        committee.pop();
        let fewer = Trusted::new(CHAIN, Set::from_iter_dedup(committee)).unwrap();
        let fewer = verified(&bytes, &fewer);
        assert!(matches!(
            fewer,
            Err(FinalityError::Certificate { validators: 3, .. })
        ));
        assert_eq!(
            Trusted::new(CHAIN, Set::default()).unwrap_err(),
            CommitteeError::Empty
        );
    }

    /// What clients rely on: a header that is not the certified one, or not its ancestor's, and the proof of another block are told from the right ones.
    #[test]
    fn other_headers_prove_nothing() {
        let trusted = trusted(CHAIN);
        let chain = headers(9, 3);
        let whole = certificate(CHAIN, &chain[0], &[0, 1, 3]);
        let mut swapped = chain.clone();
        swapped[0].state_root = Root::from_bytes([0xff; 32]);
        let other = verified(&proof(&whole, &swapped), &trusted);
        assert!(
            matches!(other, Err(FinalityError::OtherBlock { .. })),
            "{other:?}"
        );
        let mut swapped = chain.clone();
        swapped[2].state_root = Root::from_bytes([0xff; 32]);
        let broken = verified(&proof(&whole, &swapped), &trusted);
        assert!(
            matches!(broken, Err(FinalityError::Broken { child, .. }) if child == chain[1].digest()),
            "{broken:?}"
        );
        let gap = verified(&proof(&whole, &[chain[0], chain[2]]), &trusted);
        assert!(matches!(gap, Err(FinalityError::Broken { .. })), "{gap:?}");
        let proven = verified(&proof(&whole, &chain), &trusted).unwrap();
        let wanted = chain[0].digest();
        let asked = proven.require(wanted);
        assert!(
            matches!(asked, Err(FinalityError::NotAsked { proven, wanted: w }) if w == wanted && proven == chain[2].digest())
        );
    }

    /// P7: bytes that are cut, too many, or say what is not there are typed errors; every change of a byte is noticed.
    #[test]
    fn damaged_proofs_are_errors() {
        let trusted = trusted(CHAIN);
        let chain = headers(9, 2);
        let bytes = proof(&certificate(CHAIN, &chain[0], &[0, 1, 3]), &chain);
        for len in 0..bytes.len() {
            let cut = FinalityProof::decode(&bytes[..len]);
            assert!(
                matches!(cut, Err(FinalityError::Malformed(_))),
                "{len} bytes"
            );
        }
        let more = FinalityProof::decode(&[&bytes[..], &[0]].concat());
        assert!(matches!(more, Err(FinalityError::Malformed(_))));
        let long = FinalityProof::decode(&vec![1; FinalityProof::BYTES_MAX + 1]);
        assert!(matches!(long, Err(FinalityError::TooLong { .. })));
        let none = FinalityProof::decode(&proof(&[], &[]));
        assert!(matches!(none, Err(FinalityError::Malformed(_))));
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            assert!(verified(&changed, &trusted).is_err(), "byte {at}");
        }
    }
}
