//! Signed transactions.
//!
//! | bytes | field |
//! |---|---|
//! | 32 | public key of the sender, ed25519 |
//! | 8 | nonce |
//! | 8 | gas limit |
//! | 8 | gas price, in the smallest unit of tokens |
//! | 1 | 0: call, 1: deployment |
//! | 32, 1 + n, 4 + n | of a call: contract, function, argument |
//! | 4 + n, 1, 4 + n | of a deployment: code, whether there is an argument for `init`, that argument |
//! | 64 | signature |
//!
//! Signed is the digest of the chain's id and all bytes before the signature: what is signed for one chain is worth nothing on another.

use std::fmt;
use std::sync::Arc;

use crostata::{ContractId, Encode};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

use crate::account::Account;
use crate::bytes::{Malformed, Reader, put_long, put_text};
use crate::digest::{ChainId, TransactionDigest};

const SIGNATURE_BYTES: usize = 64;
const SIGNED_CONTEXT: &str = "crostata-node 2026-11 signed transaction";

/// What a transaction does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Calls a function of a contract.
    Call {
        /// The contract.
        contract: ContractId,
        /// The function, at most 255 bytes.
        function: String,
        /// The argument's bytes.
        argument: Vec<u8>,
    },
    /// Deploys a contract whose owner is the sender. Its id comes of code, owner, argument and nonce.
    Deploy {
        /// The code.
        code: Arc<[u8]>,
        /// The argument of `init`, if it gets one.
        argument: Option<Vec<u8>>,
    },
}

/// A transaction before it is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// How many transactions of the sender came before.
    pub nonce: u64,
    /// The most gas that it may spend, everything included.
    pub limit_gas: u64,
    /// What the sender pays for a unit of gas.
    pub gas_price: u64,
    /// What it does.
    pub action: Action,
}

/// A transaction with its signature, which was or was not looked at. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Transaction(Arc<Signed>);

#[derive(PartialEq, Eq)]
struct Signed {
    bytes: Vec<u8>,
    digest: TransactionDigest,
    public_key: [u8; 32],
    draft: Draft,
}

/// A transaction whose signature holds on its chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified(Transaction);

impl Verified {
    /// The transaction.
    pub fn transaction(&self) -> &Transaction {
        &self.0
    }

    /// The transaction, which is as good as any other then.
    pub fn into_transaction(self) -> Transaction {
        self.0
    }

    /// A transaction whose signature was looked at before.
    pub(crate) fn known(transaction: Transaction) -> Self {
        Self(transaction)
    }
}

/// A signature that is not the sender's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The sender is no point of the curve.
    #[error("the sender's public key is none")]
    PublicKey,
    /// The signature is of somebody else, of something else, for another chain, or not the only one that says the same.
    #[error("the signature is not the sender's for this transaction on this chain")]
    Signature,
}

/// What signs transactions.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// A key from 32 random bytes.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(bytes))
    }

    /// What others know it by.
    pub fn public_key(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// The account that it spends from.
    pub fn account(&self) -> Account {
        Account::of_key(&self.public_key())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SecretKey").field(&self.account()).finish()
    }
}

impl Draft {
    /// Calls a function with a typed argument.
    ///
    /// # Errors
    /// [`CodecError`](crostata::CodecError) for an argument that no contract has room for.
    pub fn call<A: Encode>(
        contract: ContractId,
        function: &str,
        argument: &A,
    ) -> Result<Self, crostata::CodecError> {
        let transaction = crostata::Transaction::call(contract, function, argument, 0)?;
        let argument = match transaction.action {
            crostata::Action::Call { argument, .. } => argument,
            crostata::Action::Deploy { .. } => Vec::new(),
        };
        let action = Action::Call {
            contract,
            function: function.to_owned(),
            argument,
        };
        Ok(Self::new(action))
    }

    /// The first transaction of an account, without any gas.
    pub fn new(action: Action) -> Self {
        Self {
            nonce: 0,
            limit_gas: 0,
            gas_price: 0,
            action,
        }
    }

    /// The same with a nonce, a limit of gas and what is paid for a unit of it.
    #[must_use]
    pub fn with(self, nonce: u64, limit_gas: u64, gas_price: u64) -> Self {
        Self {
            nonce,
            limit_gas,
            gas_price,
            ..self
        }
    }

    /// Signs it for a chain.
    pub fn sign(self, key: &SecretKey, chain: &ChainId) -> Transaction {
        let public_key = key.public_key();
        let mut bytes = self.encode(&public_key);
        let signature = key.0.sign(&to_sign(chain, &bytes));
        bytes.extend(signature.to_bytes());
        Transaction::new(bytes, public_key, self)
    }

    fn encode(&self, public_key: &[u8; 32]) -> Vec<u8> {
        let mut out = public_key.to_vec();
        out.extend(self.nonce.to_le_bytes());
        out.extend(self.limit_gas.to_le_bytes());
        out.extend(self.gas_price.to_le_bytes());
        match &self.action {
            Action::Call {
                contract,
                function,
                argument,
            } => {
                out.push(0);
                out.extend(contract.as_bytes());
                put_text(&mut out, function);
                put_long(&mut out, argument);
            }
            Action::Deploy { code, argument } => {
                out.push(1);
                put_long(&mut out, code);
                out.push(u8::from(argument.is_some()));
                put_long(&mut out, argument.as_deref().unwrap_or_default());
            }
        }
        out
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            nonce: reader.u64()?,
            limit_gas: reader.u64()?,
            gas_price: reader.u64()?,
            action: read_action(reader)?,
        })
    }
}

