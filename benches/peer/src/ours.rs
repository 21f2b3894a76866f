//! Crostata's side of the comparison.

use std::time::Instant;

use crostata::{
    BlockContext, BlockSettings, Commit, ContractData, ContractId, ProofItem, Root, SessionData,
    StateProof, Transaction, VM,
};
use crostata_peer_cases::{Failure, Id, Machine, Transfer};
use tempfile::TempDir;

/// Enough for everything.
const LIMIT: u64 = 1 << 50;

/// A VM in a directory that goes with it.
pub struct Crostata {
    vm: VM,
    _directory: TempDir,
}

/// One of its sessions.
pub struct Session(crostata::Session);

impl Machine for Crostata {
    type Session = Session;
    type Commit = Commit;
    type Prover = Commit;
    type Proof = Vec<u8>;

    fn open() -> Result<Self, Failure> {
        let directory = tempfile::tempdir()?;
        let vm = VM::new(directory.path())?;
        Ok(Self {
            vm,
            _directory: directory,
        })
    }

    fn session(&self, base: Option<&Commit>) -> Result<Session, Failure> {
        let data = SessionData::builder();
        let data = match base {
            Some(base) => data.base(*base),
            None => data,
        };
        Ok(Session(self.vm.session(data)?))
    }

    fn block(&self, base: &Commit, transactions: &[Transfer]) -> Result<Commit, Failure> {
        let settings = BlockSettings::new(BlockContext::new(1, 0), u64::MAX).base(*base);
        let mut block = self.vm.block(settings)?;
        for transfer in transactions {
            let contract = ContractId::from_bytes(transfer.contract);
            let argument = transfer.argument.clone();
            let call = Transaction::call_raw(contract, transfer.function, argument, LIMIT);
            if !block.execute(&call)?.outcome.is_success() {
                return Err("a transfer failed".into());
            }
        }
        let sealed = block.seal([0; 32])?;
        let _vote = (sealed.root(), sealed.receipts_root());
        Ok(sealed.commit()?)
    }

    fn reopen(self) -> Result<(Self, Instant), Failure> {
        let Self { vm, _directory } = self;
        drop(vm);
        let closed = Instant::now();
        let vm = VM::new(_directory.path())?;
        Ok((Self { vm, _directory }, closed))
    }

    fn delete(&self, commit: Commit) -> Result<(), Failure> {
        self.vm.delete_commit(commit)?;
        Ok(())
    }

    fn prover(&self, base: &Commit, _: Id) -> Result<Commit, Failure> {
        Ok(*base)
    }

    fn root_of(base: &mut Commit) -> Result<Id, Failure> {
        Ok(base.root.to_bytes())
    }

    fn prove_byte(
        &self,
        base: &mut Commit,
        contract: Id,
        address: u64,
    ) -> Result<Vec<u8>, Failure> {
        let byte = ProofItem::bytes(ContractId::from_bytes(contract), address, 1);
        Ok(self.vm.prove(*base, &[byte])?.encode())
    }

    /// From the bytes that are sent, so decoding included.
    fn verify_byte(proof: &Vec<u8>, root: &Id, contract: Id, address: u64) -> Result<u8, Failure> {
        let state = StateProof::decode(proof)?.verify(&Root::from_bytes(*root))?;
        let bytes = state.bytes(&ContractId::from_bytes(contract), address, 1)?;
        Ok(bytes[0])
    }

    fn proof_bytes(proof: &Vec<u8>) -> Result<usize, Failure> {
        Ok(proof.len())
    }
}

impl crostata_peer_cases::Session for Session {
    type Commit = Commit;

    fn deploy(&mut self, code: &[u8], id: Id) -> Result<(), Failure> {
        let data = ContractData::builder()
            .owner([0; 32])
            .contract_id(ContractId::from_bytes(id));
        self.0.deploy(code, data, LIMIT)?;
        Ok(())
    }

    fn call(&mut self, id: Id, function: &str, argument: &[u8]) -> Result<Vec<u8>, Failure> {
        let id = ContractId::from_bytes(id);
        Ok(self.0.call_raw(id, function, argument, LIMIT)?.data)
    }

    fn root(&mut self) -> Result<Id, Failure> {
        Ok(*self.0.root()?.as_bytes())
    }

    fn commit(mut self) -> Result<Commit, Failure> {
        Ok(self.0.commit()?)
    }
}
