//! The state: a collection of each kind.

#[path = "kinds.rs"]
mod kinds;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec;
use alloc::vec::Vec;

use crostata_sdk::{Map, Queue, Set, Storage, Vector};

use kinds::Collection;

/// Does something with a collection. (Through `dyn`, the table of functions would be a page that every call reads.)
macro_rules! with {
    ($state:expr, $kind:expr, $collection:ident => $action:expr) => {
        match $kind {
            0 => with!(@ $state.map, $collection => $action),
            1 => with!(@ $state.plain_map, $collection => $action),
            2 => with!(@ $state.set, $collection => $action),
            3 => with!(@ $state.plain_set, $collection => $action),
            4 => with!(@ $state.vector, $collection => $action),
            5 => with!(@ $state.plain_vector, $collection => $action),
            6 => with!(@ $state.queue, $collection => $action),
            7 => with!(@ $state.plain_queue, $collection => $action),
            _ => panic!("there is no such collection"),
        }
    };
    (@ $field:expr, $collection:ident => $action:expr) => {{
        let $collection = &mut $field;
        $action
    }};
}

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
    neighbours: Vec<Vec<u8>>,
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
        for number in first..first + count {
            self.insert(kind, number);
        }
    }

    /// Has something else allocated, so that what was allocated before can not grow in place.
    pub fn enclose(&mut self) {
        self.neighbours.push(vec![1; 64]);
    }

    /// Puts the element of a number in, or at the end.
    pub fn insert(&mut self, kind: u8, number: u64) -> Option<u64> {
        with!(self, kind, all => Collection::insert(all, number))
    }

    /// The element of a number.
    pub fn get(&mut self, kind: u8, number: u64) -> Option<u64> {
        with!(self, kind, all => Collection::get(all, number))
    }

    /// Adds one to the element of a number.
    pub fn update(&mut self, kind: u8, number: u64) -> Option<u64> {
        with!(self, kind, all => Collection::update(all, number))
    }

    /// Takes the element of a number out.
    pub fn remove(&mut self, kind: u8, number: u64) -> Option<u64> {
        with!(self, kind, all => Collection::remove(all, number))
    }

    /// Takes the element out that goes first: the last of a vector, the first of a queue, the lowest otherwise.
    pub fn take(&mut self, kind: u8, number: u64) -> Option<u64> {
        let _ = number;
        with!(self, kind, all => Collection::take(all))
    }

    /// The sum of all elements.
    pub fn sum(&mut self, kind: u8) -> u64 {
        with!(self, kind, all => Collection::sum(all))
    }

    /// A digest of all elements in their order.
    pub fn digest(&mut self, kind: u8) -> u64 {
        with!(self, kind, all => Collection::digest(all))
    }
}
