//! A client that trusts a chain's id and the public keys of its validators, and no node.
//!
//! Whatever a node answers is held against a block's header, and the header against a certificate that the validators signed. What a node can still do is to
//! answer of an older block than it has: [`Header::time_ms`](crostata_machine::Header::time_ms) says how old.

use std::path::Path;
use std::time::{Duration, Instant};
use std::{fs, io};

use bytes::Bytes;
use commonware_codec::DecodeExt as _;
use commonware_cryptography::ed25519::PublicKey;
use commonware_utils::ordered::Set;
use crostata::Gas;
use crostata_chain::{CommitteeError, FinalityError, FinalityProof, ProvenFinal, Trusted};
use crostata_machine::{BlockDigest, ChainId, TransactionDigest};
use crostata_proof::receipt::{Outcome, ReceiptDigestBuilder};
use crostata_proof::receipts::{ReceiptOpeningError, deployment_digest};
use crostata_proof::{
    ContractId, DecodeError, ReceiptDigest, ReceiptOpening, Value, ValueProof, ValueProofError,
};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

use crate::client::{Client, ClientError};
use crate::config::{Config, ConfigError, public_key_bytes};
use crate::hex::Hex32;
use crate::http::answers::{EventAnswer, ProofRequest, RanAnswer, ReceiptAnswer, VmReceiptAnswer};
use crate::http::error::NO_CERTIFICATE;

/// How long a block's certificate is waited for. The next block brings one at the latest.
const CERTIFICATE_WAIT: Duration = Duration::from_secs(10);
/// How often it is asked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What a client trusts, as a file of TOML says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedFile {
    /// The chain's id.
    pub chain: Hex32,
    /// The public keys of its validators.
    pub validators: Vec<Hex32>,
}

impl TrustedFile {
    /// What a node's configuration says of that.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn of_node(config: &Config) -> Result<Self, ConfigError> {
        let nodes = config.nodes()?.into_iter();
        let validators = nodes.filter_map(|(key, _, votes)| votes.then_some(key));
        Ok(Self {
            chain: Hex32(config.genesis()?.chain().to_bytes()),
            validators: validators
                .map(|key| Hex32(public_key_bytes(&key)))
                .collect(),
        })
    }

    /// The text of the file.
    ///
    /// # Errors
    /// [`LightError::Text`].
    pub fn text(&self) -> Result<String, LightError> {
        toml::to_string(self).map_err(|error| LightError::text(Path::new("trusted"), &error))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`LightError::File`] and [`LightError::Text`].
    pub fn read(path: &Path) -> Result<Self, LightError> {
        let text = fs::read_to_string(path).map_err(|source| LightError::File {
            path: path.display().to_string(),
            source,
        })?;
        toml::from_str(&text).map_err(|error| LightError::text(path, &error))
    }

    /// What it says.
    ///
    /// # Errors
    /// [`LightError::Key`] and [`LightError::Committee`].
    pub fn trusted(&self) -> Result<Trusted, LightError> {
        let keys = self.validators.iter().map(|key| {
            let decoded = PublicKey::decode(Bytes::copy_from_slice(&key.0));
            decoded.map_err(|_| LightError::Key { key: *key })
        });
        let keys = Set::from_iter_dedup(keys.collect::<Result<Vec<_>, _>>()?);
        Ok(Trusted::new(ChainId::from_bytes(self.chain.0), keys)?)
    }
}

