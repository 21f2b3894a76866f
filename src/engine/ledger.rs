//! The ledger of a profiled session: keeps the gas of its calls, and writes down where it goes.
//!
//! The engine's counter is set so high in a profiled session that it never runs out. The gas that is left is kept here, and probes
//! look at it where the engine would: nothing that probes cost is ever seen, and what is left can be known when it is
//! less than nothing, which the engine does not tell. The one exception are operators on the whole memory, for whose time the engine gets
//! its counter back: whether it looks there is for it to know.
//!
//! Whatever left since the ledger was last asked went for instructions of the piece that runs; what the host takes it says itself. At the end of
//! the frame of a contract, what it spent besides was given up: a trap takes all.

use crostata_abi::ContractId;
use crostata_proof::CodeHash;

use super::book::Book;
use super::profile::{Profile, ProfileGas};
use super::split::Purpose;

/// What the engine's counter is set to.
const FULL: u64 = 1 << 62;

/// Keeps gas and writes down where it goes.
#[derive(Debug)]
pub struct Ledger {
    gas: Counter,
    /// What of the gas left is not written down yet as spent.
    written: u64,
    /// The functions that run.
    active: Vec<Active>,
    frames: Vec<Open>,
    book: Book,
    /// What a call costs in the code of contracts: a probe costs that, and one for each constant.
    call_price: i128,
    /// What [`BULK`](super::code::BULK) and [`GROWTH`](super::code::GROWTH) cost.
    bulk_price: i128,
}

/// Where the gas that is left is kept.
#[derive(Debug, Clone, Copy)]
enum Counter {
    /// So much was left when the engine's counter was [`FULL`].
    Here(i128),
    /// In the engine's counter, around an operator before which so much was left.
    Engine(i128),
}

/// A function that runs.
#[derive(Debug, Clone, Copy)]
struct Active {
    stack: usize,
    piece: usize,
    code: usize,
}

/// The frame of a contract that runs.
#[derive(Debug)]
struct Open {
    /// How many functions ran when it began.
    below: usize,
    /// What the caller had left.
    caller_written: u64,
    /// What is written down of it and its callees.
    gas: u64,
}

impl Ledger {
    /// An empty ledger, with the prices of a call and of a bulk operation.
    pub fn new(call_price: u64, bulk_price: u64) -> Self {
        Self {
            gas: Counter::Here(0),
            written: 0,
            active: Vec::new(),
            frames: Vec::new(),
            book: Book::default(),
            call_price: call_price.into(),
            bulk_price: bulk_price.into(),
        }
    }

    /// What is left, with the engine's counter at `raw`.
    pub fn left(&self, raw: u64) -> u64 {
        clamped(self.exactly(raw))
    }

    fn exactly(&self, raw: u64) -> i128 {
        match self.gas {
            Counter::Here(gas) => gas - i128::from(FULL.saturating_sub(raw)),
            Counter::Engine(_) => raw.into(),
        }
    }

    /// Sets what is left; gives what the engine's counter has to be.
    pub fn set(&mut self, raw: u64, gas: u64) -> u64 {
        self.settle(raw);
        self.gas = Counter::Here(gas.into());
        self.written = gas;
        FULL
    }

    /// Has so much be left, with the engine's counter as it is.
    fn hold(&mut self, raw: u64, gas: u64) {
        self.gas = Counter::Here(i128::from(gas) + i128::from(FULL.saturating_sub(raw)));
        self.written = gas;
    }

    /// Writes down what instructions spent until now.
    fn settle(&mut self, raw: u64) {
        let left = self.left(raw);
        let spent = self.written.saturating_sub(left);
        self.written = left;
        self.write(|gas| &mut gas.instructions, spent);
    }

    fn write(&mut self, part: impl FnOnce(&mut ProfileGas) -> &mut u64, gas: u64) {
        let (Some(active), Some(frame)) = (self.active.last(), self.frames.last_mut()) else {
            return;
        };
        frame.gas = frame.gas.saturating_add(gas);
        let sum = part(self.book.gas_mut(active.piece));
        *sum = sum.saturating_add(gas);
    }

    /// The host takes gas from the running frame.
    pub fn take(&mut self, raw: u64, purpose: Purpose, gas: u64) {
        self.settle(raw);
        self.write(|piece| part(piece, purpose), gas);
    }

