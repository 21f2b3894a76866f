//! A client of a node: what the commands, the load and the tests ask over HTTP.

use std::time::{Duration, Instant};

use crostata_machine::{Account, BANK, ChainId, Draft, SecretKey, Transaction, TransactionDigest};
use reqwest::blocking::{self, RequestBuilder};
use serde::de::DeserializeOwned;

use crate::hex::Hex32;
use crate::http::answers::{
    AccountAnswer, BlockAnswer, CertificateAnswer, FinalAnswer, Problem, ProofAnswer, ProofRequest,
    QueryAnswer, QueryRequest, Status, Submitted, Taken, TransactionAnswer,
};
use crate::http::error::ErrorAnswer;

/// How long an answer is waited for.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How often it is looked whether a transaction is final.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Why a node did not answer what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no node, or the connection ended.
    #[error("{url}: {source}")]
    Connection {
        /// What was asked for.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
    /// The node says why not.
    #[error("{} ({})", problem.message, problem.code)]
    Refused {
        /// What it says.
        problem: Problem,
    },
    /// It answers something else than nodes do.
    #[error("{url} answers something that is no node's answer: {reason}")]
    Answer {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The argument has no encoding.
    #[error(transparent)]
    Argument(#[from] crostata::CodecError),
    /// The transaction was not final in time.
    #[error("transaction {transaction} is not final after {after:?}")]
    NotFinal {
        /// Which.
        transaction: TransactionDigest,
        /// How long was waited.
        after: Duration,
    },
}

impl ClientError {
    /// The code of what the node says, if it says something.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { problem } => Some(&problem.code),
            _ => None,
        }
    }
}

/// Asks a node. Not for asynchronous code.
#[derive(Debug, Clone)]
pub struct Client {
    url: String,
    http: blocking::Client,
}

impl Client {
    /// Asks the node at a URL, `http://127.0.0.1:8001` say.
    ///
    /// # Errors
    /// [`ClientError::Connection`].
    pub fn new(url: &str) -> Result<Self, ClientError> {
        let url = url.trim_end_matches('/').to_owned();
        let http = blocking::Client::builder().timeout(TIMEOUT).build();
        match http {
            Ok(http) => Ok(Self { url, http }),
            Err(source) => Err(ClientError::Connection { url, source }),
        }
    }

    /// Where the node is.
    pub fn url(&self) -> &str {
        &self.url
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let url = format!("{}{path}", self.url);
        answered(self.http.get(&url), url)
    }

    fn post<T: DeserializeOwned>(&self, path: &str, body: Vec<u8>) -> Result<T, ClientError> {
        let url = format!("{}{path}", self.url);
        let request = self.http.post(&url).body(body);
        answered(request.header("content-type", "application/json"), url)
    }

    /// What the node says of itself.
    ///
    /// # Errors
    /// [`ClientError`]; so of all methods.
    pub fn status(&self) -> Result<Status, ClientError> {
        self.get("/status")
    }

