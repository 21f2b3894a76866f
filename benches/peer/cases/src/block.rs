//! Full blocks of transfers, each block over the one before: executed, sealed, committed.

use std::time::Instant;

use crate::Case;
use crate::call;
use crate::contracts::{DRIVER, World, account};
use crate::machine::{Failure, Machine, Session, Transfer};

/// Nanoseconds per transfer of a block.
pub struct Blocks<M: Machine> {
    transfers: u32,
    made: u32,
    world: World<M>,
}

impl<M: Machine> Blocks<M> {
    /// Blocks of so many transfers.
    pub fn prepare(transfers: u32) -> Result<Box<dyn Case>, Failure> {
        Ok(Box::new(Self {
            transfers,
            made: 0,
            world: World::ledger()?,
        }))
    }

    /// What the next block is to do.
    fn next(&mut self) -> Vec<Transfer> {
        let plan = call::transfer();
        let numbers = self.made..self.made + self.transfers;
        self.made = numbers.end;
        let transfers = numbers.map(|number| Transfer {
            contract: plan.contract,
            function: plan.function,
            argument: (plan.argument)(number),
        });
        transfers.collect()
    }

    fn block(&mut self, transfers: &[Transfer]) -> Result<(), Failure> {
        self.world.base = self.world.machine.block(&self.world.base, transfers)?;
        Ok(())
    }
}

impl<M: Machine> Case for Blocks<M> {
    fn check(&mut self) -> Result<Vec<u8>, Failure> {
        let transfers = self.next();
        self.block(&transfers)?;
        let mut session = self.world.session()?;
        let mut balances = Vec::new();
        for number in 0..100 {
            balances.extend(session.call(DRIVER, "balance_of", &account(number))?);
        }
        Ok(balances)
    }

    fn round(&mut self) -> Result<u64, Failure> {
        let transfers = self.next();
        let begin = Instant::now();
        self.block(&transfers)?;
        Ok(begin.elapsed().as_nanos() as u64 / u64::from(self.transfers))
    }
}
