//! Piecrust's side: answers the parent about each case. Not for running by hand.

use std::error::Error;
use std::io;
use std::time::Instant;

use crostata_peer_cases::{Failure, Id, Machine, Transfer, serve};
use piecrust::{ContractId, PageOpening, SessionData, VM};
use tempfile::TempDir;

/// Enough for everything.
const LIMIT: u64 = 1 << 50;

struct Piecrust {
    vm: VM,
    /// Its own ephemeral VM removes its directory too early.
    _directory: TempDir,
}

struct Session(piecrust::Session);

/// A page with its opening.
struct Proof {
    page: Vec<u8>,
    opening: PageOpening,
}

/// What it proves.
const PAGE_BYTES: usize = 1 << 16;

impl Machine for Piecrust {
    type Session = Session;
    type Commit = [u8; 32];
    type Prover = Session;
    type Proof = Proof;

    fn open() -> Result<Self, Failure> {
        let directory = tempfile::tempdir()?;
        let vm = VM::new(directory.path()).map_err(text)?;
        Ok(Self {
            vm,
            _directory: directory,
        })
    }

    fn session(&self, base: Option<&[u8; 32]>) -> Result<Session, Failure> {
        let data = SessionData::builder();
        let data = match base {
            Some(base) => data.base(*base),
            None => data,
        };
        Ok(Session(self.vm.session(data).map_err(text)?))
    }

    fn block(&self, base: &[u8; 32], transactions: &[Transfer]) -> Result<[u8; 32], Failure> {
        let data = SessionData::builder().base(*base);
        let mut session = self.vm.session(data).map_err(text)?;
        for transfer in transactions {
            let contract = ContractId::from_bytes(transfer.contract);
            let argument = transfer.argument.clone();
            let called = session.call_raw(contract, transfer.function, argument, LIMIT);
            called.map_err(text)?;
        }
        let _vote = session.root();
        session.commit().map_err(text)
    }

    fn reopen(self) -> Result<(Self, Instant), Failure> {
        let Self { vm, _directory } = self;
        drop(vm);
        let closed = Instant::now();
        let vm = VM::new(_directory.path()).map_err(text)?;
        Ok((Self { vm, _directory }, closed))
    }

    fn delete(&self, commit: [u8; 32]) -> Result<(), Failure> {
        self.vm.delete_commit(commit).map_err(text)
    }

    /// Only contracts that a session has called have openings.
    fn prover(&self, base: &[u8; 32], contract: Id) -> Result<Session, Failure> {
        let mut session = self.session(Some(base))?;
        crostata_peer_cases::Session::call(&mut session, contract, "fib", &1_u32.to_le_bytes())?;
        Ok(session)
    }

    /// The call that loads the contract has changed it.
    fn root_of(session: &mut Session) -> Result<Id, Failure> {
        Ok(session.0.root())
    }

    fn prove_byte(
        &self,
        session: &mut Session,
        contract: Id,
        address: u64,
    ) -> Result<Proof, Failure> {
        let wanted = address as usize / PAGE_BYTES;
        let pages = session.0.memory_pages(ContractId::from_bytes(contract));
        let mut pages = pages.ok_or("no such contract")?;
        let found = pages.find(|(page, ..)| *page == wanted);
        let (_, page, opening) = found.ok_or("no such page")?;
        let page = page.to_vec();
        Ok(Proof { page, opening })
    }

    /// Without decoding. Contract and address are bound by nothing.
    fn verify_byte(proof: &Proof, root: &Id, _: Id, address: u64) -> Result<u8, Failure> {
        let Proof { page, opening } = proof;
        match opening.verify(page) && opening.root().as_ref() == root.as_slice() {
            true => Ok(page[address as usize % PAGE_BYTES]),
            false => Err("the opening does not verify".into()),
        }
    }

    fn proof_bytes(proof: &Proof) -> Result<usize, Failure> {
        let opening = rkyv::to_bytes::<_, 4096>(&proof.opening);
        let opening = opening.map_err(|error| error.to_string())?;
        Ok(opening.len() + proof.page.len())
    }
}

impl crostata_peer_cases::Session for Session {
    type Commit = [u8; 32];

    fn deploy(&mut self, code: &[u8], id: Id) -> Result<(), Failure> {
        let id = ContractId::from_bytes(id);
        let deployed = self.0.deploy_raw(Some(id), code, None, vec![0; 32], LIMIT);
        deployed.map_err(text)?;
        Ok(())
    }

    fn call(&mut self, id: Id, function: &str, argument: &[u8]) -> Result<Vec<u8>, Failure> {
        let id = ContractId::from_bytes(id);
        let called = self.0.call_raw(id, function, argument, LIMIT);
        Ok(called.map_err(text)?.data)
    }

    fn root(&mut self) -> Result<Id, Failure> {
        Ok(self.0.root())
    }

    fn commit(self) -> Result<[u8; 32], Failure> {
        self.0.commit().map_err(text)
    }
}

/// Its errors can not be sent between threads.
fn text(error: impl Error) -> Failure {
    error.to_string().into()
}

fn main() -> io::Result<()> {
    serve::<Piecrust>()
}