    /// What the final state says of an account.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn account(&self, account: &Account) -> Result<AccountAnswer, ClientError> {
        self.get(&format!("/accounts/{account}"))
    }

    /// A final block.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn block(&self, height: u64) -> Result<BlockAnswer, ClientError> {
        self.get(&format!("/blocks/{height}"))
    }

    /// That a block is final.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn certificate(&self, height: u64) -> Result<CertificateAnswer, ClientError> {
        self.get(&format!("/blocks/{height}/certificate"))
    }

    /// The final blocks from a height on, at most a hundred.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn blocks(&self, from: u64) -> Result<Vec<BlockAnswer>, ClientError> {
        self.get(&format!("/blocks?from={from}"))
    }

    /// Where a transaction is.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn transaction(
        &self,
        transaction: &TransactionDigest,
    ) -> Result<TransactionAnswer, ClientError> {
        self.get(&format!("/transactions/{transaction}"))
    }

    /// Brings a transaction.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn submit(&self, transaction: &Transaction) -> Result<Submitted, ClientError> {
        self.submit_bytes(transaction.bytes().to_vec())
    }

    /// Brings bytes that may be a transaction.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn submit_bytes(&self, bytes: Vec<u8>) -> Result<Submitted, ClientError> {
        self.post("/transactions", bytes)
    }

    /// Brings several.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn submit_batch(&self, transactions: &[Transaction]) -> Result<Vec<Taken>, ClientError> {
        let mut body = Vec::new();
        for transaction in transactions {
            let bytes = transaction.bytes();
            body.extend((bytes.len() as u32).to_le_bytes()); // bodies are far shorter
            body.extend(bytes);
        }
        self.post("/transactions/batch", body)
    }

    /// Asks a contract.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn query(&self, query: &QueryRequest) -> Result<QueryAnswer, ClientError> {
        self.post("/query", serde_json::to_vec(query).unwrap_or_default())
    }

    /// Has a value proven.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn proof(&self, wanted: &ProofRequest) -> Result<ProofAnswer, ClientError> {
        let ProofRequest {
            contract,
            name,
            key,
        } = wanted;
        let key = key.map_or(String::new(), |key| format!("&key={key}"));
        self.get(&format!("/proof?contract={contract}&name={name}{key}"))
    }

    /// Waits until a transaction is final.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn wait(
        &self,
        transaction: &TransactionDigest,
        after: Duration,
    ) -> Result<FinalAnswer, ClientError> {
        let begun = Instant::now();
        while begun.elapsed() < after {
            match self.transaction(transaction) {
                Ok(TransactionAnswer::Final(answer)) => return Ok(*answer),
                Ok(TransactionAnswer::Waiting) => {}
                // Between the pool and a final block it is nowhere for a moment; another node may not have heard of it.
                Err(error) if error.code() == Some("not_found") => {}
                Err(error) => return Err(error),
            }
            std::thread::sleep(LOOK_EVERY);
        }
        let transaction = *transaction;
        Err(ClientError::NotFinal { transaction, after })
    }

    /// Signs a transfer with the account's next nonce, and brings it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn transfer(
        &self,
        key: &SecretKey,
        to: Account,
        amount: u64,
        terms: Terms,
    ) -> Result<TransactionDigest, ClientError> {
        let chain = ChainId::from_bytes(self.status()?.chain.0);
        let nonce = self.account(&key.account())?.next_nonce;
        let transaction = transfer(key, &chain, nonce, to, amount, terms)?;
        let Hex32(digest) = self.submit(&transaction)?.transaction;
        Ok(TransactionDigest::from_bytes(digest))
    }
}

/// What a transaction may cost.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// The most gas that it may spend.
    pub limit_gas: u64,
    /// What is paid for a unit of it.
    pub gas_price: u64,
}

/// A signed transfer of tokens.
///
/// # Errors
/// [`CodecError`](crostata::CodecError), which transfers do not have.
pub fn transfer(
    key: &SecretKey,
    chain: &ChainId,
    nonce: u64,
    to: Account,
    amount: u64,
    terms: Terms,
) -> Result<Transaction, crostata::CodecError> {
    let call = Draft::call(BANK, "transfer", &(to.to_bytes(), amount))?;
    let draft = call.with(nonce, terms.limit_gas, terms.gas_price);
    Ok(draft.sign(key, chain))
}

fn answered<T: DeserializeOwned>(request: RequestBuilder, url: String) -> Result<T, ClientError> {
    let whole = request.send().and_then(|response| {
        let good = response.status().is_success();
        Ok((good, response.bytes()?))
    });
    let (good, bytes) = match whole {
        Ok(whole) => whole,
        Err(source) => return Err(ClientError::Connection { url, source }),
    };
    let parsed = match good {
        true => serde_json::from_slice(&bytes),
        false => match serde_json::from_slice::<ErrorAnswer>(&bytes) {
            Ok(ErrorAnswer { error: problem }) => return Err(ClientError::Refused { problem }),
            Err(error) => Err(error),
        },
    };
    parsed.map_err(|error| ClientError::Answer {
        url,
        reason: error.to_string(),
    })
}
