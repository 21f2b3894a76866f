//! What a peer says it has.
//!
//! | bytes | field |
//! |---|---|
//! | 4 + n | certificate that the block is final |
//! | 176 | header of the block |
//! | n | what getting the state begins with |

use bytes::Bytes;
use commonware_codec::{Decode, Encode};
use commonware_consensus::simplex::types::Finalization;
use commonware_cryptography::certificate::Verifier as _;
use commonware_parallel::Sequential;
use crostata_machine::{Header, Malformed};
use rand::CryptoRng;

use crate::block::{Digest, engine_digest};
use crate::validator::Scheme;

/// What a peer says it has: a final block, and how getting its state begins.
#[derive(Debug, Clone)]
pub struct Offer {
    /// That the block is final.
    pub finalization: Finalization<Scheme, Digest>,
    /// The block's header, which says the state root.
    pub header: Header,
    /// What getting the state begins with.
    pub beginning: Vec<u8>,
}

/// Why an offer is a lie.
#[derive(Debug, thiserror::Error)]
pub enum OfferError {
    /// It is cut off.
    #[error("the offer is cut off")]
    Short,
    /// The header is none.
    #[error(transparent)]
    Header(#[from] Malformed),
    /// The certificate is none.
    #[error("the certificate is none: {0}")]
    Certificate(#[from] commonware_codec::Error),
    /// The certificate is of another block.
    #[error("the certificate is of another block")]
    OtherBlock,
    /// The validators did not sign it.
    #[error("the validators did not sign the certificate")]
    Unsigned,
}

impl Offer {
    /// Its bytes.
    pub fn encode(&self) -> Bytes {
        let finalization = self.finalization.encode();
        let mut out = Vec::new();
        out.extend((finalization.len() as u32).to_le_bytes()); // a signature per validator
        out.extend(&finalization);
        out.extend(self.header.encode());
        out.extend(&self.beginning);
        out.into()
    }

    /// Reads an offer and holds it against what the validators sign.
    ///
    /// # Errors
    /// [`OfferError`].
    pub fn decode(
        bytes: &[u8],
        scheme: &Scheme,
        random: &mut impl CryptoRng,
    ) -> Result<Self, OfferError> {
        let (len, rest) = bytes.split_first_chunk().ok_or(OfferError::Short)?;
        let len = u32::from_le_bytes(*len) as usize;
        let (certificate, rest) = rest.split_at_checked(len).ok_or(OfferError::Short)?;
        let (header, beginning) = rest
            .split_at_checked(Header::BYTES)
            .ok_or(OfferError::Short)?;
        let config = scheme.certificate_codec_config();
        let certificate = Bytes::copy_from_slice(certificate);
        let finalization = Finalization::<Scheme, Digest>::decode_cfg(certificate, &config)?;
        let header = Header::decode(header)?;
        if finalization.proposal.payload != engine_digest(header.digest()) {
            return Err(OfferError::OtherBlock);
        }
        match finalization.verify(random, scheme, &Sequential) {
            true => Ok(Self {
                finalization,
                header,
                beginning: beginning.to_vec(),
            }),
            false => Err(OfferError::Unsigned),
        }
    }
}
