//! Root and commit of a fresh session that wrote 1,024 pages of a filled area.

use std::time::Instant;

use crate::Case;
use crate::contracts::{Argument, TARGET, World, pages};
use crate::machine::{Failure, Machine, Session};

/// What is timed after the writes.
#[derive(Clone, Copy)]
pub enum What {
    /// Computing the root.
    Root,
    /// Committing. Removing the commit again is not timed.
    Commit,
}

/// Nanoseconds for one root or commit.
pub struct Seal<M: Machine> {
    what: What,
    stride: u32,
    sealed: u8,
    world: World<M>,
}

const PAGES: u32 = 1_024;

impl<M: Machine> Seal<M> {
    pub fn prepare(what: What, stride: u32) -> Result<Box<dyn Case>, Failure> {
        Ok(Box::new(Self {
            what,
            stride,
            sealed: 0,
            world: World::<M>::filled()?,
        }))
    }

    fn written(&mut self) -> Result<M::Session, Failure> {
        // Fill writes odd bytes only, so that this changes every page.
        self.sealed = self.sealed.wrapping_add(2);
        let mut session = self.world.session()?;
        session.call(TARGET, "dirty", &pages(PAGES, self.stride, self.sealed))?;
        Ok(session)
    }
}

impl<M: Machine> Case for Seal<M> {
    fn check(&mut self) -> Result<Vec<u8>, Failure> {
        let commit = self.written()?.commit()?;
        let mut session = self.world.machine.session(Some(&commit))?;
        let places = Argument::default().number(PAGES).number(self.stride);
        let sum = session.call(TARGET, "area_sum", &places.0)?;
        drop(session);
        self.world.machine.delete(commit)?;
        Ok(sum)
    }

    fn round(&mut self) -> Result<u64, Failure> {
        let mut session = self.written()?;
        let begin = Instant::now();
        match self.what {
            What::Root => {
                session.root()?;
                Ok(begin.elapsed().as_nanos() as u64)
            }
            What::Commit => {
                let commit = session.commit()?;
                let elapsed = begin.elapsed();
                self.world.machine.delete(commit)?;
                Ok(elapsed.as_nanos() as u64)
            }
        }
    }
}
