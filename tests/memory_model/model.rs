//! What calls must do, said as plainly as possible: a frame works on the contracts, and one that fails leaves a copy of what
//! was there before.
//!
//! The model does not know gas. Which frames ran out of it is taken from the call tree of the receipt, where a frame may
//! have; everything else in the tree must be as the model says.

use std::rc::Rc;

use crostata::{CallTreeElem, Outcome};

use super::bytes::{Bytes, OutOfBounds};
use super::mover::{
    Address, Around, BURST, BURST_LOAD, FIXED, FIXED_LOAD, NUMBERS, Nested, Step, id,
};
use crate::fixtures::Width;

/// From this depth on, frames may run out of gas without having been starved.
const SCARCE_DEPTH: usize = 3;

/// A contract: its memory, and its global while a call runs.
#[derive(Debug, Clone)]
pub struct Contract {
    /// Its memory.
    pub bytes: Bytes,
    kept: u64,
}

/// What a frame reported: the contract's number, and the number.
pub type Report = (u8, u64);

/// All contracts.
#[derive(Debug, Clone, Default)]
pub struct Model {
    /// By number; `None` where there is none.
    pub contracts: Vec<Option<Rc<Contract>>>,
    reports: Vec<Report>,
}

/// What a call is held against.
pub struct Tree<'a> {
    frames: &'a [CallTreeElem],
    next: usize,
}

/// Why the model and the tree can not both be right.
#[derive(Debug)]
pub struct Differs(pub String);

/// How a frame ended, if the tree may be right.
pub type Ended = Result<Result<(), Outcome>, Differs>;

/// Why a script goes no further.
enum Stop {
    Failed(Outcome),
    Differs(Differs),
}

impl From<OutOfBounds> for Stop {
    fn from(_: OutOfBounds) -> Self {
        Self::Failed(Outcome::MemoryOutOfBounds)
    }
}

impl<'a> Tree<'a> {
    /// The tree of a receipt.
    pub fn new(frames: &'a [CallTreeElem]) -> Self {
        Self { frames, next: 0 }
    }

    /// The frame that must have started now.
    fn start(&mut self, number: u8, depth: usize) -> Result<&'a CallTreeElem, Differs> {
        let frame = self.frames.get(self.next);
        let frame = frame.filter(|frame| frame.contract_id == id(number) && frame.depth == depth);
        let what = || format!("no frame {} of mover {number} at depth {depth}", self.next);
        let frame = frame.ok_or_else(|| Differs(what()))?;
        self.next += 1;
        Ok(frame)
    }

    /// Passes over what ran under a frame.
    fn skip_below(&mut self, frame: &CallTreeElem) {
        let below = self.frames[self.next..].iter();
        self.next += below.take_while(|other| other.depth > frame.depth).count();
    }

    fn end(&self) -> Result<(), Differs> {
        match self.next == self.frames.len() {
            true => Ok(()),
            false => Err(Differs(format!(
                "frames from {} on are too many",
                self.next
            ))),
        }
    }
}

/// A frame of the model.
#[derive(Clone, Copy)]
struct Frame {
    number: u8,
    depth: usize,
    /// Whether it may run out of gas.
    starved: bool,
}

impl Model {
    /// No contracts.
    pub fn new() -> Self {
        Self {
            contracts: vec![None; NUMBERS.into()],
            reports: Vec::new(),
        }
    }

    /// Whether there is a contract of this number.
    pub fn exists(&self, number: u8) -> bool {
        self.contracts[usize::from(number)].is_some()
    }

    /// Deploys a mover under a free number.
    pub fn deploy(&mut self, number: u8, width: Width, max_wasm_pages: u64) {
        let bytes = Bytes::new(width, max_wasm_pages);
        let contract = Contract { bytes, kept: 0 };
        self.contracts[usize::from(number)] = Some(Rc::new(contract));
    }

    /// What the last call reported and did not revert.
    pub fn reports(&self) -> &[Report] {
        &self.reports
    }

    /// A call from outside, of a contract that exists.
    pub fn call(&mut self, number: u8, steps: &[Step], starved: bool, tree: Tree<'_>) -> Ended {
        let mut tree = tree;
        self.reports.clear();
        let frame = Frame {
            number,
            depth: 0,
            starved,
        };
        let ended = self.frame(frame, steps, &mut tree)?;
        tree.end()?;
        for contract in self.contracts.iter_mut().flatten() {
            let contract = Rc::make_mut(contract);
            contract.kept = 0;
            contract.bytes.clear_buffer();
        }
        Ok(ended)
    }

