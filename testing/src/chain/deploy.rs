//! Deployments of a test.

use std::sync::Arc;

use crostata_abi::ContractId;
use crostata_abi::typed::{Encode, encode};

use super::called::Called;
use super::{Chain, expect};
use crate::machine::{Deployment, Machine, MachineError, Request, Response};

/// Code to deploy, with what is known of it beside.
#[derive(Debug, Clone)]
pub struct Code {
    /// The bytes that are deployed.
    pub wasm: Arc<[u8]>,
    /// The same with its debug information, for traces.
    pub unstripped: Option<Arc<[u8]>>,
    /// What it is called where it gets no other label.
    pub name: Option<String>,
}

impl From<&[u8]> for Code {
    fn from(wasm: &[u8]) -> Self {
        let (wasm, unstripped, name) = (wasm.into(), None, None);
        Self {
            wasm,
            unstripped,
            name,
        }
    }
}

impl<const N: usize> From<&[u8; N]> for Code {
    fn from(wasm: &[u8; N]) -> Self {
        wasm.as_slice().into()
    }
}

impl From<Vec<u8>> for Code {
    fn from(wasm: Vec<u8>) -> Self {
        wasm.as_slice().into()
    }
}

/// A deployment that is being put together: [`send`](Self::send) ends it.
#[must_use = "nothing is deployed before `send`"]
pub struct Deploy<'a, M: Machine> {
    chain: &'a mut Chain<M>,
    code: Code,
    deployment: Deployment,
    label: Option<String>,
}

/// How a deployment went.
#[derive(Debug)]
pub struct Deployed {
    /// The contract's id, if the deployment succeeded.
    pub contract: ContractId,
    /// Gas of the code, outside of the gas limit.
    pub code_gas: u64,
    /// How `init` went, with the bytes it gave; what a failed deployment failed at.
    pub init: Called<Vec<u8>>,
}

impl<'a, M: Machine + 'static> Deploy<'a, M> {
    pub(super) fn new(chain: &'a mut Chain<M>, code: Code) -> Self {
        let deployment = Deployment {
            code: code.wasm.to_vec(),
            // The same code can be deployed again.
            nonce: chain.deployments,
            gas_limit: chain.gas_limit,
            ..Deployment::default()
        };
        Self {
            chain,
            code,
            deployment,
            label: None,
        }
    }

    /// Sets the owner: up to 255 bytes, an account's id for example. Empty by default.
    pub fn owner(mut self, owner: impl Into<Vec<u8>>) -> Self {
        self.deployment.owner = owner.into();
        self
    }

    /// Sets the argument of `init`.
    ///
    /// # Panics
    /// When its archive does not fit the argument buffer.
    #[track_caller]
    pub fn init<A: Encode>(self, argument: &A) -> Self {
        match encode(argument) {
            Ok(bytes) => self.init_raw(bytes),
            Err(error) => panic!("the argument of `init`: {error}"),
        }
    }

    /// Sets the bytes of the argument of `init`.
    pub fn init_raw(mut self, argument: impl Into<Vec<u8>>) -> Self {
        self.deployment.init = Some(argument.into());
        self
    }

    /// Sets the id, instead of the one that follows from code, owner, argument and nonce.
    pub fn id(mut self, contract: ContractId) -> Self {
        self.deployment.contract = Some(contract);
        self
    }

    /// Sets the nonce, which counts the chain's deployments otherwise.
    pub fn nonce(mut self, nonce: u64) -> Self {
        self.deployment.nonce = nonce;
        self
    }

    /// Names the contract in all texts.
    pub fn label(mut self, name: impl Into<String>) -> Self {
        self.label = Some(name.into());
        self
    }

    /// Sets the gas limit of `init`.
    pub fn gas_limit(mut self, gas_limit: u64) -> Self {
        self.deployment.gas_limit = gas_limit;
        self
    }

    /// Deploys, and gives the contract's id.
    ///
    /// # Panics
    /// When the deployment fails, with the trace of `init`.
    #[track_caller]
    pub fn send(self) -> ContractId {
        let deployed = self.try_send();
        deployed.init.expect_success();
        deployed.contract
    }

    /// Deploys, and tells how it went.
    #[track_caller]
    pub fn try_send(self) -> Deployed {
        let Self {
            chain,
            code,
            deployment,
            label,
        } = self;
        if let Some(unstripped) = &code.unstripped {
            let unstripped = unstripped.to_vec();
            expect(chain.shared.done(Request::KnowCode { unstripped }));
            chain.shared.recording.keep(&code);
        }
        let response = expect(chain.shared.ask(Request::Deploy(deployment)));
        let Response::Deployed {
            contract,
            code_gas,
            init,
        } = response
        else {
            super::fail(MachineError::unexpected("Deploy", &response))
        };
        chain.deployments += 1;
        if let Some(name) = label.or(code.name) {
            expect(chain.shared.label(contract, name));
        }
        Deployed {
            contract,
            code_gas,
            init: Called::new(&chain.shared, contract, "init", init),
        }
    }
}
