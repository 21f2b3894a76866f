//! Calls in a session that goes on, and calls that are the first of a session.

use std::time::Instant;

use crate::Case;
use crate::contracts::{ACCOUNTS, Argument, DRIVER, FIRST_COUNTER, TARGET, World, account, pages};
use crate::machine::{Failure, Id, Machine, Session};

/// What to call, and what shows that it did the right thing.
pub struct Plan {
    /// Which contract.
    pub contract: Id,
    pub function: &'static str,
    /// The argument of the call with this number.
    pub argument: Box<dyn Fn(u32) -> Vec<u8>>,
    /// Calls in a round.
    pub calls: u32,
    /// How often a call does what the case is named after.
    pub repeats: u32,
    /// A call afterwards whose result goes into the check.
    pub proof: Option<(Id, &'static str, Vec<u8>)>,
}

/// A plan over a session. The figure is nanoseconds per repeat.
pub struct Calls<M: Machine> {
    plan: Plan,
    session: M::Session,
    called: u32,
    /// Keeps the directory.
    _world: World<M>,
}

impl<M: Machine> Calls<M> {
    /// Starts the session.
    pub fn prepare(world: World<M>, plan: Plan) -> Result<Box<dyn Case>, Failure> {
        let session = world.session()?;
        Ok(Box::new(Self {
            plan,
            session,
            called: 0,
            _world: world,
        }))
    }

    fn call(&mut self) -> Result<Vec<u8>, Failure> {
        let argument = (self.plan.argument)(self.called);
        self.called += 1;
        let plan = &self.plan;
        self.session.call(plan.contract, plan.function, &argument)
    }
}

impl<M: Machine> Case for Calls<M> {
    fn check(&mut self) -> Result<Vec<u8>, Failure> {
        let mut result = self.call()?;
        if let Some((contract, function, argument)) = &self.plan.proof {
            result.extend(self.session.call(*contract, function, argument)?);
        }
        Ok(result)
    }

    fn round(&mut self) -> Result<u64, Failure> {
        let begin = Instant::now();
        for _ in 0..self.plan.calls {
            self.call()?;
        }
        let steps = u64::from(self.plan.calls) * u64::from(self.plan.repeats);
        Ok(begin.elapsed().as_nanos() as u64 / steps)
    }
}

/// A call of the smallest kind, from outside.
pub fn warm() -> Plan {
    Plan {
        contract: FIRST_COUNTER,
        function: "increment",
        argument: Box::new(|_| Vec::new()),
        calls: 1_000,
        repeats: 1,
        proof: Some((FIRST_COUNTER, "read_value", Vec::new())),
    }
}

/// The same call, from a contract.
pub fn between_contracts() -> Plan {
    const TIMES: u32 = 1_000;
    Plan {
        contract: DRIVER,
        function: "repeat",
        argument: Box::new(|_| Argument::default().id(FIRST_COUNTER).number(TIMES).0),
        calls: 1,
        repeats: TIMES,
        proof: Some((FIRST_COUNTER, "read_value", Vec::new())),
    }
}

/// A callee that dirties pages and fails, while its caller goes on.
pub fn failing(count: u32, stride: u32) -> Plan {
    let argument = move |call: u32| {
        let mut argument = Argument::default().id(TARGET).0;
        argument.extend(pages(count, stride, call as u8));
        argument
    };
    Plan {
        contract: DRIVER,
        function: "survive",
        argument: Box::new(argument),
        calls: 4,
        repeats: 1,
        proof: Some((
            TARGET,
            "area_sum",
            Argument::default().number(count).number(stride).0,
        )),
    }
}

/// A transfer as its own call.
pub fn transfer() -> Plan {
    let argument = |call: u32| {
        // Both walk through all accounts, far apart: 48,271 and 100,000 have no common divisor.
        let from = (u64::from(call) * 48_271 % u64::from(ACCOUNTS)) as u32;
        let to = (from + ACCOUNTS / 3) % ACCOUNTS;
        let accounts = Argument::default().id(account(from)).id(account(to));
        accounts.wide(1).0
    };
    Plan {
        contract: DRIVER,
        function: "transfer",
        argument: Box::new(argument),
        calls: 1_000,
        repeats: 1,
        proof: Some((DRIVER, "balance_of", account(0).to_vec())),
    }
}

/// Many transfers inside one call.
pub fn transfers() -> Plan {
    const TIMES: u32 = 5_000;
    Plan {
        argument: Box::new(|call| {
            let numbers = Argument::default().number(TIMES).number(ACCOUNTS);
            numbers.number(call).0
        }),
        function: "transfers",
        calls: 1,
        repeats: TIMES,
        ..transfer()
    }
}

/// A program of the driver: two numbers, then the seed if it takes one.
pub fn program(function: &'static str, numbers: &'static [u32], seeded: bool) -> Plan {
    let argument = move |call: u32| {
        let numbers = numbers.iter().copied().chain(seeded.then_some(call));
        numbers.fold(Argument::default(), Argument::number).0
    };
    Plan {
        contract: DRIVER,
        function,
        argument: Box::new(argument),
        calls: 1,
        repeats: 1,
        proof: None,
    }
}

/// A program over the target's filled area.
pub fn area_program(function: &'static str, numbers: &'static [u32], seeded: bool) -> Plan {
    Plan {
        contract: TARGET,
        proof: Some((
            TARGET,
            "area_sum",
            Argument::default().number(16_000).number(4_096).0,
        )),
        ..program(function, numbers, seeded)
    }
}

/// The nested call's own cost: nanoseconds per call, without the pages dirtied before.
pub struct NestedHot<M: Machine> {
    hot_pages: u32,
    session: M::Session,
    _world: World<M>,
}

impl<M: Machine> NestedHot<M> {
    const CALLS: u32 = 512;

    /// With this many pages dirty already.
    pub fn prepare(world: World<M>, hot_pages: u32) -> Result<Box<dyn Case>, Failure> {
        let session = world.session()?;
        Ok(Box::new(Self {
            hot_pages,
            session,
            _world: world,
        }))
    }

    fn time(&mut self, calls: u32) -> Result<u64, Failure> {
        let numbers = [self.hot_pages, crate::contracts::PEER_PAGE_BYTES, calls];
        let argument = Argument::default().id(TARGET);
        let argument = numbers.into_iter().fold(argument, Argument::number);
        let begin = Instant::now();
        self.session.call(DRIVER, "nested_hot", &argument.0)?;
        Ok(begin.elapsed().as_nanos() as u64)
    }
}

impl<M: Machine> Case for NestedHot<M> {
    fn check(&mut self) -> Result<Vec<u8>, Failure> {
        self.time(3)?;
        let places = Argument::default().number(1_024).number(1 << 16);
        self.session.call(TARGET, "area_sum", &places.0)
    }

    fn round(&mut self) -> Result<u64, Failure> {
        let without = self.time(0)?;
        let with = self.time(Self::CALLS)?;
        Ok(with.saturating_sub(without) / u64::from(Self::CALLS))
    }
}
