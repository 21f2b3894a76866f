//! P1, P7: engines by themselves, without sessions or a store.

mod interface;

use std::sync::Arc;

use crostata_abi::ContractId;

use super::{BlockContext, Fault, FrameEnd, FrameStart, Host, HostQuery, Loaded};

/// A host with nothing: all contracts are those that a runner was given.
struct Nothing;

impl Host for Nothing {
    fn load(&mut self, _: &ContractId) -> Result<Option<Loaded<Self>>, Fault> {
        Ok(None)
    }

    fn code_len(&self, _: &ContractId) -> Result<Option<u64>, Fault> {
        Ok(None)
    }

    fn refuse(&mut self, _: &FrameStart<'_>) -> Option<String> {
        None
    }

    fn started(&mut self, _: &FrameStart<'_>) {}

    fn ended(&mut self, _: &FrameEnd<'_>) {}

    fn emit(&mut self, _: ContractId, _: String, _: Vec<u8>) {}

    fn feed(&mut self, _: Vec<u8>) -> bool {
        false
    }

    fn query(&self, _: &str) -> Option<Arc<dyn HostQuery>> {
        None
    }

    fn block(&self) -> Option<&BlockContext> {
        None
    }

    fn datum(&self, _: &str) -> Option<&[u8]> {
        None
    }

    #[cfg(feature = "libraries")]
    fn data(&self) -> impl Iterator<Item = (&str, &[u8])> {
        std::iter::empty()
    }

    fn owner(&self, _: &ContractId) -> Result<Option<Vec<u8>>, Fault> {
        Ok(None)
    }

    fn debug(&mut self, _: ContractId, _: &[u8]) {}
}
