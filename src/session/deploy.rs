//! Deployments: new code, its memory filled, its constructor run.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use crostata_abi::ContractId;
use crostata_abi::typed::CodecError;
use crostata_proof::{CodeHash, Owner, hash};

use super::context::Context;
use super::contract::{ContractData, SessionContract};
use super::error::{Error, Rejected};
use super::receipt::{CallReceipt, DeployReceipt};
use super::recording::DeployStep;
use super::run::Session;
use super::savepoint::Change;
use crate::engine::{Call, Module};
use crate::memory::ContractMemory;
use crate::observe::Work;

/// The name of the constructor.
const INIT: &str = "init";

impl Session {
    /// Deploys a contract and gives its id. `gas_limit` is for `init`; the code has a price of its own
    /// ([`deploy_price`](Self::deploy_price)).
    ///
    /// # Errors
    /// [`Error::Rejected`] for code that breaks a rule, an id that exists, or bad data; [`Error::Reverted`] if `init`
    /// fails; [`Error::Fatal`]. There is no contract then.
    pub fn deploy(
        &mut self,
        bytecode: impl AsRef<[u8]>,
        data: impl Into<ContractData>,
        gas_limit: u64,
    ) -> Result<ContractId, Error> {
        self.deploy_with_receipt(bytecode, data, gas_limit)
            .map(|receipt| receipt.contract_id)
    }

    /// Deploys a contract and tells what its code and its `init` cost, and what `init` returned.
    ///
    /// # Errors
    /// As [`deploy`](Self::deploy).
    pub fn deploy_with_receipt(
        &mut self,
        bytecode: impl AsRef<[u8]>,
        data: impl Into<ContractData>,
        gas_limit: u64,
    ) -> Result<DeployReceipt, Error> {
        let (bytecode, data) = (bytecode.as_ref(), data.into());
        let argument = init_argument(&data)?;
        let code_hash = hash::code_hash(bytecode);
        let contract_id = data.id(&code_hash);
        let owner = owner(data.owner.unwrap_or_default())?;
        let new = NewContract {
            contract_id,
            code_hash,
            owner,
            argument,
        };
        let observing = self.observed().map(|observed| {
            let code_bytes = bytecode.len();
            observed.during(Work::Deploy { code_bytes })
        });
        let receipt = self.add(bytecode, new, gas_limit);
        drop(observing);
        self.did.deployed += u64::from(receipt.is_ok());
        receipt
    }

    /// Deploys a contract from bytes alone.
    ///
    /// # Errors
    /// As [`deploy`](Self::deploy).
    pub fn deploy_raw(
        &mut self,
        contract_id: Option<ContractId>,
        bytecode: impl AsRef<[u8]>,
        init_arg: Option<Vec<u8>>,
        owner: Vec<u8>,
        gas_limit: u64,
    ) -> Result<ContractId, Error> {
        let data = ContractData {
            owner: Some(owner),
            init_arg: init_arg.map(Ok),
            contract_id,
            nonce: 0,
        };
        self.deploy(bytecode, data, gas_limit)
    }

    /// The price in gas of deploying this code, paid outside of the gas limit: for its length and for what there is to compile.
    /// It is the same on every node, whether the code is known already or not.
    ///
    /// Validates and rewrites the code, unless it did lately, which takes a thirtieth of the time that the price stands for or less. Code that would be rejected
    /// has the price of its length, which an embedder may charge for having it judged.
    pub fn deploy_price(&self, bytecode: impl AsRef<[u8]>) -> u64 {
        self.runner.as_ref().map_or(0, |runner| {
            let runtime = &runner.host().runtime;
            runtime.deploy_price(bytecode.as_ref())
        })
    }

