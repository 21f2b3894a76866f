//! Piecrust's side: answers the parent about each case. Not for running by hand.

use std::error::Error;
use std::io;
use std::time::Instant;

use crostata_peer_cases::{Failure, Id, Machine, serve};
use piecrust::{ContractId, SessionData, VM};
use tempfile::TempDir;

/// Enough for everything.
const LIMIT: u64 = 1 << 50;

struct Piecrust {
    vm: VM,
    /// Its own ephemeral VM removes its directory too early.
    _directory: TempDir,
}

struct Session(piecrust::Session);

impl Machine for Piecrust {
    type Session = Session;
    type Commit = [u8; 32];

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
