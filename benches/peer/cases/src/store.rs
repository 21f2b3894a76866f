//! What a store costs as it fills: a commit among many contracts, opening again after many commits, known code.

use std::time::Instant;

use crate::Case;
use crate::contracts::{COUNTER, World, counter};
use crate::machine::{Failure, Machine, Session};

/// A commit of one page in a state of many contracts; removing it again is not timed. Nanoseconds.
pub struct CommitAmong<M: Machine> {
    world: World<M>,
    contracts: u32,
    next: u32,
}

/// Closing a VM (not timed) and opening it again until a session stands on the newest of many commits, none of
/// which is final. Nanoseconds.
pub struct Reopen<M: Machine>(Option<World<M>>);

/// Deploying code that a commit has already, under another id. Nanoseconds.
pub struct DeployAgain<M: Machine>(World<M>);

impl<M: Machine> CommitAmong<M> {
    pub fn prepare(contracts: u32) -> Result<Box<dyn Case>, Failure> {
        Ok(Box::new(Self {
            world: World::<M>::counters(contracts)?,
            contracts,
            next: 0,
        }))
    }

    fn written(&mut self) -> Result<M::Session, Failure> {
        self.next = (self.next + 7) % self.contracts;
        let mut session = self.world.session()?;
        session.call(counter(self.next), "increment", &[])?;
        Ok(session)
    }
}

impl<M: Machine> Case for CommitAmong<M> {
    fn check(&mut self) -> Result<Vec<u8>, Failure> {
        let commit = self.written()?.commit()?;
        let mut session = self.world.machine.session(Some(&commit))?;
        let value = session.call(counter(self.next), "read_value", &[])?;
        drop(session);
        self.world.machine.delete(commit)?;
        Ok(value)
    }

    fn round(&mut self) -> Result<u64, Failure> {
        let session = self.written()?;
        let begin = Instant::now();
        let commit = session.commit()?;
        let elapsed = begin.elapsed();
        self.world.machine.delete(commit)?;
        Ok(elapsed.as_nanos() as u64)
    }
}

impl<M: Machine> Reopen<M> {
    /// A chain of so many commits, each of which writes to all of so many contracts.
    pub fn prepare(contracts: u32, commits: u32) -> Result<Box<dyn Case>, Failure> {
        let mut world = World::<M>::counters(contracts)?;
        for _ in 0..commits {
            let mut session = world.session()?;
            for number in 0..contracts {
                session.call(counter(number), "increment", &[])?;
            }
            world.base = session.commit()?;
        }
        Ok(Box::new(Self(Some(world))))
    }

    fn world(&mut self) -> Result<World<M>, Failure> {
        self.0.take().ok_or("a round before failed".into())
    }
}

impl<M: Machine> Case for Reopen<M> {
    fn check(&mut self) -> Result<Vec<u8>, Failure> {
        let world = self.world()?;
        let value = world.session()?.call(counter(0), "read_value", &[])?;
        self.0 = Some(world);
        Ok(value)
    }

    fn round(&mut self) -> Result<u64, Failure> {
        let World { machine, base } = self.world()?;
        let (machine, closed) = machine.reopen()?;
        let session = machine.session(Some(&base))?;
        let elapsed = closed.elapsed();
        drop(session);
        self.0 = Some(World { machine, base });
        Ok(elapsed.as_nanos() as u64)
    }
}

impl<M: Machine> DeployAgain<M> {
    pub fn prepare() -> Result<Box<dyn Case>, Failure> {
        Ok(Box::new(Self(World::<M>::counters(1)?)))
    }
}

impl<M: Machine> Case for DeployAgain<M> {
    fn check(&mut self) -> Result<Vec<u8>, Failure> {
        let mut session = self.0.session()?;
        session.deploy(COUNTER, counter(1))?;
        session.call(counter(1), "increment", &[])?;
        session.call(counter(1), "read_value", &[])
    }

    fn round(&mut self) -> Result<u64, Failure> {
        let mut session = self.0.session()?;
        let begin = Instant::now();
        session.deploy(COUNTER, counter(1))?;
        Ok(begin.elapsed().as_nanos() as u64)
    }
}