    /// The host gives gas back that it took for its own work, in the same piece.
    pub fn give(&mut self, raw: u64, gas: u64) {
        self.settle(raw);
        let (Some(active), Some(frame)) = (self.active.last(), self.frames.last_mut()) else {
            return;
        };
        frame.gas = frame.gas.saturating_sub(gas);
        let host = &mut self.book.gas_mut(active.piece).host;
        *host = host.saturating_sub(gas);
    }

    /// The frame of a contract begins.
    pub fn begin(
        &mut self,
        raw: u64,
        contract: ContractId,
        code: Option<CodeHash>,
        function: &str,
        limit_gas: u64,
    ) {
        self.settle(raw);
        let caller = self.active.last().map(|active| active.stack);
        let stack = self.book.frame(caller, contract, code, function);
        let code = self.book.code(code);
        self.frames.push(Open {
            below: self.active.len(),
            caller_written: self.written,
            gas: 0,
        });
        self.run(stack, code, 0);
        self.hold(raw, limit_gas);
    }

    /// The innermost frame ended, and spent so much.
    pub fn end(&mut self, raw: u64, spent_gas: u64) {
        self.settle(raw);
        let Some(open) = self.frames.pop() else {
            return;
        };
        if let Some(innermost) = self.active.last() {
            let given_up = spent_gas.saturating_sub(open.gas);
            self.book.give_up(innermost.stack, given_up);
        }
        self.active.truncate(open.below);
        self.hold(raw, open.caller_written.saturating_sub(spent_gas));
        match self.frames.last_mut() {
            Some(caller) => caller.gas = caller.gas.saturating_add(spent_gas),
            None => self.book.end(spent_gas),
        }
    }

    fn run(&mut self, stack: usize, code: usize, offset: u32) {
        let piece = self.book.piece(None, stack, code, offset);
        self.active.push(Active { stack, piece, code });
    }

    /// Sets what is written down aside: calls that are no part of it follow.
    pub fn set_aside(&mut self) -> Book {
        std::mem::take(&mut self.book)
    }

    /// Goes on with what was set aside.
    pub fn go_back(&mut self, book: Book) {
        self.book = book;
    }

    /// What the calls so far spent; leaves an empty ledger. `None` if there were none.
    pub fn profile(&mut self) -> Option<Profile> {
        // After a fault of the host something may seem to run.
        self.active.clear();
        self.frames.clear();
        std::mem::take(&mut self.book).profile()
    }
}

/// What probes tell. They give back what they cost, first of all.
impl Ledger {
    fn probed(&mut self, constants: i128) {
        if let Counter::Here(gas) = &mut self.gas {
            *gas += self.call_price + constants;
        }
    }

    /// Whether anything is left, which the engine would ask here.
    #[must_use]
    pub fn look(&mut self, raw: u64) -> bool {
        self.probed(0);
        self.exactly(raw) > 0
    }

    /// A function begins. `false` if nothing is left: it does not.
    #[must_use]
    pub fn enter(&mut self, raw: u64, function: u32, offset: u32) -> bool {
        self.probed(2);
        if self.exactly(raw) <= 0 {
            return false;
        }
        self.settle(raw);
        if let Some(&Active { stack, code, .. }) = self.active.last() {
            let stack = self.book.function(stack, function);
            self.run(stack, code, offset);
        }
        true
    }

    /// A function returns.
    pub fn leave(&mut self, raw: u64) {
        self.probed(0);
        self.settle(raw);
        // The frame of the contract itself stays.
        let below = self.frames.last().map_or(0, |frame| frame.below + 1);
        if self.active.len() > below {
            self.active.pop();
        }
    }

    /// A straight line of code begins.
    pub fn piece(&mut self, raw: u64, offset: u32) {
        self.probed(1);
        self.settle(raw);
        self.go_on(offset);
    }

    /// A loop takes a turn. `false` if nothing is left: it does not.
    #[must_use]
    pub fn turn(&mut self, raw: u64, offset: u32) -> bool {
        self.probed(1);
        let goes_on = self.exactly(raw) > 0;
        self.settle(raw);
        self.go_on(offset);
        goes_on
    }

    fn go_on(&mut self, offset: u32) {
        if let Some(active) = self.active.last_mut() {
            let Active { stack, piece, code } = *active;
            active.piece = self.book.piece(Some(piece), stack, code, offset);
        }
    }

    /// An operator comes that looks at the gas by itself. Gives what the engine's counter has to be for it.
    pub fn before(&mut self, raw: u64) -> u64 {
        self.probed(0);
        let left = self.exactly(raw);
        self.gas = Counter::Engine(left);
        clamped(left)
    }

