//! Savepoints of a session: everything since a moment undone at once, a transaction of a block for example.
//!
//! They nest. A savepoint covers the state of every contract, deployments and migrations, and session data. It
//! costs nothing until something changes; then each page is copied before its first write.
//! Events are in the receipts of calls: of those that a rollback undoes, the embedder drops the receipts.

use std::sync::atomic::{AtomicU64, Ordering};

use crostata_abi::ContractId;
use crostata_proof::CodeHash;

use super::contract::SessionContract;
use super::error::{Error, Rejected};
use super::run::Session;
use crate::engine::Place;

/// A moment of a session that it can return to, from [`Session::savepoint`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Savepoint(u64);

impl Savepoint {
    /// A savepoint like no other in this process.
    fn unique() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// The savepoints that are open, and what undoing to each takes beside the runner's scopes.
#[derive(Default)]
pub struct Journal {
    open: Vec<Open>,
    changes: Vec<Change>,
    /// Savepoints of running migrations and below: only a migration's end may touch them.
    held: usize,
}

struct Open {
    savepoint: Savepoint,
    changes_before: usize,
}

/// What to put back.
pub enum Change {
    /// A contract's id, the place in the runner that it named, and what the session knew of it.
    Contract {
        contract: ContractId,
        place: Option<Place>,
        before: Option<Box<SessionContract>>,
    },
    /// A session datum, with its bytes before.
    Datum {
        name: String,
        before: Option<Vec<u8>>,
    },
    /// Code that was new to the session.
    Code(CodeHash),
}

impl Journal {
    /// Remembers how to undo a change, if there is a savepoint that may want it.
    pub fn note(&mut self, change: impl FnOnce() -> Change) {
        if !self.open.is_empty() {
            self.changes.push(change());
        }
    }

    /// Whether a savepoint is open.
    pub fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Where a savepoint is that the embedder may end.
    fn position(&self, savepoint: Savepoint) -> Result<usize, Error> {
        let found = self
            .open
            .iter()
            .position(|open| open.savepoint == savepoint);
        let found = found.filter(|at| *at >= self.held);
        found.ok_or_else(|| Rejected::UnknownSavepoint.into())
    }
}

impl Session {
    /// Marks this moment. Costs nothing until something changes.
    ///
    /// ```
    /// # use crostata::{SessionData, VM};
    /// let vm = VM::ephemeral()?;
    /// let mut session = vm.session(SessionData::builder())?;
    /// let before = session.savepoint()?;
    /// session.set_meta("block_height", &7u64)?;
    /// session.rollback(before)?;
    /// assert_eq!(session.meta("block_height"), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Fatal`] if the session is unusable.
    pub fn savepoint(&mut self) -> Result<Savepoint, Error> {
        let savepoint = self.take_savepoint()?;
        self.record_savepoint(savepoint);
        Ok(savepoint)
    }

    fn take_savepoint(&mut self) -> Result<Savepoint, Error> {
        self.runner_mut()?.savepoint();
        let savepoint = Savepoint::unique();
        self.journal.open.push(Open {
            savepoint,
            changes_before: self.journal.changes.len(),
        });
        Ok(savepoint)
    }

    /// Makes everything what it was at `savepoint`, which is gone then, like those taken after it. Costs O(pages
    /// written since).
    ///
    /// # Errors
    /// [`Rejected::UnknownSavepoint`] for one that is gone, of another session, or from before the migration whose
    /// closure this runs in; [`Error::Fatal`].
    pub fn rollback(&mut self, savepoint: Savepoint) -> Result<(), Error> {
        let position = self.journal.position(savepoint)?;
        while self.journal.open.len() > position {
            let undone = self.runner_mut()?.rollback();
            if let Err(fault) = undone {
                self.poisoned = true;
                return Err(fault.into());
            }
            self.undo_changes();
        }
        self.runner_mut()?.settle();
        self.record_rollback(savepoint);
        Ok(())
    }

    /// Forgets `savepoint` and those taken after it, keeping what happened since.
    ///
    /// # Errors
    /// As [`rollback`](Self::rollback).
    pub fn release(&mut self, savepoint: Savepoint) -> Result<(), Error> {
        let position = self.journal.position(savepoint)?;
        while self.journal.open.len() > position {
            self.journal.open.pop();
            self.runner_mut()?.release();
        }
        if self.journal.open.is_empty() {
            self.journal.changes.clear();
        }
        self.record_release(savepoint);
        Ok(())
    }

    /// Keeps everything and forgets every savepoint: what is committed can not be undone.
    pub(super) fn release_all(&mut self) -> Result<(), Error> {
        match self.journal.open.first() {
            Some(first) => self.release(first.savepoint),
            None => Ok(()),
        }
    }

    /// A savepoint that the embedder can not end, nor those before it, until it is given to
    /// [`end_hold`](Self::end_hold).
    pub(super) fn hold(&mut self) -> Result<Hold, Error> {
        let before = self.journal.held;
        let savepoint = self.take_savepoint()?;
        self.journal.held = self.journal.open.len();
        Ok(Hold { savepoint, before })
    }

    /// Hands a held savepoint back; `None` if this is not the session that held it, as it was.
    pub(super) fn end_hold(&mut self, hold: &Hold) -> Option<Savepoint> {
        let at = self.journal.held.checked_sub(1)?;
        let open = self.journal.open.get(at)?;
        if open.savepoint != hold.savepoint {
            return None;
        }
        self.journal.held = hold.before;
        Some(hold.savepoint)
    }

    /// Whether a migration is running.
    pub(super) fn is_held(&self) -> bool {
        self.journal.held > 0
    }

    /// Undoes the changes since the innermost savepoint, which is gone then.
    fn undo_changes(&mut self) {
        let Some(open) = self.journal.open.pop() else {
            return;
        };
        let changes = self.journal.changes.split_off(open.changes_before);
        for change in changes.into_iter().rev() {
            self.undo(change);
        }
    }

    fn undo(&mut self, change: Change) {
        let Some(runner) = &mut self.runner else {
            return;
        };
        match change {
            Change::Contract {
                contract,
                place,
                before,
            } => {
                runner.name(contract, place);
                let contracts = &mut runner.host_mut().contracts;
                match before {
                    Some(before) => contracts.insert(contract, *before),
                    None => contracts.remove(&contract),
                };
                runner.host_mut().renounce(&contract);
            }
            Change::Datum { name, before } => {
                let data = &mut runner.host_mut().data.data;
                match before {
                    Some(before) => data.insert(name, before),
                    None => data.remove(&name),
                };
            }
            Change::Code(hash) => {
                self.code.remove(&hash);
            }
        }
    }
}

/// A savepoint held by a migration.
pub struct Hold {
    savepoint: Savepoint,
    before: usize,
}
