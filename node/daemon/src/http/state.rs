//! The final state: accounts, queries, proofs.

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use crostata::serve::{self, QueryHandle};
use crostata::{Commit, ContractId, Value, ValuePath};
use crostata_machine::{Account, Machine as _};

use super::answers::{
    AccountAnswer, EventAnswer, ProofAnswer, ProofRequest, QueryAnswer, QueryRequest,
};
use super::error::ApiError;
use super::server::Client;
use super::{Api, on_thread};
use crate::hex::{Hex, Hex32};

/// How often what is asked of the final state is asked again, when another state became final in between.
const AGAIN_MAX: usize = 8;

pub async fn account(
    State(api): State<Api>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<AccountAnswer>, ApiError> {
    let Hex32(account) = path?.0.parse()?;
    let account = Account::from_bytes(account);
    let machine = api.parts.machine.clone();
    let state = on_thread(move || machine.account(&account)).await??;
    let pool = api.parts.inbox.pool().lock();
    let next_nonce = pool.next_nonce(&account, state.nonce);
    Ok(Json(AccountAnswer::new(state, next_nonce)))
}

pub async fn query(
    State(api): State<Api>,
    Extension(client): Extension<Client>,
    request: Result<Json<QueryRequest>, JsonRejection>,
) -> Result<Json<QueryAnswer>, ApiError> {
    let Json(request) = request?;
    let contract = ContractId::from_bytes(request.contract.0);
    let mut query = serve::Query::new(contract, request.function)
        .argument_raw(request.argument.0)
        .client(client.0);
    query.limit_gas = request.limit_gas;
    let asked = |commit| api.service.query(query.clone().at(commit));
    let (_, commit, answer) = at_final(&api, asked).await?;
    let receipt = answer.receipt;
    Ok(Json(QueryAnswer {
        block: Hex32(commit.tag),
        state_root: Hex32(commit.root.to_bytes()),
        data: Hex(receipt.data),
        gas_spent: receipt.gas_spent,
        events: receipt.events.iter().map(EventAnswer::from).collect(),
    }))
}

pub async fn proof(
    State(api): State<Api>,
    Extension(client): Extension<Client>,
    request: Result<Query<ProofRequest>, QueryRejection>,
) -> Result<Json<ProofAnswer>, ApiError> {
    let Query(request) = request?;
    let contract = ContractId::from_bytes(request.contract.0);
    let path = match request.key {
        Some(key) => ValuePath::key(request.name, Value::from(key.0)),
        None => ValuePath::from(request.name.as_str()),
    };
    let service = &api.service;
    let asked = |commit| service.prove_value(commit, contract, path.clone(), client.0);
    let (height, commit, proof) = at_final(&api, asked).await?;
    Ok(Json(ProofAnswer {
        height,
        block: Hex32(commit.tag),
        state_root: Hex32(commit.root.to_bytes()),
        proof: Hex(proof.encode()),
    }))
}

/// Asks something of the final state, and says which that was. One that was final a moment ago may be gone.
async fn at_final<T>(
    api: &Api,
    ask: impl Fn(Commit) -> QueryHandle<T>,
) -> Result<(u64, Commit, T), ApiError> {
    let mut again = 0;
    loop {
        let (finalized, commit) = api.parts.machine.latest();
        match ask(commit).await {
            Ok(answer) => return Ok((finalized.height, commit, answer)),
            Err(_) if again < AGAIN_MAX && api.parts.machine.commit() != commit => again += 1,
            Err(error) => return Err(error.into()),
        }
    }
}