/// Why nothing is proven.
#[derive(Debug, thiserror::Error)]
pub enum LightError {
    /// The file that says what is trusted can not be read.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// It is no TOML, or says something else.
    #[error("{path}: {reason}")]
    Text {
        /// Which.
        path: String,
        /// What, where, and what is allowed.
        reason: String,
    },
    /// A validator's key is none.
    #[error("{key} is no ed25519 public key")]
    Key {
        /// The key.
        key: Hex32,
    },
    /// Nobody is trusted.
    #[error(transparent)]
    Committee(#[from] CommitteeError),
    /// The node does not answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The machine gives no random numbers.
    #[error("no random numbers for verifying: {0}")]
    Random(#[from] getrandom::Error),
    /// That the block is final is not shown.
    #[error(transparent)]
    Finality(#[from] FinalityError),
    /// A proof is none.
    #[error("the proof is none: {0}")]
    Proof(#[from] DecodeError),
    /// The value is not shown.
    #[error(transparent)]
    Value(#[from] ValueProofError),
    /// The receipt is not in the block.
    #[error(transparent)]
    Receipt(#[from] ReceiptOpeningError),
    /// The node does not have the receipt any more, or there is none.
    #[error(
        "the node has no receipt of transaction {transaction} that leads to block {height}: ask another one"
    )]
    NoReceipt {
        /// The transaction.
        transaction: TransactionDigest,
        /// Its block, as the node says.
        height: u64,
    },
    /// What is proven is the receipt of another transaction.
    #[error("the receipt is of transaction {proven}, and {wanted} was asked for")]
    OtherTransaction {
        /// What is proven.
        proven: TransactionDigest,
        /// What was asked for.
        wanted: TransactionDigest,
    },
    /// The node says that nothing became of the transaction, or what is no outcome.
    #[error("what the node says became of the transaction is no outcome of one")]
    NoOutcome,
    /// The node says of the transaction what is not in its receipt.
    #[error(
        "what the node says became of the transaction has digest {said}, and its receipt {proven}"
    )]
    OtherReceipt {
        /// The digest of what the node says.
        said: ReceiptDigest,
        /// What is proven.
        proven: ReceiptDigest,
    },
}

impl LightError {
    fn text(path: &Path, error: &dyn std::fmt::Display) -> Self {
        Self::Text {
            path: path.display().to_string(),
            reason: error.to_string(),
        }
    }
}

/// A value of a final state.
#[derive(Debug, Clone)]
#[must_use]
pub struct ProvenValue {
    /// The block behind which the state is.
    pub block: ProvenFinal,
    /// The value; none if the map has nothing under the key.
    pub value: Option<Value>,
}

/// What became of a transaction in a final block.
#[derive(Debug, Clone)]
#[must_use]
pub struct ProvenReceipt {
    /// The block.
    pub block: ProvenFinal,
    /// Its receipt's place in the block's tree of receipts, which has those of the chain's own calls too.
    pub index: u64,
    /// How many are in that.
    pub count: u64,
    /// What the VM did. None for a deployment that failed: then it is proven that the block has the transaction, and no more.
    pub vm: Option<VmReceiptAnswer>,
    /// What was emitted.
    pub events: Vec<EventAnswer>,
}

/// Asks a node that need not be trusted. Not for asynchronous code.
#[derive(Debug, Clone)]
pub struct LightClient {
    client: Client,
    trusted: Trusted,
}

impl LightClient {
    /// Asks this node, and trusts that.
    pub fn new(client: Client, trusted: Trusted) -> Self {
        Self { client, trusted }
    }

    /// A block that is final. Waits for its certificate.
    ///
    /// # Errors
    /// [`LightError`].
    pub fn block(&self, height: u64) -> Result<ProvenFinal, LightError> {
        let begun = Instant::now();
        let answer = loop {
            match self.client.certificate(height) {
                Err(error) if is_early(&error) && begun.elapsed() < CERTIFICATE_WAIT => {
                    std::thread::sleep(LOOK_EVERY);
                }
                answer => break answer?,
            }
        };
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        let proof = FinalityProof::decode(&answer.proof.0)?;
        Ok(proof.verify(&self.trusted, &mut StdRng::from_seed(seed))?)
    }

    fn named_block(&self, height: u64, digest: Hex32) -> Result<ProvenFinal, LightError> {
        let block = self.block(height)?;
        block.require(BlockDigest::from_bytes(digest.0))?;
        Ok(block)
    }

    /// A value of a final state, the latest that the node has.
    ///
    /// # Errors
    /// [`LightError`].
    pub fn value(&self, wanted: &ProofRequest) -> Result<ProvenValue, LightError> {
        let answer = self.client.proof(wanted)?;
        let block = self.named_block(answer.height, answer.block)?;
        let root = block.header.state_root;
        let contract = ContractId::from_bytes(wanted.contract.0);
        let proof = ValueProof::decode(&answer.proof.0)?;
        let value = match wanted.key {
            Some(key) => {
                let key = Value::from(key.0);
                let verified = proof.verify_key(&root, &contract, &wanted.name, &key);
                verified?.into_inner()
            }
            None => {
                let verified = proof.verify(&root, &contract, &wanted.name);
                Some(verified?.into_inner())
            }
        };
        Ok(ProvenValue { block, value })
    }

    /// What became of a transaction, which is waited for.
    ///
    /// # Errors
    /// [`LightError`].
    pub fn receipt(
        &self,
        transaction: TransactionDigest,
        after: Duration,
    ) -> Result<ProvenReceipt, LightError> {
        let answer = self.client.wait(&transaction, after)?;
        let block = self.named_block(answer.height, answer.block)?;
        let missing = LightError::NoReceipt {
            transaction,
            height: answer.height,
        };
        let Some((receipt, opening)) = answer.receipt.and_then(opened) else {
            return Err(missing);
        };
        let opening = ReceiptOpening::decode(&opening)?;
        let proven = opening.verify(&block.header.receipts_root)?.into_inner();
        let tag = TransactionDigest::from_bytes(proven.leaf.tag);
        if tag != transaction {
            return Err(LightError::OtherTransaction {
                proven: tag,
                wanted: transaction,
            });
        }
        let (vm, events) = shown(receipt, proven.leaf.digest)?;
        Ok(ProvenReceipt {
            block,
            index: proven.index,
            count: proven.count,
            vm,
            events,
        })
    }
}

/// What of a receipt its digest proves.
fn shown(
    receipt: ReceiptAnswer,
    proven: ReceiptDigest,
) -> Result<(Option<VmReceiptAnswer>, Vec<EventAnswer>), LightError> {
    let Some(vm) = receipt.vm else {
        return Ok((None, Vec::new()));
    };
    let said = digest(&vm, &receipt.events).ok_or(LightError::NoOutcome)?;
    match said == proven {
        true => Ok((Some(vm), receipt.events)),
        false => Err(LightError::OtherReceipt { said, proven }),
    }
}

fn is_early(error: &ClientError) -> bool {
    error.code() == Some(NO_CERTIFICATE)
}

fn opened(receipt: ReceiptAnswer) -> Option<(ReceiptAnswer, Vec<u8>)> {
    let opening = receipt.opening.clone()?.0;
    Some((receipt, opening))
}

/// The digest of what a node says became of a transaction; none if that is nothing, or ended in a way that there is not.
fn digest(vm: &VmReceiptAnswer, events: &[EventAnswer]) -> Option<ReceiptDigest> {
    let ran = match &vm.ran {
        Some(ran) => Some(digest_of_call(ran, events)?),
        None => None,
    };
    let Some(deployed) = &vm.deployed else {
        return ran;
    };
    let contract = ContractId::from_bytes(deployed.contract.0);
    Some(deployment_digest(
        &contract,
        deployed.code_gas,
        ran.as_ref(),
    ))
}

fn digest_of_call(ran: &RanAnswer, events: &[EventAnswer]) -> Option<ReceiptDigest> {
    let (spent, limit) = (Gas(ran.gas_spent), Gas(ran.limit_gas));
    let call = ReceiptDigestBuilder::new(outcome(ran.code)?, spent, limit, &ran.result.0);
    let whole = events.iter().fold(call, |call, event| {
        let source = ContractId::from_bytes(event.source.0);
        call.event(&source, event.topic.as_bytes(), &event.data.0)
    });
    Some(whole.finish())
}

/// How a call ended, by the code of that.
pub fn outcome(code: u32) -> Option<Outcome> {
    let mut all = Outcome::ALL.into_iter();
    all.find(|outcome| outcome.code() == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the guide shows of the file that clients need is such a file, with keys in place; a name that is not known is refused, and a key that is none.
    #[test]
    fn the_guides_file_is_trusted() {
        let guide = include_str!("../../../docs/cluster.md");
        let shown = guide.split("```toml\n").nth(2).unwrap();
        let shown = shown.split("```").next().unwrap();
        let mut keys = (1..).map(|seed| {
            let secret: crate::hex::Secret = format!("{seed:02x}").repeat(32).parse().unwrap();
            let key = crate::config::private_key(&secret).unwrap();
            let key = commonware_cryptography::Signer::public_key(&key);
            Hex32(public_key_bytes(&key)).to_string()
        });
        let parts: Vec<_> = shown.split("64 hexadecimal digits").collect();
        let text = parts[1..].iter().fold(parts[0].to_owned(), |text, part| {
            text + &keys.next().unwrap() + part
        });
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("trusted.toml");
        fs::write(&path, &text).unwrap();
        let file = TrustedFile::read(&path).unwrap();
        assert_eq!(file.trusted().unwrap().validators().len(), 4);
        assert_eq!(file.trusted().unwrap().quorum(), 3);
        assert_eq!(
            toml::from_str::<TrustedFile>(&file.text().unwrap()).unwrap(),
            file
        );

        fs::write(&path, format!("{text}more = 1")).unwrap();
        let error = TrustedFile::read(&path).unwrap_err().to_string();
        assert!(error.contains("unknown field `more`"), "{error}");
        let nobody = TrustedFile {
            validators: Vec::new(),
            ..file.clone()
        };
        assert!(matches!(nobody.trusted(), Err(LightError::Committee(_))));
        // Half of all numbers are no point of the curve.
        let mut no_keys = (0..=255).map(|byte| Hex32([byte; 32]));
        let is_none = |key: &Hex32| PublicKey::decode(Bytes::copy_from_slice(&key.0)).is_err();
        let none = TrustedFile {
            validators: vec![no_keys.find(is_none).unwrap()],
            ..file
        };
        assert!(matches!(none.trusted(), Err(LightError::Key { .. })));
    }
}
