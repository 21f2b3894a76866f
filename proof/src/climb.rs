//! Several ways through trees climbed at once, and chunks of pages hashed meanwhile.

use alloc::vec::Vec;

use crate::chunks::CHUNK_BYTES;
use crate::compress::{BlockKind, CHUNK_END, CHUNK_START, LANES, Lanes, ROOT};
use crate::hash::Kind;
use crate::path::PathError;
use crate::paths::{Family, Levels};
use crate::{EMPTY, Hash};

/// Bytes of a block.
const BLOCK_BYTES: usize = 64;

/// Bytes of the first half of a chunk.
const HALF_BYTES: usize = CHUNK_BYTES / 2;

/// Ways and chunks, and what came out of them.
pub(crate) struct Climbs<'a> {
    parts: Vec<Part<'a>>,
    /// Number and hash of the nodes that each part has reached, in its place.
    nodes: Vec<(u64, Hash)>,
    /// What these nodes are hashed from.
    families: Vec<Family>,
    halves: Vec<Half<'a>>,
    ready: Vec<Job>,
}

/// Ways between two heights, climbed up to some level.
struct Part<'a> {
    levels: Levels<'a>,
    /// Where its nodes begin, and how many it has.
    start: usize,
    count: usize,
    /// Nodes that are not hashed yet.
    pending: usize,
}

/// Half a chunk of a page.
struct Half<'a> {
    start: &'a Hash,
    bytes: &'a [u8],
    value: Hash,
}

/// Something that is being hashed.
#[derive(Clone, Copy)]
struct Job {
    owner: Owner,
    counter: u32,
    /// Flags of the first block.
    start: u32,
    /// Flags of the last one.
    end: u32,
    done_bytes: usize,
}

/// Whose hash it is.
#[derive(Clone, Copy)]
enum Owner {
    /// A part, and which node.
    Part(usize, usize),
    Half(usize),
}

impl<'a> Climbs<'a> {
    /// Nothing yet. A proof of a few bytes takes no more room than this.
    pub fn new() -> Self {
        Self {
            parts: Vec::with_capacity(LANES),
            nodes: Vec::with_capacity(LANES),
            families: Vec::with_capacity(LANES),
            halves: Vec::with_capacity(LANES),
            ready: Vec::with_capacity(LANES),
        }
    }

    /// Adds a way; what comes out has this number.
    pub fn part(
        &mut self,
        levels: Levels<'a>,
        nodes: impl IntoIterator<Item = (u64, Hash)>,
    ) -> usize {
        let start = self.nodes.len();
        self.nodes.extend(nodes);
        self.parts.push(Part {
            levels,
            start,
            count: self.nodes.len() - start,
            pending: 0,
        });
        self.parts.len() - 1
    }

    /// Adds the first half of a chunk of a page, by its number in it; the chaining value behind it has this number.
    pub fn first_half(&mut self, number: u32, chunk: &'a [u8]) -> usize {
        let bytes = &chunk[..HALF_BYTES.min(chunk.len())];
        self.half(number, Kind::PageLeaf.key(), bytes, CHUNK_START, 0)
    }

    /// Adds the second half of a chunk, over the chaining value behind the first one.
    pub fn second_half(&mut self, number: u32, middle: &'a Hash, chunk: &'a [u8]) -> usize {
        let bytes = &chunk[HALF_BYTES.min(chunk.len())..];
        self.half(number, middle, bytes, 0, CHUNK_END)
    }

    fn half(
        &mut self,
        counter: u32,
        start_value: &'a Hash,
        bytes: &'a [u8],
        start: u32,
        end: u32,
    ) -> usize {
        self.ready.push(Job {
            owner: Owner::Half(self.halves.len()),
            counter,
            start,
            end,
            done_bytes: 0,
        });
        self.halves.push(Half {
            start: start_value,
            bytes,
            value: EMPTY,
        });
        self.halves.len() - 1
    }

