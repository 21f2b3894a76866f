//! Bodies of requests: read wholly before anything is answered, so that whoever is refused sees why. A connection that ends while its client still
//! sends may take the answer with it.

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;

use super::error::ApiError;

/// Of what is too long so many times the limit is read, and thrown away; who sends more sees the connection end.
const THROWN_AWAY: usize = 8;

/// Hands on requests whose body is no longer than the limit.
pub async fn whole(State(max_bytes): State<usize>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    match read(body, max_bytes).await {
        Ok(bytes) => next.run(Request::from_parts(parts, bytes.into())).await,
        Err(error) => error.into_response(),
    }
}

async fn read(body: Body, max_bytes: usize) -> Result<Bytes, ApiError> {
    let mut parts = body.into_data_stream();
    let mut bytes = Vec::new();
    let mut len_bytes: usize = 0;
    while let Some(part) = parts.next().await {
        let part = part.map_err(|error| ApiError::Request {
            status: StatusCode::BAD_REQUEST,
            message: format!("the body ends after {len_bytes} bytes: {error}"),
        })?;
        len_bytes = len_bytes.saturating_add(part.len());
        if len_bytes <= max_bytes {
            bytes.extend_from_slice(&part);
        }
        if len_bytes > max_bytes.saturating_mul(THROWN_AWAY) {
            break;
        }
    }
    match len_bytes <= max_bytes {
        true => Ok(bytes.into()),
        false => Err(ApiError::Request {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            message: format!("the body is longer than {max_bytes} bytes, which this node takes"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refused(parts: Vec<usize>, max_bytes: usize) -> Result<usize, ApiError> {
        let parts = parts.into_iter();
        let parts = parts.map(|len| Ok::<_, std::io::Error>(Bytes::from(vec![0; len])));
        let body = Body::from_stream(futures::stream::iter(parts));
        read(body, max_bytes).await.map(|bytes| bytes.len())
    }

    /// P7: a body of the limit's length is taken; of a longer one no more than the limit is kept, and it is read on, so that its sender sees the answer.
    #[tokio::test]
    async fn long_bodies_are_refused_when_they_were_read() {
        assert_eq!(refused(vec![], 10).await.unwrap(), 0);
        assert_eq!(refused(vec![4, 6], 10).await.unwrap(), 10);
        let error = refused(vec![4, 7], 10).await.unwrap_err();
        assert!(error.to_string().contains("longer than 10"), "{error}");
        let taken = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counting = taken.clone();
        let endless = std::iter::repeat_with(move || {
            counting.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Ok::<_, std::io::Error>(Bytes::from_static(&[0; 5]))
        });
        let body = Body::from_stream(futures::stream::iter(endless));
        assert!(read(body, 10).await.is_err());
        let taken = taken.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(taken, 10 * THROWN_AWAY / 5 + 1);
    }
}
