//! Transactions: taking them, and saying what became of them.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use crostata_machine::{Transaction, TransactionDigest};

use super::answers::{FinalAnswer, Submitted, Taken, TransactionAnswer};
use super::error::ApiError;
use super::{Api, on_thread};
use crate::hex::Hex32;

/// The most transactions that are taken at once.
const BATCH_MAX: usize = 4_096;

pub async fn submit(
    State(api): State<Api>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Submitted>, ApiError> {
    let transaction = Transaction::decode(&body?)?;
    let turn = api.submitting.acquire().await;
    let _turn = turn.map_err(|_| ApiError::Stopping)?;
    let inbox = api.parts.inbox.clone();
    let digest = on_thread(move || inbox.submit(&transaction)).await??;
    let transaction = Hex32(digest.to_bytes());
    Ok(Json(Submitted { transaction }))
}

pub async fn submit_batch(
    State(api): State<Api>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Vec<Taken>>, ApiError> {
    let body = body?;
    let turn = api.submitting.acquire().await;
    let _turn = turn.map_err(|_| ApiError::Stopping)?;
    let taking = api.clone();
    let taken = on_thread(move || {
        let parts = split(&body)?;
        Ok(parts
            .into_iter()
            .map(|bytes| take(&taking, bytes))
            .collect())
    });
    taken.await?.map(Json)
}

fn take(api: &Api, bytes: &[u8]) -> Taken {
    let submitted = Transaction::decode(bytes)
        .map_err(ApiError::from)
        .and_then(|transaction| Ok(api.parts.inbox.submit(&transaction)?));
    match submitted {
        Ok(digest) => Taken::Transaction(Hex32(digest.to_bytes())),
        Err(error) => Taken::Error(error.problem()),
    }
}

/// The transactions of a body.
fn split(mut body: &[u8]) -> Result<Vec<&[u8]>, ApiError> {
    let mut parts = Vec::new();
    while !body.is_empty() {
        let index = parts.len();
        if index == BATCH_MAX {
            return Err(ApiError::Request {
                status: axum::http::StatusCode::PAYLOAD_TOO_LARGE,
                message: format!("at most {BATCH_MAX} transactions are taken at once"),
            });
        }
        let part = body.split_first_chunk().and_then(|(len, rest)| {
            rest.split_at_checked(u32::from_le_bytes(*len) as usize) // usize has 64 bits wherever the VM runs
        });
        let (part, rest) = part.ok_or(ApiError::Cut { index })?;
        parts.push(part);
        body = rest;
    }
    Ok(parts)
}

pub async fn get(
    State(api): State<Api>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<TransactionAnswer>, ApiError> {
    let Hex32(digest) = path?.0.parse()?;
    let digest = TransactionDigest::from_bytes(digest);
    if let Some(placed) = api.parts.recent.transaction(&digest) {
        let mut answer = FinalAnswer::from(&placed);
        if answer.receipt.is_none() {
            let receipts = &api.parts.receipts;
            answer.receipt = receipts.of(answer.height, answer.index).await;
        }
        return Ok(Json(TransactionAnswer::Final(Box::new(answer))));
    }
    match api.parts.inbox.pool().lock().contains(&digest) {
        true => Ok(Json(TransactionAnswer::Waiting)),
        false => Err(ApiError::NotFound(format!(
            "this node does not know transaction {digest}, neither waiting nor in its latest {} blocks",
            api.parts.limits.recent_blocks_max
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P7: bodies of several transactions come apart as they were put together; whatever is cut says where.
    #[test]
    fn bodies_are_split_or_refused() {
        let body = [&[2, 0, 0, 0, 7, 8][..], &[0, 0, 0, 0], &[1, 0, 0, 0, 9]].concat();
        assert_eq!(split(&body).unwrap(), [&[7, 8][..], &[], &[9]]);
        assert!(split(&[]).unwrap().is_empty());
        let whole = [6, 10, body.len()];
        for len in (0..body.len()).filter(|len| *len > 0 && !whole.contains(len)) {
            let cut = split(&body[..len]);
            assert!(matches!(cut, Err(ApiError::Cut { .. })), "{len} bytes");
        }
        assert!(matches!(split(&[0xff; 9]), Err(ApiError::Cut { index: 0 })));
        assert!(split(&vec![0; 4 * (BATCH_MAX + 1)]).is_err());
    }
}