fn read_action(reader: &mut Reader<'_>) -> Result<Action, Malformed> {
    match reader.byte()? {
        0 => Ok(Action::Call {
            contract: ContractId::from_bytes(reader.array()?),
            function: reader.text()?.to_owned(),
            argument: reader.long()?.to_vec(),
        }),
        1 => Ok(Action::Deploy {
            code: reader.long()?.into(),
            argument: read_argument(reader)?,
        }),
        _ => Err(reader.malformed("an action that is neither a call nor a deployment")),
    }
}

fn read_argument(reader: &mut Reader<'_>) -> Result<Option<Vec<u8>>, Malformed> {
    match (reader.byte()?, reader.long()?) {
        (0, []) => Ok(None),
        (1, argument) => Ok(Some(argument.to_vec())),
        _ => Err(reader.malformed("an argument that is neither there nor not")),
    }
}

fn to_sign(chain: &ChainId, unsigned: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(SIGNED_CONTEXT);
    hasher.update(chain.as_ref()).update(unsigned);
    *hasher.finalize().as_bytes()
}

impl Transaction {
    fn new(bytes: Vec<u8>, public_key: [u8; 32], draft: Draft) -> Self {
        Self(Arc::new(Signed {
            digest: TransactionDigest::of(&[&bytes]),
            bytes,
            public_key,
            draft,
        }))
    }

    /// Reads a transaction. Its signature is not looked at.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let public_key = reader.array()?;
        let draft = Draft::read(&mut reader)?;
        reader.take(SIGNATURE_BYTES)?;
        reader.end()?;
        Ok(Self::new(bytes.to_vec(), public_key, draft))
    }

    /// Its bytes, of which there are no others that mean the same.
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// What it does, and on which terms.
    pub fn draft(&self) -> &Draft {
        &self.0.draft
    }

    /// What names it.
    pub fn digest(&self) -> TransactionDigest {
        self.0.digest
    }

    /// Who signed it, if the signature holds.
    pub fn sender(&self) -> Account {
        Account::of_key(&self.0.public_key)
    }

    /// Whether the sender signed it for this chain. The strict rules: every implementation decides alike, and nobody can make another
    /// signature of one.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify(&self, chain: &ChainId) -> Result<Verified, SignatureError> {
        let key = VerifyingKey::from_bytes(&self.0.public_key);
        let key = key.map_err(|_| SignatureError::PublicKey)?;
        let parts = self.bytes().split_last_chunk::<SIGNATURE_BYTES>();
        let (unsigned, signature) = parts.ok_or(SignatureError::Signature)?;
        let signature = Signature::from_bytes(signature);
        let verified = key.verify_strict(&to_sign(chain, unsigned), &signature);
        verified.map_err(|_| SignatureError::Signature)?;
        Ok(Verified(self.clone()))
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("digest", &self.0.digest)
            .field("sender", &self.sender())
            .field("nonce", &self.0.draft.nonce)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAIN: ChainId = ChainId::from_bytes([5; 32]);

    fn signed() -> Transaction {
        let key = SecretKey::from_bytes(&[3; 32]);
        let call = Draft::call(
            ContractId::from_bytes([1; 32]),
            "transfer",
            &([2u8; 32], 5u64),
        );
        call.unwrap().with(7, 1_000_000, 2).sign(&key, &CHAIN)
    }

    /// P7: every byte of a transaction counts. Whatever is changed, the bytes are no transaction, or the signature is not the sender's.
    #[test]
    fn a_changed_byte_is_a_bad_signature() {
        let bytes = signed().bytes().to_vec();
        assert!(Transaction::decode(&bytes).unwrap().verify(&CHAIN).is_ok());
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let verified = Transaction::decode(&changed).map(|changed| changed.verify(&CHAIN));
            assert!(!matches!(verified, Ok(Ok(_))), "byte {at}");
        }
    }

    /// A key of low order has signatures that hold for whatever is said: the strict rules have none of them, so that nobody's account is everybody's.
    #[test]
    fn a_key_that_signs_everything_signs_nothing() {
        let mut bytes = signed().bytes().to_vec();
        let (identity, signature) = ([[1].as_slice(), &[0; 31]].concat(), bytes.len() - 64);
        bytes[..32].copy_from_slice(&identity);
        bytes[signature..].fill(0);
        bytes[signature] = 1;
        let transaction = Transaction::decode(&bytes).unwrap();
        assert!(transaction.verify(&CHAIN).is_err());
    }

    /// What is signed for one chain can not be replayed on another.
    #[test]
    fn a_signature_is_for_one_chain() {
        let other = ChainId::from_bytes([6; 32]);
        assert_eq!(signed().verify(&other), Err(SignatureError::Signature));
    }

    /// P7: what is cut or lengthened is malformed, and nothing panics.
    #[test]
    fn bytes_that_are_no_transaction_are_refused() {
        let bytes = signed().bytes().to_vec();
        for len in 0..bytes.len() {
            assert!(Transaction::decode(&bytes[..len]).is_err(), "{len} bytes");
        }
        assert!(Transaction::decode(&[&bytes[..], &[0]].concat()).is_err());
    }

    /// A deployment comes back as it was, with an argument and without one.
    #[test]
    fn deployments_are_read_as_they_were_written() {
        let key = SecretKey::from_bytes(&[3; 32]);
        for argument in [None, Some(vec![]), Some(vec![1, 2])] {
            let code = vec![0; 9].into();
            let draft = Draft::new(Action::Deploy { code, argument });
            let signed = draft.clone().sign(&key, &CHAIN);
            assert_eq!(Transaction::decode(signed.bytes()).unwrap().draft(), &draft);
        }
    }
}