    /// Adds the contract and constructs it.
    fn add(
        &mut self,
        bytecode: &[u8],
        new: NewContract,
        gas_limit: u64,
    ) -> Result<DeployReceipt, Error> {
        let contract = new.contract_id;
        self.record_deploy(bytecode, new.step(gas_limit));
        let context = self.context_mut()?;
        if let Some(watch) = &mut context.watch {
            watch.begin();
        }
        if context.exists(&contract)? {
            return Err(Rejected::ContractExists { contract }.into());
        }
        let module = context.runtime.module_to_deploy(new.code_hash, bytecode)?;
        let protocol = context.runtime.engine().protocol();
        let code_gas = protocol.deploy_price(bytecode.len(), &module.facts.effort);
        let has_init = module.facts.has_init;
        if new.argument.is_some() && !has_init {
            return Err(Rejected::NoInit.into());
        }
        let argument = new.argument.clone().unwrap_or_default();
        let required = module.facts.initial_memory_bytes();
        let memory = module.memory(required, context.runtime.engine().protocol())?;
        let code_hash = new.code_hash;
        if context.runtime.engine().aids().located {
            let code = context.deployed.entry(code_hash);
            code.or_insert_with(|| bytecode.into());
        }
        self.insert(new.contract(module, bytecode), contract, memory)?;
        let init = match has_init {
            true => self.construct(contract, &argument, gas_limit).map(Some)?,
            false => None,
        };
        if let Entry::Vacant(place) = self.code.entry(code_hash) {
            place.insert(bytecode.into());
            self.journal.note(|| Change::Code(code_hash));
        }
        Ok(DeployReceipt {
            contract_id: contract,
            code_gas,
            init,
        })
    }

    fn insert(
        &mut self,
        added: SessionContract,
        contract: ContractId,
        memory: ContractMemory,
    ) -> Result<(), Error> {
        let runner = self.runner_mut()?;
        runner.insert(contract, added.module.clone(), memory);
        runner.host_mut().announce(contract, &added);
        runner.host_mut().contracts.insert(contract, added);
        self.journal.note(|| Change::Contract {
            contract,
            place: None,
            before: None,
        });
        Ok(())
    }

    fn construct(
        &mut self,
        contract: ContractId,
        argument: &[u8],
        limit_gas: u64,
    ) -> Result<CallReceipt<Vec<u8>>, Error> {
        let result = self.run(Call {
            contract,
            function: INIT,
            argument,
            limit_gas,
            init: true,
        });
        if let (Err(_), Some(runner)) = (&result, &mut self.runner) {
            runner.name(contract, None);
            runner.host_mut().contracts.remove(&contract);
            runner.host_mut().renounce(&contract);
            runner.settle();
        }
        result
    }
}

struct NewContract {
    contract_id: ContractId,
    code_hash: CodeHash,
    owner: Owner,
    argument: Option<Vec<u8>>,
}

fn init_argument(data: &ContractData) -> Result<Option<Vec<u8>>, Error> {
    let rejected = |error| {
        let function = INIT.to_owned();
        Error::Rejected(Rejected::Argument { function, error })
    };
    match &data.init_arg {
        None => Ok(None),
        Some(Err(error)) => Err(rejected(error.clone())),
        Some(Ok(bytes)) if bytes.len() > crostata_abi::ARGBUF_LEN => {
            Err(rejected(CodecError::TooLong {
                type_name: "bytes",
                max_bytes: crostata_abi::ARGBUF_LEN,
            }))
        }
        Some(Ok(bytes)) => Ok(Some(bytes.clone())),
    }
}

fn owner(bytes: Vec<u8>) -> Result<Owner, Error> {
    let len_bytes = bytes.len();
    Owner::new(bytes).map_err(|_| Rejected::OwnerTooLong { len_bytes }.into())
}

impl NewContract {
    fn step(&self, gas_limit: u64) -> DeployStep {
        DeployStep {
            contract: self.contract_id,
            code: self.code_hash,
            owner: self.owner.as_bytes().to_vec(),
            init_argument: self.argument.clone(),
            gas_limit,
        }
    }

    fn contract(self, module: Arc<Module<Context>>, bytecode: &[u8]) -> SessionContract {
        SessionContract {
            layout_hash: hash::layout_hash(module.facts.layout.as_deref()),
            module,
            code_hash: self.code_hash,
            code_len_bytes: bytecode.len() as u64,
            owner: self.owner,
            base: None,
        }
    }
}
