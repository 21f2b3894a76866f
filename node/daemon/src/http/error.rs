//! What a client is told when something goes wrong: a status, and JSON with a code for programs and a text for people.

use axum::Json;
use axum::extract::rejection::{BytesRejection, JsonRejection, PathRejection, QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use crostata::serve::QueryError;
use crostata_chain::{NotProven, SubmitError};
use crostata_machine::{Fatal, Malformed, Refusal, Unfit};
use serde::{Deserialize, Serialize};

use super::answers::Problem;
use crate::hex::HexError;

/// The code of what may have an answer a little later: a certificate comes with the next block at the latest.
pub const NO_CERTIFICATE: &str = "no_certificate";

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// A transaction was not taken.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The bytes are no transaction.
    #[error("the body is no transaction: {0}")]
    Transaction(#[from] Malformed),
    /// Several transactions are cut off.
    #[error("the body ends within transaction {index}: before each come four bytes, its length")]
    Cut {
        /// Which.
        index: usize,
    },
    /// Digits are none.
    #[error(transparent)]
    Hex(#[from] HexError),
    /// A part of the request is none.
    #[error("{message}")]
    Request {
        /// What axum makes of it.
        status: StatusCode,
        /// Why.
        message: String,
    },
    /// A query has no result.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// There is no such thing here.
    #[error("{0}")]
    NotFound(String),
    /// There is no proof that a block is final.
    #[error(transparent)]
    NotProven(#[from] NotProven),
    /// It took too long.
    #[error("the request took longer than {after_ms} ms")]
    Timeout {
        /// The limit.
        after_ms: u64,
    },
    /// The node can not read its state.
    #[error(transparent)]
    Fatal(#[from] Fatal),
    /// The node is about to stop.
    #[error("the node stops")]
    Stopping,
}

/// The body of an error.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ErrorAnswer {
    /// What went wrong.
    pub error: Problem,
}

macro_rules! from_rejections {
    ($($name:ty)*) => {
        $(impl From<$name> for ApiError {
            fn from(rejection: $name) -> Self {
                Self::Request {
                    status: rejection.status(),
                    message: rejection.body_text(),
                }
            }
        })*
    };
}

from_rejections! { BytesRejection JsonRejection PathRejection QueryRejection }

impl ApiError {
    /// For programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Submit(SubmitError::Refused(refusal)) => code_of_refusal(refusal),
            Self::Submit(SubmitError::Fatal(_)) | Self::Fatal(_) => "fatal",
            Self::Transaction(_) | Self::Cut { .. } => "malformed",
            Self::Hex(_) | Self::Request { .. } => "bad_request",
            Self::Query(error) => code_of_query(error),
            Self::NotFound(_) | Self::NotProven(NotProven::NoBlock { .. }) => "not_found",
            Self::NotProven(NotProven::NoCertificate { .. }) => NO_CERTIFICATE,
            Self::Timeout { .. } => "timeout",
            Self::Stopping => "stopping",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Submit(SubmitError::Refused(Refusal::Full { .. })) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Submit(SubmitError::Refused(Refusal::Duplicate)) => StatusCode::CONFLICT,
            Self::Submit(SubmitError::Refused(Refusal::TooLong { .. })) => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            Self::Submit(SubmitError::Refused(_))
            | Self::Transaction(_)
            | Self::Cut { .. }
            | Self::Hex(_) => StatusCode::BAD_REQUEST,
            Self::Request { status, .. } => *status,
            Self::Query(error) => status_of_query(error),
            Self::NotFound(_) | Self::NotProven(_) => StatusCode::NOT_FOUND,
            Self::Timeout { .. } => StatusCode::GATEWAY_TIMEOUT,
            Self::Submit(SubmitError::Fatal(_)) | Self::Fatal(_) | Self::Stopping => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }

    /// What a client is told.
    pub fn problem(&self) -> Problem {
        Problem {
            code: self.code().to_owned(),
            message: self.to_string(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let answer = ErrorAnswer {
            error: self.problem(),
        };
        (self.status(), Json(answer)).into_response()
    }
}

fn code_of_refusal(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Duplicate => "duplicate",
        Refusal::Signature(_) => "bad_signature",
        Refusal::TooLong { .. } => "too_long",
        Refusal::Unfit(Unfit::Underpaid { .. }) => "underpaid",
        Refusal::Unfit(Unfit::TooLittleGas { .. }) => "too_little_gas",
        Refusal::Unfit(_) => "unfit",
        Refusal::NoBlock { .. } => "too_much_gas",
        Refusal::NonceUsed { .. } => "nonce_used",
        Refusal::NonceAhead { .. } => "nonce_ahead",
        Refusal::Balance { .. } => "balance",
        Refusal::Replacement { .. } => "replacement",
        Refusal::Full { .. } => "pool_full",
    }
}

fn code_of_query(error: &QueryError) -> &'static str {
    match error {
        QueryError::Overloaded(_) => "overloaded",
        QueryError::Timeout { .. } => "timeout",
        QueryError::Cancelled | QueryError::ShutDown => "stopping",
        QueryError::Reverted(_) => "reverted",
        QueryError::Rejected(_) => "rejected",
        QueryError::LimitGas { .. } => "too_much_gas",
        QueryError::Proof(_) | QueryError::ProveValue(_) => "no_proof",
        QueryError::Fatal(_) | QueryError::Panicked => "fatal",
        _ => "query",
    }
}

fn status_of_query(error: &QueryError) -> StatusCode {
    match error {
        QueryError::Overloaded(_) | QueryError::Cancelled | QueryError::ShutDown => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        QueryError::Timeout { .. } => StatusCode::GATEWAY_TIMEOUT,
        QueryError::Fatal(_) | QueryError::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
        QueryError::Proof(_) | QueryError::ProveValue(_) => StatusCode::NOT_FOUND,
        _ => StatusCode::BAD_REQUEST,
    }
}