    fn frame(&mut self, frame: Frame, steps: &[Step], tree: &mut Tree<'_>) -> Ended {
        let told = tree.start(frame.number, frame.depth)?;
        let told_code = told.failure.as_ref().map(|failure| failure.code);
        if told_code == Some(Outcome::OutOfGas) {
            let credible = frame.starved || frame.depth >= SCARCE_DEPTH;
            if !credible || told.gas_spent != told.gas_limit {
                return Err(Differs(format!("frame {} had gas: {told}", tree.next - 1)));
            }
            tree.skip_below(told);
            return Ok(Err(Outcome::OutOfGas));
        }
        let before = self.clone();
        let ended = steps
            .iter()
            .try_for_each(|step| self.step(frame, step, tree));
        let ended = match ended {
            Ok(()) => Ok(()),
            Err(Stop::Failed(code)) => Err(code),
            Err(Stop::Differs(differs)) => return Err(differs),
        };
        if ended.err() != told_code {
            return Err(Differs(format!(
                "{ended:?} was expected, not {told_code:?}: {told}"
            )));
        }
        if ended.is_err() {
            *self = before;
        }
        Ok(ended)
    }

    fn contract(&mut self, number: u8) -> &mut Contract {
        let contract = self.contracts[usize::from(number)].as_mut();
        Rc::make_mut(contract.expect("a frame runs in a contract"))
    }

    fn bytes(&mut self, number: u8) -> &mut Bytes {
        &mut self.contract(number).bytes
    }

    fn report(&mut self, number: u8, value: u64) {
        self.reports.push((number, value));
    }

    fn step(&mut self, frame: Frame, step: &Step, tree: &mut Tree<'_>) -> Result<(), Stop> {
        let number = frame.number;
        let bytes = self.bytes(number);
        match step {
            Step::Store(at, len, value) => {
                let at = bytes.place(*at);
                bytes.store(at, u64::from(*len), *value)?;
            }
            Step::Load(at, len) => {
                let value = bytes.load(bytes.place(*at), u64::from(*len))?;
                self.report(number, value);
            }
            Step::Burst(at, value) => self.burst(number, *at, *value)?,
            Step::Branch(at, value) => self.branch(number, *at, *value)?,
            Step::Fixed(value) => self.fixed(number, *value)?,
            Step::CopyLoop(to, from, len) => copy_loop(bytes, *to, *from, *len)?,
            Step::Copy(to, from, len) => copy(bytes, *to, *from, *len)?,
            Step::Fill(at, byte, len) => fill(bytes, *at, *byte, *len)?,
            Step::Stripe(at, distance, count, value) => {
                stripe(bytes, *at, *distance, *count, *value)?;
            }
            Step::Sum(at, len) => {
                let sum = sum(bytes, *at, *len)?;
                self.report(number, sum);
            }
            Step::Grow(pages) => {
                let grown = bytes.grow(*pages);
                self.report(number, grown);
            }
            Step::Keep(value) => {
                let contract = self.contract(number);
                contract.kept = contract.kept.wrapping_add(*value);
            }
            Step::See => {
                let (pages, kept) = (bytes.wasm_pages(), self.contract(number).kept);
                self.report(number, pages);
                self.report(number, kept);
            }
            Step::Call(nested) => self.nested(frame, nested, tree)?,
            Step::Panic => return Err(Stop::Failed(Outcome::Panic)),
            Step::Trap => return Err(Stop::Failed(Outcome::Unreachable)),
            // Only gas ends it.
            Step::Spin => {
                let spun = Differs(format!("mover {number} spins at depth {}", frame.depth));
                return Err(Stop::Differs(spun));
            }
        }
        Ok(())
    }

    fn burst(&mut self, number: u8, at: Address, value: u64) -> Result<(), OutOfBounds> {
        let bytes = self.bytes(number);
        let at = bytes.place(at);
        for (offset, len, factor) in BURST {
            bytes.store(at + offset, len, value.wrapping_mul(factor))?;
        }
        let loaded = bytes.load(at + BURST_LOAD, 8)?;
        self.report(number, loaded);
        Ok(())
    }

    fn branch(&mut self, number: u8, at: Address, value: u64) -> Result<(), OutOfBounds> {
        let bytes = self.bytes(number);
        let at = bytes.place(at);
        match bytes.load(at, 1)? & 1 {
            1 => bytes.store(at + 16, 8, value)?,
            _ => bytes.store(at + 8, 4, value)?,
        }
        bytes.store(at + 20, 2, value)?;
        let loaded = bytes.load(at + 12, 8)?;
        self.report(number, loaded);
        Ok(())
    }

