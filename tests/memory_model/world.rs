//! A world: a model, and lanes that must all be like it and like each other.

use crostata::{Access, Event, PageIndex};

use super::bytes::{PAGE, Page, WASM_PAGE};
use super::generate::{Operation, Shape};
use super::lane::{FoundPage, Lane, Told, Track};
use super::model::{Model, Report, Tree};
use super::mover::{INITIAL_WASM_PAGES, NUMBERS, Nested, Step, id};
use crate::fixtures::Width;

/// Movers that a world begins with.
const FIRST: u8 = 5;

/// Worlds at a time.
const WORLDS_MAX: usize = 3;

/// Bytes of the next page that an access to a page stands for.
const SPILL_BYTES: u64 = 264;

/// The page that the first one follows, in a 32-bit memory.
const LAST_NARROW_PAGE: u64 = (1 << 20) - 1;

/// What is wrong.
pub type Wrong = String;

/// What was done.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Operations from outside.
    pub operations: usize,
    /// Steps of scripts, and operations.
    pub steps: usize,
    /// Calls that succeeded.
    pub succeeded: usize,
    /// Calls that failed.
    pub failed: usize,
    /// Frames that started.
    pub frames: usize,
}

/// Where everything happens: several worlds over the same VMs.
pub struct Stage {
    tracks: Vec<Track>,
    shape: Shape,
}

struct World<'a> {
    model: Model,
    saved: Vec<Model>,
    lanes: Vec<Lane<'a>>,
    shape: Shape,
}

macro_rules! same {
    ($left:expr, $right:expr, $($what:tt)*) => {
        let (left, right) = (&$left, &$right);
        if left != right {
            return Err(format!("{}:\n{left:?}\n{right:?}", format!($($what)*)));
        }
    };
}

impl Stage {
    /// A stage with these VMs.
    pub fn new(tracks: Vec<Track>, shape: Shape) -> Self {
        Self { tracks, shape }
    }

    /// What is generated for it.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Does operations in fresh worlds and compares all that can be.
    pub fn run(&self, operations: &[Operation]) -> Result<Counts, Wrong> {
        let mut worlds = vec![World::new(self)?];
        let mut counts = Counts::default();
        for (at, operation) in operations.iter().enumerate() {
            counts.operations += 1;
            counts.steps += 1;
            let world = operation.world() % worlds.len();
            let done = worlds[world].operate(operation, &mut counts);
            let forked = done.map_err(|wrong| format!("operation {at}: {wrong}"))?;
            if let Some(forked) = forked {
                if worlds.len() == WORLDS_MAX {
                    worlds.remove(0).end()?;
                }
                worlds.push(forked);
            }
        }
        // What sessions stand on is theirs, contracts they have not touched included.
        self.tracks.iter().for_each(Track::forget_commits);
        for (at, world) in worlds.iter_mut().enumerate() {
            world.end_at(at)?;
        }
        if let Some(last) = worlds.last() {
            self.rebuild(last)?;
        }
        Ok(counts)
    }

    /// The same bytes written in one go give the same root.
    fn rebuild(&self, world: &World<'_>) -> Result<(), Wrong> {
        let mut lane = self.tracks[0].start();
        for (number, contract) in (0..NUMBERS).zip(&world.model.contracts) {
            let Some(contract) = contract else {
                continue;
            };
            let bytes = &contract.bytes;
            lane.deploy(number, bytes.width());
            let grown = bytes.wasm_pages() - INITIAL_WASM_PAGES;
            lane.call(number, &[Step::Grow(grown)], 1 << 50);
            for (page, content) in bytes.pages() {
                lane.poke(number, page * PAGE, content);
            }
        }
        same!(
            lane.root(),
            world.lanes[0].root(),
            "the root of the same bytes"
        );
        Ok(())
    }
}

impl<'a> World<'a> {
    fn new(stage: &'a Stage) -> Result<Self, Wrong> {
        let mut world = Self {
            model: Model::new(),
            saved: Vec::new(),
            lanes: stage.tracks.iter().map(Track::start).collect(),
            shape: stage.shape,
        };
        for number in 0..FIRST {
            let width = stage.shape.widths[usize::from(number % 2)];
            world.deploy(number, width)?;
        }
        Ok(world)
    }

