//! What clients can ask a node for.
//!
//! | request | answer |
//! |---|---|
//! | `GET /status` | [`Status`](answers::Status) |
//! | `POST /transactions`, the bytes of one | [`Submitted`](answers::Submitted), or why not |
//! | `POST /transactions/batch`, four bytes of length and the bytes of each | a list of [`Taken`](answers::Taken) |
//! | `GET /transactions/{digest}` | [`TransactionAnswer`](answers::TransactionAnswer) |
//! | `GET /blocks?from=&limit=` | a list of [`BlockAnswer`](answers::BlockAnswer), from the height on, or the latest |
//! | `GET /blocks/{height}` | [`BlockAnswer`](answers::BlockAnswer) |
//! | `GET /blocks/{height}/certificate` | [`CertificateAnswer`](answers::CertificateAnswer): that it is final, by signatures of the validators |
//! | `GET /accounts/{account}` | [`AccountAnswer`](answers::AccountAnswer) |
//! | `POST /query`, [`QueryRequest`](answers::QueryRequest) | [`QueryAnswer`](answers::QueryAnswer) |
//! | `GET /proof?contract=&name=&key=` | [`ProofAnswer`](answers::ProofAnswer) |
//! | `GET /` | the live page |
//!
//! Bodies, times, connections and queries have limits; whatever goes wrong is an [`ErrorAnswer`](error::ErrorAnswer). The VM runs on threads of its own.

pub mod answers;
mod blocks;
mod body;
pub mod error;
mod server;
mod state;
mod transactions;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::ACCESS_CONTROL_ALLOW_ORIGIN;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use commonware_cryptography::Signer as _;
use crostata::serve::{Service, ServiceSettings};
use crostata_chain::{Alarms, Inbox, Keys, Marshal};
use crostata_machine::{Account, Machine as _, VmMachine};

use crate::config::{HttpConfig, public_key_bytes};
use crate::hex::Hex32;
use crate::receipts::Receipts;
use crate::recent::Recent;
use answers::Status;
use error::ApiError;

pub(crate) use server::serve;

/// Why clients can not be served.
pub type StartError = crostata::serve::StartError;

/// What answering needs of the node.
pub(crate) struct Parts {
    /// What is final, and its VM.
    pub machine: Arc<VmMachine>,
    /// Where transactions come in.
    pub inbox: Inbox<VmMachine>,
    /// Knows decided blocks.
    pub marshal: Marshal,
    /// Knows the latest, with their receipts.
    pub recent: Recent,
    /// Has their receipts after a restart, too.
    pub receipts: Receipts,
    /// What the operator must know.
    pub alarms: Alarms,
    /// Who the node is.
    pub keys: Keys,
    /// The limits.
    pub limits: HttpConfig,
}

/// Answers clients. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Api(Arc<Answering>);

pub(crate) struct Answering {
    parts: Parts,
    service: Service,
    /// So many submissions look at signatures and the state at once.
    submitting: tokio::sync::Semaphore,
}

impl std::ops::Deref for Api {
    type Target = Answering;

    fn deref(&self) -> &Answering {
        &self.0
    }
}

impl Api {
    /// Starts the threads that answer queries.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn new(parts: Parts) -> Result<Self, StartError> {
        let settings = ServiceSettings {
            timeout: Duration::from_millis(parts.limits.query_timeout_ms),
            limit_gas_max: parts.limits.query_gas_max,
            ..ServiceSettings::default()
        };
        let service = Service::new(parts.machine.vm().clone(), settings)?;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let api = Self(Arc::new(Answering {
            parts,
            service,
            submitting: tokio::sync::Semaphore::new(threads),
        }));
        tokio::spawn(blocks::remember(api.clone()));
        Ok(api)
    }

    /// What is asked, and who answers.
    pub fn router(self, limits: &HttpConfig) -> Router {
        Router::new()
            .route("/", get(|| async { Html(PAGE) }))
            .route("/status", get(status))
            .route("/transactions", post(transactions::submit))
            .route("/transactions/batch", post(transactions::submit_batch))
            .route("/transactions/{digest}", get(transactions::get))
            .route("/blocks", get(blocks::list))
            .route("/blocks/{height}", get(blocks::get))
            .route("/blocks/{height}/certificate", get(blocks::certificate))
            .route("/accounts/{account}", get(state::account))
            .route("/query", post(state::query))
            .route("/proof", get(state::proof))
            .fallback(async || ApiError::NotFound("there is nothing at this path".to_owned()))
            .method_not_allowed_fallback(async || ApiError::Request {
                status: StatusCode::METHOD_NOT_ALLOWED,
                message: "this path is asked for in another way, GET or POST".to_owned(),
            })
            .layer(DefaultBodyLimit::disable())
            .layer(from_fn_with_state(limits.body_bytes_max, body::whole))
            .layer(from_fn_with_state(limits.timeout_ms, within))
            .with_state(self)
    }
}

/// The live page.
const PAGE: &str = include_str!("page.html");

/// Gives a request so much time and no more.
async fn within(State(after_ms): State<u64>, request: Request, next: Next) -> Response {
    let limit = Duration::from_millis(after_ms);
    let answered = tokio::time::timeout(limit, next.run(request)).await;
    let mut answer = answered.unwrap_or_else(|_| ApiError::Timeout { after_ms }.into_response());
    // All that can be read is public, and the page of one node reads from the others.
    let anybody = HeaderValue::from_static("*");
    answer
        .headers_mut()
        .insert(ACCESS_CONTROL_ALLOW_ORIGIN, anybody);
    answer
}

async fn status(State(api): State<Api>) -> Json<Status> {
    let parts = &api.parts;
    let finalized = parts.machine.finalized();
    let public_key = parts.keys.key.public_key();
    let bytes = public_key_bytes(&public_key);
    let alarms = parts.alarms.raised();
    Json(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        name: parts.machine.rules().chain.clone(),
        chain: Hex32(parts.machine.chain().to_bytes()),
        public_key: Hex32(bytes),
        account: Hex32(Account::of_key(&bytes).to_bytes()),
        validator: parts.keys.committee.position(&public_key).is_some(),
        validators: parts.keys.committee.len(),
        height: finalized.height,
        block: Hex32(finalized.digest.to_bytes()),
        state_root: Hex32(finalized.state_root.to_bytes()),
        waiting: parts.inbox.pool().lock().len(),
        alarms: alarms.iter().map(ToString::to_string).collect(),
    })
}

/// Has the VM do something, on a thread for such work.
pub(crate) async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| ApiError::Stopping)
}