    /// Hashes everything.
    ///
    /// # Errors
    /// [`PathError`] if a part's siblings are not those of its positions.
    pub fn run(&mut self) -> Result<(), PathError> {
        self.families.resize(self.nodes.len(), Family::NONE);
        for part in 0..self.parts.len() {
            self.go_on(part)?;
        }
        let mut lanes = Lanes::new();
        let mut running = Vec::with_capacity(LANES);
        loop {
            while running.len() < LANES
                && let Some(job) = self.ready.pop()
            {
                self.begin(&mut lanes, running.len(), job);
                running.push(job);
            }
            if running.is_empty() {
                return Ok(());
            }
            for (lane, job) in running.iter_mut().enumerate() {
                job.put(self.bytes(job.owner), &mut lanes, lane);
            }
            lanes.compress(running.len());
            self.collect(&mut lanes, &mut running)?;
        }
    }

    /// Takes what is done out of the lanes. The lane of a job that ended goes to one that is ready, or else to the last one.
    fn collect(&mut self, lanes: &mut Lanes, running: &mut Vec<Job>) -> Result<(), PathError> {
        let mut lane = 0;
        while let Some(job) = running.get_mut(lane) {
            if job.done_bytes < self.bytes(job.owner).len() {
                lane += 1;
                continue;
            }
            self.deliver(job.owner, lanes.value(lane))?;
            if let Some(next) = self.ready.pop() {
                self.begin(lanes, lane, next);
                *job = next;
                lane += 1;
            } else {
                running.swap_remove(lane);
                lanes.copy(running.len(), lane);
            }
        }
        Ok(())
    }

    fn begin(&self, lanes: &mut Lanes, lane: usize, job: Job) {
        let start = match job.owner {
            Owner::Part(_, node) => self.families[node].key(),
            Owner::Half(half) => self.halves[half].start,
        };
        lanes.begin(lane, start);
    }

    fn bytes(&self, owner: Owner) -> &[u8] {
        match owner {
            Owner::Part(_, node) => self.families[node].bytes(),
            Owner::Half(half) => self.halves[half].bytes,
        }
    }

    fn deliver(&mut self, owner: Owner, hash: Hash) -> Result<(), PathError> {
        match owner {
            Owner::Half(half) => self.halves[half].value = hash,
            Owner::Part(part, node) => {
                self.nodes[node].1 = hash;
                let part_of = &mut self.parts[part];
                part_of.pending -= 1;
                if part_of.pending == 0 {
                    self.go_on(part)?;
                }
            }
        }
        Ok(())
    }

    /// Makes jobs of the next level of a part that has anything to hash.
    fn go_on(&mut self, number: usize) -> Result<(), PathError> {
        let Self {
            parts,
            nodes,
            families,
            ready,
            ..
        } = self;
        let part = &mut parts[number];
        while !part.levels.is_at_end() {
            let range = part.start..part.start + part.count;
            let (nodes, families) = (&mut nodes[range.clone()], &mut families[range]);
            part.count = part.levels.families(nodes, families)?;
            part.levels.go_up();
            for (at, family) in families[..part.count].iter().enumerate() {
                if !family.is_none() {
                    part.pending += 1;
                    ready.push(Job::of_node(number, part.start + at));
                }
            }
            if part.pending > 0 {
                return Ok(());
            }
        }
        match part.levels.has_rest() {
            true => Err(PathError::Shape),
            false => Ok(()),
        }
    }

    /// Numbers and hashes at the end of a part.
    pub fn ended(&self, part: usize) -> &[(u64, Hash)] {
        let part = &self.parts[part];
        &self.nodes[part.start..part.start + part.count]
    }

    /// The chaining value behind half a chunk.
    pub fn value(&self, half: usize) -> Hash {
        self.halves[half].value
    }
}

impl Job {
    const fn of_node(part: usize, node: usize) -> Self {
        Self {
            owner: Owner::Part(part, node),
            counter: 0,
            start: CHUNK_START,
            end: CHUNK_END | ROOT,
            done_bytes: 0,
        }
    }

    fn put(&mut self, bytes: &[u8], lanes: &mut Lanes, lane: usize) {
        let rest = &bytes[self.done_bytes..];
        let block = &rest[..rest.len().min(BLOCK_BYTES)];
        let start = if self.done_bytes == 0 { self.start } else { 0 };
        let end = if block.len() == rest.len() {
            self.end
        } else {
            0
        };
        let (counter, flags) = (self.counter, start | end);
        lanes.put(lane, block, BlockKind { counter, flags });
        self.done_bytes += block.len();
    }
}
