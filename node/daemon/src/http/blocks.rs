//! Blocks: the latest from memory, older ones from what the engine keeps; and that they are final.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use commonware_consensus::types::Height;
use crostata_chain::prove_final;
use crostata_machine::{Block, Machine as _};
use serde::Deserialize;

use super::Api;
use super::answers::{BlockAnswer, CertificateAnswer};
use super::error::ApiError;
use crate::hex::Hex;

/// The most blocks that are listed at once.
const LIST_MAX: u64 = 100;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    from: Option<u64>,
    limit: Option<u64>,
}

pub async fn list(
    State(api): State<Api>,
    range: Result<Query<Range>, QueryRejection>,
) -> Result<Json<Vec<BlockAnswer>>, ApiError> {
    let Query(Range { from, limit }) = range?;
    let top = api.parts.machine.finalized().height;
    let limit = limit.unwrap_or(LIST_MAX).min(LIST_MAX);
    let from = from.unwrap_or(top.saturating_add(1).saturating_sub(limit));
    let mut blocks = Vec::new();
    for height in from..from.saturating_add(limit).min(top.saturating_add(1)) {
        // A node that joined late does not have what was before.
        blocks.extend(find(&api, height).await);
    }
    Ok(Json(blocks))
}

pub async fn get(
    State(api): State<Api>,
    path: Result<Path<u64>, PathRejection>,
) -> Result<Json<BlockAnswer>, ApiError> {
    let Path(height) = path?;
    let top = api.parts.machine.finalized().height;
    let missing = || {
        ApiError::NotFound(format!(
            "there is no block {height} here: {top} is the latest that is final, and a node that joined late does not have all before"
        ))
    };
    find(&api, height).await.map(Json).ok_or_else(missing)
}

/// That a block is final.
pub async fn certificate(
    State(api): State<Api>,
    path: Result<Path<u64>, PathRejection>,
) -> Result<Json<CertificateAnswer>, ApiError> {
    let Path(height) = path?;
    let proof = prove_final(&api.parts.marshal, api.parts.machine.genesis(), height).await?;
    Ok(Json(CertificateAnswer {
        height,
        proof: Hex(proof.encode()),
    }))
}

/// A final block.
async fn find(api: &Api, height: u64) -> Option<BlockAnswer> {
    if height > api.parts.machine.finalized().height {
        return None;
    }
    if let Some(known) = api.parts.recent.block(height) {
        return Some(BlockAnswer::of_final(&known));
    }
    let block = decided(api, height).await?;
    Some(BlockAnswer::new(&block, None))
}

async fn decided(api: &Api, height: u64) -> Option<Block> {
    if height == 0 {
        return Some(api.parts.machine.genesis().clone());
    }
    let block = api.parts.marshal.get_block(Height::new(height)).await?;
    Some(block.inner().block().clone())
}

/// Remembers where transactions are that became final before the node was started. Their receipts are on the disk.
pub async fn remember(api: Api) {
    let top = api.parts.machine.finalized().height;
    for height in (0..=top).rev() {
        match decided(&api, height).await {
            Some(block) if api.parts.recent.add_before(block.clone()) => {}
            _ => return,
        }
    }
}
