//! How much more two threads get done than one, each with a session of its own over the same commit.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use crate::Case;
use crate::contracts::{Argument, DRIVER, FIRST_COUNTER, World};
use crate::machine::{Failure, Id, Machine, Session};

/// The figure is a thousand times the calls per second of two threads over those of one.
pub struct Threads<M: Machine> {
    contract: Id,
    function: &'static str,
    argument: Vec<u8>,
    world: World<M>,
}

const SPAN: Duration = Duration::from_millis(100);

impl<M: Machine> Threads<M> {
    /// With the smallest call.
    pub fn small() -> Result<Box<dyn Case>, Failure> {
        Self::prepare(FIRST_COUNTER, "increment", Vec::new())
    }

    /// With calls that only compute.
    pub fn fib() -> Result<Box<dyn Case>, Failure> {
        Self::prepare(DRIVER, "fib", Argument::default().number(20).0)
    }

    fn prepare(
        contract: Id,
        function: &'static str,
        argument: Vec<u8>,
    ) -> Result<Box<dyn Case>, Failure> {
        Ok(Box::new(Self {
            contract,
            function,
            argument,
            world: World::<M>::bench()?,
        }))
    }

    fn calls_per_second(&self, threads: usize) -> Result<f64, Failure> {
        let barrier = Barrier::new(threads);
        let sessions = (0..threads).map(|_| self.world.session());
        let sessions: Vec<_> = sessions.collect::<Result<_, _>>()?;
        let (contract, function, argument) = (self.contract, self.function, &self.argument[..]);
        let barrier = &barrier;
        thread::scope(|scope| {
            let running: Vec<_> = sessions
                .into_iter()
                .map(|mut session| {
                    scope.spawn(move || {
                        let warm = session.call(contract, function, argument);
                        barrier.wait();
                        warm?;
                        rate(|| session.call(contract, function, argument))
                    })
                })
                .collect();
            running.into_iter().try_fold(0.0, |sum, thread| {
                let rate = thread.join().map_err(|_| "a thread panicked")??;
                Ok(sum + rate)
            })
        })
    }
}

/// Calls per second over [`SPAN`].
fn rate(mut call: impl FnMut() -> Result<Vec<u8>, Failure>) -> Result<f64, Failure> {
    let begin = Instant::now();
    let mut calls = 0u32;
    while begin.elapsed() < SPAN {
        call()?;
        calls += 1;
    }
    Ok(f64::from(calls) / begin.elapsed().as_secs_f64())
}

impl<M: Machine> Case for Threads<M> {
    fn check(&mut self) -> Result<Vec<u8>, Failure> {
        let mut session = self.world.session()?;
        session.call(self.contract, self.function, &self.argument)
    }

    fn round(&mut self) -> Result<u64, Failure> {
        let one = self.calls_per_second(1)?;
        let two = self.calls_per_second(2)?;
        Ok((two / one * 1000.0) as u64)
    }
}
