//! The node, over HTTP. It is not trusted: its answers are bounded in size and time, and no redirection is followed.

use std::time::Duration;

use crostata_abi::ContractId;
use light_chain::{PROOF_BYTES_MAX, Question};
use thiserror::Error;
use ureq::Agent;

/// How long an answer may take.
const WAIT: Duration = Duration::from_secs(20);

/// A node to ask.
pub struct Node {
    agent: Agent,
    address: String,
}

/// Why a node gave no answer.
#[derive(Debug, Error)]
pub enum NodeError {
    /// No HTTP answer, or none that is read.
    #[error("the node at {address} does not answer: {reason}")]
    Http {
        /// The node.
        address: String,
        /// What happened.
        reason: Box<ureq::Error>,
    },
    /// The node declines.
    #[error("the node declines {path} with status {status}: {says}")]
    Declined {
        /// What was asked for.
        path: String,
        /// The HTTP status.
        status: u16,
        /// What the node says of it.
        says: String,
    },
    /// Not text where that is due.
    #[error("the node's answer to {path} is not text")]
    NotText {
        /// What was asked for.
        path: String,
    },
}

impl Node {
    /// The node at an address such as `http://127.0.0.1:8080`.
    pub fn at(address: &str) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(WAIT))
            .max_redirects(0)
            .http_status_as_error(false)
            .build();
        Self {
            agent: config.new_agent(),
            address: address.trim_end_matches('/').to_owned(),
        }
    }

    /// Headers from this height on, one a line; not always all.
    pub fn headers(&self, from: u64) -> Result<String, NodeError> {
        self.lines(&format!("/headers?from={from}"))
    }

    /// Headers of which the node forges one, when it is told to.
    pub fn forged_headers(&self, from: u64, forged: u64, way: &str) -> Result<String, NodeError> {
        self.lines(&format!(
            "/forged-headers?from={from}&block={forged}&how={way}"
        ))
    }

    /// A proof, or what the node passes for one.
    pub fn proof(
        &self,
        height: u64,
        contract: &ContractId,
        question: &Question,
    ) -> Result<Vec<u8>, NodeError> {
        self.get(&format!(
            "/proof?block={height}&contract={contract}&show={question}"
        ))
    }

    /// A proof that the node forges when it is told to.
    pub fn forged_proof(
        &self,
        height: u64,
        contract: &ContractId,
        question: &Question,
        way: &str,
    ) -> Result<Vec<u8>, NodeError> {
        self.get(&format!(
            "/forged-proof?block={height}&contract={contract}&show={question}&how={way}"
        ))
    }

    fn lines(&self, path: &str) -> Result<String, NodeError> {
        String::from_utf8(self.get(path)?).map_err(|_| NodeError::NotText { path: path.into() })
    }

    fn get(&self, path: &str) -> Result<Vec<u8>, NodeError> {
        let failed = |reason| NodeError::Http {
            address: self.address.clone(),
            reason: Box::new(reason),
        };
        let response = self.agent.get(format!("{}{path}", self.address)).call();
        let mut response = response.map_err(failed)?;
        let body = response
            .body_mut()
            .with_config()
            .limit(PROOF_BYTES_MAX as u64);
        let body = body.read_to_vec().map_err(failed)?;
        match response.status().as_u16() {
            200 => Ok(body),
            status => Err(NodeError::Declined {
                path: path.into(),
                status,
                says: String::from_utf8_lossy(&body)
                    .trim()
                    .chars()
                    .take(300)
                    .collect(),
            }),
        }
    }
}
