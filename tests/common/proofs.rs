//! What a proof shows of one contract, asked as a light client asks.
#![allow(
    dead_code,
    reason = "each test file uses a part of what is shared here"
)]

use std::error::Error;

use crostata::{ContractId, PageIndex, Root, StateProof};
use crostata_proof::{ContractRecord, NotShown, PageBytes};

/// A page of a contract's memory at a root.
pub fn shown_page(
    proof: &StateProof,
    root: &Root,
    contract: &ContractId,
    page: PageIndex,
) -> Result<Box<PageBytes>, Box<dyn Error>> {
    let state = proof.clone().verify(root)?;
    let page = state.page(contract, page)?;
    Ok(Box::new(**page))
}

/// The record of a contract at a root.
pub fn shown_record(
    proof: &StateProof,
    root: &Root,
    contract: &ContractId,
) -> Result<ContractRecord, Box<dyn Error>> {
    let state = proof.clone().verify(root)?;
    let record = state.contract(contract)?.cloned();
    let contract = *contract;
    Ok(record.ok_or(NotShown::NoContract { contract })?)
}