    /// The operator went on. Gives what the engine's counter has to be from here on.
    pub fn after(&mut self, which: i32) -> u64 {
        let price = match which {
            super::code::BULK => self.bulk_price,
            // What the engine takes for an operator that has no price of its own.
            _ => 1,
        };
        if let Counter::Engine(before) = self.gas {
            self.gas = Counter::Here(before - price);
        }
        FULL
    }
}

fn clamped(gas: i128) -> u64 {
    u64::try_from(gas.max(0)).unwrap_or(u64::MAX)
}

fn part(gas: &mut ProfileGas, purpose: Purpose) -> &mut u64 {
    match purpose {
        Purpose::Host => &mut gas.host,
        Purpose::Memory => &mut gas.memory,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ProfileSite;

    const CALL: u64 = 20;

    /// A ledger of a call with this limit that runs a function.
    fn running(limit_gas: u64) -> (Ledger, u64) {
        let mut ledger = Ledger::new(CALL, 3);
        ledger.begin(
            FULL,
            ContractId::from_bytes([1; 32]),
            None,
            "run",
            limit_gas,
        );
        let raw = ledger.set(FULL, limit_gas) - (CALL + 2);
        assert!(ledger.enter(raw, 4, 100));
        assert_eq!(ledger.left(raw), limit_gas);
        (ledger, raw)
    }

    /// P8: probes give back what they cost, and what is left is looked at where the engine looks, also below zero.
    #[test]
    fn probes_cost_nothing_and_see_what_is_overdrawn() {
        for overdrawn in [0, 7] {
            let (mut ledger, raw) = running(1_000);
            let raw = raw - 600 - (CALL + 1);
            ledger.piece(raw, 120);
            assert_eq!(ledger.left(raw), 400);
            let raw = raw - 399 - CALL;
            assert!(ledger.look(raw));
            assert_eq!(ledger.left(raw), 1);
            let raw = raw - 1 - overdrawn - (CALL + 1);
            assert!(!ledger.turn(raw, 130));
            assert_eq!(ledger.left(raw), 0);
            ledger.end(raw, 1_000);
            let profile = ledger.profile().unwrap();
            assert_eq!((profile.gas_spent, profile.total_gas()), (1_000, 1_000));
        }
    }

    /// P8: an operator that looks by itself finds the engine's counter as it would be, and costs what it costs.
    #[test]
    fn operators_that_look_have_the_counter() {
        let (mut ledger, raw) = running(1_000);
        let raw = raw - 10 - CALL;
        assert_eq!(ledger.before(raw), 990);
        let raw = ledger.after(super::super::code::BULK);
        assert_eq!((raw, ledger.left(raw)), (FULL, 987));
        assert_eq!(ledger.before(raw - CALL), 987);
        let raw = ledger.after(super::super::code::BULK + 1);
        assert_eq!(ledger.left(raw), 986);
        assert_eq!(ledger.before(raw - 2_000 - CALL), 0, "nothing is left");
    }

    /// Everything is written down once: instructions, what the host takes and gives, callees, and what a trap takes.
    #[test]
    fn all_gas_is_written_down() {
        let (mut ledger, raw) = running(1_000);
        let raw = raw - 100;
        ledger.take(raw, Purpose::Host, 50);
        let raw = ledger.set(raw, 850);
        ledger.begin(raw, ContractId::from_bytes([2; 32]), None, "callee", 300);
        let inside = ledger.set(raw, 300) - 40;
        ledger.end(inside, 300);
        let raw = ledger.set(inside, 550);
        ledger.give(raw, 20);
        let raw = ledger.set(raw, 570);
        ledger.end(raw - 70, 500);
        let profile = ledger.profile().unwrap();
        assert_eq!((profile.gas_spent, profile.total_gas()), (500, 500));
        let [run, function, callee] = &profile.stacks[..] else {
            panic!("{profile:?}");
        };
        assert_eq!(function.site, ProfileSite::Function(4));
        assert_eq!(
            (run.given_up_gas, function.given_up_gas, callee.given_up_gas),
            (0, 0, 260)
        );
        let gas = |stack| {
            profile
                .pieces
                .iter()
                .find(|piece| piece.stack == stack)
                .unwrap()
                .gas
        };
        let expected = ProfileGas {
            instructions: 170,
            host: 30,
            memory: 0,
        };
        assert_eq!((gas(1), gas(2).instructions), (expected, 40));
    }
}
