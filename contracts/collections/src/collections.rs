//! The state: a collection of each kind.

#[path = "kinds.rs"]
mod kinds;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use crostata_sdk::{Map, Queue, Set, Storage, Vector};

use kinds::Collection;

/// A key that looks like a hash.
pub type Key = [u8; 32];

/// A collection of each kind. What a call does not use, it does not touch.
#[derive(Storage)]
pub struct Collections {
    map: Map<Key, u64>,
    set: Set<Key>,
    vector: Vector<u64>,
    queue: Queue<u64>,
    #[storage(skip)]
    plain_map: BTreeMap<Key, u64>,
    #[storage(skip)]
    plain_set: BTreeSet<Key>,
    #[storage(skip)]
    plain_vector: Vec<u64>,
    #[storage(skip)]
    plain_queue: VecDeque<u64>,
    /// Memory behind that of a collection.
    #[storage(skip)]
    neighbours: Vec<Box<[u8; 64]>>,
}

#[crostata_sdk::contract(storage)]
impl Collections {
    /// Every collection, empty.
    pub const fn new() -> Self {
        Self {
            map: Map::new(),
            set: Set::new(),
            vector: Vector::new(),
            queue: Queue::new(),
            plain_map: BTreeMap::new(),
            plain_set: BTreeSet::new(),
            plain_vector: Vec::new(),
            plain_queue: VecDeque::new(),
            neighbours: Vec::new(),
        }
    }

    /// Nothing: what a call costs that does nothing.
    pub fn nothing(kind: u8, number: u64) -> Option<u64> {
        let _ = kind;
        Some(number)
    }

    /// Puts in elements of so many numbers, from the first on.
    pub fn fill(&mut self, kind: u8, first: u64, count: u64) {
        let collection = self.of(kind);
        for number in first..first + count {
            collection.insert(number);
        }
    }

    /// Has something else allocated, so that what was allocated before can not grow in place.
    pub fn enclose(&mut self) {
        self.neighbours.push(Box::new([1; 64]));
    }

    /// Puts the element of a number in, or at the end.
    pub fn insert(&mut self, kind: u8, number: u64) -> Option<u64> {
        self.of(kind).insert(number)
    }

    /// The element of a number.
    pub fn get(&mut self, kind: u8, number: u64) -> Option<u64> {
        self.of(kind).get(number)
    }

    /// Adds one to the element of a number.
    pub fn update(&mut self, kind: u8, number: u64) -> Option<u64> {
        self.of(kind).update(number)
    }

    /// Takes the element of a number out.
    pub fn remove(&mut self, kind: u8, number: u64) -> Option<u64> {
        self.of(kind).remove(number)
    }

    /// Takes the element out that goes first: the last of a vector, the first of a queue, the lowest otherwise.
    pub fn take(&mut self, kind: u8, number: u64) -> Option<u64> {
        let _ = number;
        self.of(kind).take()
    }

    /// The sum of all elements.
    pub fn sum(&mut self, kind: u8) -> u64 {
        self.of(kind).sum()
    }

    /// A digest of all elements in their order.
    pub fn digest(&mut self, kind: u8) -> u64 {
        self.of(kind).digest()
    }

    fn of(&mut self, kind: u8) -> &mut dyn Collection {
        match kind {
            0 => &mut self.map,
            1 => &mut self.plain_map,
            2 => &mut self.set,
            3 => &mut self.plain_set,
            4 => &mut self.vector,
            5 => &mut self.plain_vector,
            6 => &mut self.queue,
            7 => &mut self.plain_queue,
            _ => panic!("there is no such collection"),
        }
    }
}