    /// Does an operation; gives the world that it made, if any.
    fn operate(
        &mut self,
        operation: &Operation,
        counts: &mut Counts,
    ) -> Result<Option<World<'a>>, Wrong> {
        match operation {
            Operation::Call {
                number,
                gas,
                steps,
                noise,
                ..
            } => self.call(*number, *gas, steps, *noise, counts)?,
            Operation::Deploy { number, width, .. } => self.deploy(*number, *width)?,
            Operation::Savepoint { .. } => self.savepoint(),
            Operation::Rollback { which, .. } => self.rollback(*which),
            Operation::Release { which, .. } => self.release(*which),
            Operation::Commit { .. } => self.commit(),
            Operation::Fork { .. } => {
                let forked = self.fork();
                self.compare()?;
                forked.compare()?;
                return Ok(Some(forked));
            }
            Operation::Inspect { .. } => self.inspect()?,
        }
        self.compare()?;
        Ok(None)
    }

    fn call(
        &mut self,
        number: u8,
        gas: Option<u64>,
        steps: &[Step],
        noise: u64,
        counts: &mut Counts,
    ) -> Result<(), Wrong> {
        let limit = gas.unwrap_or(self.shape.gas(0));
        let mut results = Vec::new();
        for (noise, lane) in (noise..).zip(&mut self.lanes) {
            lane.stir(noise);
            results.push(lane.call(number, steps, limit));
        }
        for (at, (told, _)) in results.iter().enumerate().skip(1) {
            same!(results[0].0, *told, "lanes 0 and {at} after a call");
        }
        let (told, frames) = &results[0];
        counts.frames += frames.len();
        counts.steps += count(steps);
        let before = self.model.clone();
        let expected = match self.model.exists(number) {
            false => None,
            true => {
                let ended = self
                    .model
                    .call(number, steps, gas.is_some(), Tree::new(frames));
                let ended = ended.map_err(|differs| differs.0)?;
                Some(ended.map(|()| Vec::new()))
            }
        };
        same!(expected, told.outcome, "the outcome");
        self.compare_accesses(&before, told)?;
        match told.outcome {
            Some(Ok(_)) => counts.succeeded += 1,
            _ => counts.failed += 1,
        }
        self.compare_reports(told)
    }

    /// Whatever a call changed is among what it says it wrote.
    fn compare_accesses(&self, before: &Model, told: &Told) -> Result<(), Wrong> {
        let pairs = before.contracts.iter().zip(&self.model.contracts);
        for (number, (before, after)) in (0..NUMBERS).zip(pairs) {
            let (Some(before), Some(after)) = (before, after) else {
                continue;
            };
            let written = told.accesses.iter();
            let written = written.filter(|of| of.contract == id(number));
            let written: Vec<_> = written.flat_map(|of| of.pages.clone()).collect();
            for (page, last_byte) in after.bytes.changes(&before.bytes) {
                let known = is_written(&written, page, last_byte);
                same!(true, known, "page {page} of {number} changed, and is known");
            }
        }
        Ok(())
    }

    fn compare_reports(&self, told: &Told) -> Result<(), Wrong> {
        let expected = match told.outcome {
            Some(Ok(_)) => self.model.reports(),
            _ => &[],
        };
        let reported: Vec<Report> = told.events.iter().map(report).collect();
        same!(*expected, *reported, "the reports");
        Ok(())
    }

    fn deploy(&mut self, number: u8, width: Width) -> Result<(), Wrong> {
        let free = !self.model.exists(number);
        for lane in &mut self.lanes {
            same!(lane.deploy(number, width), free, "whether {number} is free");
        }
        if free {
            let max = self.shape.max_wasm_pages(width);
            self.model.deploy(number, width, max);
        }
        Ok(())
    }

    fn savepoint(&mut self) {
        self.saved.push(self.model.clone());
        self.lanes.iter_mut().for_each(Lane::savepoint);
    }

    fn rollback(&mut self, which: usize) {
        if self.saved.is_empty() {
            return;
        }
        let which = which % self.saved.len();
        self.model = self.saved[which].clone();
        self.saved.truncate(which);
        for lane in &mut self.lanes {
            lane.rollback(which);
        }
    }

    fn release(&mut self, which: usize) {
        if self.saved.is_empty() {
            return;
        }
        let which = which % self.saved.len();
        self.saved.truncate(which);
        for lane in &mut self.lanes {
            lane.release(which);
        }
    }

    fn commit(&mut self) {
        self.saved.clear();
        self.lanes.iter_mut().for_each(Lane::commit_all);
    }

    fn fork(&mut self) -> World<'a> {
        self.saved.clear();
        World {
            model: self.model.clone(),
            saved: Vec::new(),
            lanes: self.lanes.iter_mut().map(Lane::fork).collect(),
            shape: self.shape,
        }
    }

    /// Compares what is cheap to compare: sizes and roots.
    fn compare(&self) -> Result<(), Wrong> {
        let first = self.lanes[0].root();
        for (at, lane) in self.lanes.iter().enumerate() {
            same!(first, lane.root(), "the roots of lanes 0 and {at}");
            for (number, contract) in (0..NUMBERS).zip(&self.model.contracts) {
                let size = contract
                    .as_ref()
                    .map(|contract| contract.bytes.wasm_pages() * WASM_PAGE);
                same!(size, lane.size(number), "the size of {number} in lane {at}");
            }
        }
        Ok(())
    }

    /// Compares every byte.
    fn inspect(&mut self) -> Result<(), Wrong> {
        for (at, lane) in self.lanes.iter_mut().enumerate() {
            for (number, contract) in (0..NUMBERS).zip(&self.model.contracts) {
                if let Some(contract) = contract {
                    let pages = lane.pages(number);
                    let expected: Vec<_> = contract.bytes.pages().collect();
                    compare_pages(&expected, &pages)
                        .map_err(|wrong| format!("lane {at}, mover {number}: {wrong}"))?;
                }
            }
        }
        Ok(())
    }

    fn end(mut self) -> Result<(), Wrong> {
        self.inspect()
    }

    fn end_at(&mut self, at: usize) -> Result<(), Wrong> {
        self.inspect()
            .and_then(|()| self.compare())
            .map_err(|wrong| format!("world {at} at the end: {wrong}"))
    }
}

