//! Several ways through trees climbed at once, and chunks of pages hashed meanwhile.

use alloc::vec::Vec;

use crate::chunks::CHUNK_BYTES;
use crate::compress::{BlockKind, CHUNK_END, CHUNK_START, LANES, Lanes, PARENT, ROOT};
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
    chunks: Vec<Chunk<'a>>,
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

/// A chunk of a page, and the way from it to the page's leaf.
struct Chunk<'a> {
    number: u32,
    bytes: &'a [u8],
    /// What is said of the chaining value behind its first half, and what it is.
    middle: &'a Hash,
    found_middle: Hash,
    /// The chaining values beside the way: of the chunk's neighbour, and of the other two.
    beside: [Hash; 2],
    /// The two values that are hashed next, and at last the leaf.
    pair: [Hash; 2],
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
    FirstHalf(usize),
    SecondHalf(usize),
    /// The parent of the chunk and its neighbour, and the one above.
    Parent(usize),
    Leaf(usize),
}

impl<'a> Climbs<'a> {
    /// Nothing yet. A proof of a few bytes takes no more room than this.
    pub fn new() -> Self {
        Self {
            parts: Vec::with_capacity(LANES),
            nodes: Vec::with_capacity(LANES),
            families: Vec::with_capacity(LANES),
            chunks: Vec::with_capacity(1),
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

    /// Adds the only chunk of a page that is shown, by its number in it: the chaining value behind its first half that the proof says, and the
    /// values beside the way to the leaf, of the first chunks first. What comes out has this number.
    pub fn chunk(
        &mut self,
        number: u32,
        bytes: &'a [u8],
        middle: &'a Hash,
        values: [Hash; 2],
    ) -> usize {
        let chunk = self.chunks.len();
        self.chunks.push(Chunk {
            number,
            bytes,
            middle,
            found_middle: EMPTY,
            beside: match number {
                0 | 1 => values,
                _ => [values[1], values[0]],
            },
            pair: [EMPTY; 2],
        });
        let (counter, done_bytes) = (number, 0);
        let half = |owner, start, end| Job {
            owner,
            counter,
            start,
            end,
            done_bytes,
        };
        self.ready
            .push(half(Owner::FirstHalf(chunk), CHUNK_START, 0));
        self.ready
            .push(half(Owner::SecondHalf(chunk), 0, CHUNK_END));
        chunk
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
            Owner::SecondHalf(chunk) => self.chunks[chunk].middle,
            Owner::FirstHalf(_) | Owner::Parent(_) | Owner::Leaf(_) => Kind::PageLeaf.key(),
        };
        lanes.begin(lane, start);
    }

    fn bytes(&self, owner: Owner) -> &[u8] {
        match owner {
            Owner::Part(_, node) => self.families[node].bytes(),
            Owner::FirstHalf(chunk) => self.chunks[chunk].half(0),
            Owner::SecondHalf(chunk) => self.chunks[chunk].half(1),
            Owner::Parent(chunk) | Owner::Leaf(chunk) => self.chunks[chunk].pair.as_flattened(),
        }
    }

    fn deliver(&mut self, owner: Owner, hash: Hash) -> Result<(), PathError> {
        match owner {
            Owner::FirstHalf(chunk) => self.chunks[chunk].found_middle = hash,
            Owner::SecondHalf(chunk) => {
                self.chunks[chunk].join(hash);
                self.ready.push(Job::of_parent(Owner::Parent(chunk), 0));
            }
            Owner::Parent(chunk) => {
                self.chunks[chunk].join_above(hash);
                self.ready.push(Job::of_parent(Owner::Leaf(chunk), ROOT));
            }
            Owner::Leaf(chunk) => self.chunks[chunk].pair = [hash; 2],
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

    /// The leaf of the page that a chunk belongs to; none if its first half does not lead to what the proof says.
    pub fn leaf(&self, chunk: usize) -> Option<Hash> {
        let chunk = &self.chunks[chunk];
        (chunk.found_middle == *chunk.middle).then_some(chunk.pair[0])
    }

    /// The chaining value behind the first half of a chunk.
    pub fn found_middle(&self, chunk: usize) -> Hash {
        self.chunks[chunk].found_middle
    }
}

impl Chunk<'_> {
    fn half(&self, which: usize) -> &[u8] {
        let (first, second) = self.bytes.split_at(HALF_BYTES.min(self.bytes.len()));
        [first, second][which]
    }

    /// Pairs the chunk's own value with its neighbour's.
    fn join(&mut self, own: Hash) {
        self.pair = match self.number & 1 {
            0 => [own, self.beside[0]],
            _ => [self.beside[0], own],
        };
    }

    /// Pairs what is above both with the other half of the page.
    fn join_above(&mut self, own: Hash) {
        self.pair = match self.number & 2 {
            0 => [own, self.beside[1]],
            _ => [self.beside[1], own],
        };
    }
}

impl Job {
    const fn of_parent(owner: Owner, end: u32) -> Self {
        Self {
            owner,
            counter: 0,
            start: PARENT,
            end,
            done_bytes: 0,
        }
    }

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
