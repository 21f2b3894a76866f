//! What it takes to begin: a session, and its first call.

use std::time::{Duration, Instant};

use crate::Case;
use crate::contracts::{FIRST_COUNTER, World};
use crate::machine::{Failure, Machine, Session};

/// Starting a session over a commit; dropping it is not timed. Nanoseconds per session.
pub struct Spawn<M: Machine>(World<M>);

/// The first call of a fresh session; starting the session is not timed. Nanoseconds per call.
pub struct ColdCall<M: Machine>(World<M>);

const SESSIONS: u32 = 50;

impl<M: Machine> Spawn<M> {
    pub fn prepare(contracts: u32) -> Result<Box<dyn Case>, Failure> {
        Ok(Box::new(Self(World::<M>::counters(contracts)?)))
    }
}

impl<M: Machine> ColdCall<M> {
    pub fn prepare() -> Result<Box<dyn Case>, Failure> {
        Ok(Box::new(Self(World::<M>::counters(1)?)))
    }
}

impl<M: Machine> Case for Spawn<M> {
    fn check(&mut self) -> Result<Vec<u8>, Failure> {
        first_call(&mut self.0.session()?)
    }

    fn round(&mut self) -> Result<u64, Failure> {
        let mut total = Duration::ZERO;
        for _ in 0..SESSIONS {
            let begin = Instant::now();
            let session = self.0.session()?;
            total += begin.elapsed();
            drop(session);
        }
        Ok(total.as_nanos() as u64 / u64::from(SESSIONS))
    }
}

impl<M: Machine> Case for ColdCall<M> {
    fn check(&mut self) -> Result<Vec<u8>, Failure> {
        let mut session = self.0.session()?;
        first_call(&mut session)?;
        session.call(FIRST_COUNTER, "read_value", &[])
    }

    fn round(&mut self) -> Result<u64, Failure> {
        let mut total = Duration::ZERO;
        for _ in 0..SESSIONS {
            let mut session = self.0.session()?;
            let begin = Instant::now();
            first_call(&mut session)?;
            total += begin.elapsed();
        }
        Ok(total.as_nanos() as u64 / u64::from(SESSIONS))
    }
}

fn first_call(session: &mut impl Session) -> Result<Vec<u8>, Failure> {
    session.call(FIRST_COUNTER, "increment", &[])
}