    fn fixed(&mut self, number: u8, value: u64) -> Result<(), OutOfBounds> {
        let bytes = self.bytes(number);
        for (at, len, summand) in FIXED {
            bytes.store(at, len, value.wrapping_add(summand))?;
        }
        let loaded = bytes.load(FIXED_LOAD, 8)?;
        self.report(number, loaded);
        Ok(())
    }

    fn nested(&mut self, frame: Frame, nested: &Nested, tree: &mut Tree<'_>) -> Result<(), Stop> {
        let number = frame.number;
        let at = self.bytes(number).place(nested.at);
        match nested.around {
            Around::Nothing => self.delegate(frame, nested, tree),
            Around::Stores => {
                self.bytes(number).store(at, 8, nested.value)?;
                self.delegate(frame, nested, tree)?;
                self.bytes(number).store(at + 200, 8, nested.value)?;
                self.bytes(number).store(at + 8, 4, nested.value)?;
                for offset in [4, 256] {
                    let loaded = self.bytes(number).load(at + offset, 8)?;
                    self.report(number, loaded);
                }
                Ok(())
            }
            Around::Loads => {
                let before = self.bytes(number).load(at, 8)?;
                self.delegate(frame, nested, tree)?;
                let after = self.bytes(number).load(at + 8, 8)?;
                self.report(number, after.wrapping_add(before));
                self.bytes(number).store(at + 120, 8, nested.value)?;
                let loaded = self.bytes(number).load(at + 116, 8)?;
                self.report(number, loaded);
                Ok(())
            }
        }
    }

    fn delegate(&mut self, frame: Frame, nested: &Nested, tree: &mut Tree<'_>) -> Result<(), Stop> {
        let callee = Frame {
            number: nested.target,
            depth: frame.depth + 1,
            starved: frame.starved || nested.starves(),
        };
        let code = match self.exists(nested.target) {
            false => -3,
            true => match self.frame(callee, &nested.steps, tree) {
                Err(differs) => return Err(Stop::Differs(differs)),
                Ok(Ok(())) => return Ok(()),
                Ok(Err(Outcome::Panic)) => -1,
                Ok(Err(Outcome::OutOfGas)) => -2,
                Ok(Err(_)) => i32::MIN,
            },
        };
        if !nested.catch {
            return Err(Stop::Failed(Outcome::Unreachable));
        }
        self.report(frame.number, i64::from(code) as u64);
        Ok(())
    }
}

fn copy_loop(bytes: &mut Bytes, to: Address, from: Address, len: u64) -> Result<(), OutOfBounds> {
    let (to, from) = (bytes.place(to), bytes.place(from));
    for index in 0..len {
        let byte = bytes.load(bytes.wrap(from.wrapping_add(index)), 1)?;
        bytes.store(bytes.wrap(to.wrapping_add(index)), 1, byte)?;
    }
    Ok(())
}

fn copy(bytes: &mut Bytes, to: Address, from: Address, len: u64) -> Result<(), OutOfBounds> {
    let (to, from) = (bytes.place(to), bytes.place(from));
    bytes.check(to, len)?;
    bytes.check(from, len)?;
    let moved = bytes.range(from, len);
    bytes.put(to, &moved);
    Ok(())
}

fn fill(bytes: &mut Bytes, at: Address, byte: u8, len: u64) -> Result<(), OutOfBounds> {
    let at = bytes.place(at);
    bytes.check(at, len)?;
    bytes.put(at, &vec![byte; len as usize]);
    Ok(())
}

fn stripe(
    bytes: &mut Bytes,
    at: Address,
    distance: i64,
    count: u64,
    value: u64,
) -> Result<(), OutOfBounds> {
    let mut at = bytes.place(at);
    for left in (1..=count).rev() {
        bytes.store(at, 8, value.wrapping_add(left))?;
        at = bytes.wrap(at.wrapping_add(distance as u64));
    }
    Ok(())
}

fn sum(bytes: &Bytes, at: Address, len: u64) -> Result<u64, OutOfBounds> {
    let at = bytes.place(at);
    (0..len).try_fold(0_u64, |sum, index| {
        let byte = bytes.load(bytes.wrap(at.wrapping_add(index)), 1)?;
        Ok(sum.wrapping_mul(31).wrapping_add(byte))
    })
}