fn compare_pages(expected: &[(u64, &Page)], found: &[FoundPage]) -> Result<(), Wrong> {
    let indices: Vec<u64> = expected.iter().map(|(index, _)| *index).collect();
    let found_indices: Vec<u64> = found.iter().map(|(index, _)| *index).collect();
    same!(indices, found_indices, "the pages with content");
    for ((index, expected), (_, found)) in expected.iter().zip(found) {
        let Some(found) = found else {
            return Err(format!("page {index} is not what the root binds"));
        };
        let pairs = expected.iter().zip(found).enumerate();
        let mut different = pairs.filter(|(_, (expected, found))| expected != found);
        if let Some((at, (expected, found))) = different.next() {
            let more = different.count();
            return Err(format!(
                "page {index}, byte {at}: {found} instead of {expected}, and {more} more"
            ));
        }
    }
    Ok(())
}

/// Fails unless a change is among what a call says it wrote: its page, or the page before if the change is where that
/// spills to.
fn is_written(pages: &[(PageIndex, Access)], page: u64, last_byte: u64) -> bool {
    let wrote = |page: u64| {
        let page = PageIndex(page as u32);
        pages.contains(&(page, Access::Write))
    };
    let before = page.checked_sub(1).unwrap_or(LAST_NARROW_PAGE);
    wrote(page) || last_byte < SPILL_BYTES && wrote(before)
}

fn report(event: &Event) -> Report {
    let number = event.source.as_bytes()[0];
    let value = event.data[..].try_into().map(u64::from_le_bytes);
    assert_eq!(event.source, id(number));
    (number, value.expect("a report is eight bytes"))
}

fn count(steps: &[Step]) -> usize {
    let inner = steps.iter().map(|step| match step {
        Step::Call(Nested { steps, .. }) => 1 + count(steps),
        _ => 1,
    });
    inner.sum()
}

impl Operation {
    /// The world concerned.
    pub fn world(&self) -> usize {
        match self {
            Self::Call { world, .. }
            | Self::Deploy { world, .. }
            | Self::Savepoint { world }
            | Self::Rollback { world, .. }
            | Self::Release { world, .. }
            | Self::Commit { world }
            | Self::Fork { world }
            | Self::Inspect { world } => *world,
        }
    }
}
