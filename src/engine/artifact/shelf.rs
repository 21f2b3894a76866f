//! Modules in memory: bounded in bytes, the least recently used go, pinned ones stay.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crostata_proof::CodeHash;

use super::flight::Flight;

/// What a module counts for beside its artifact's bytes: tables of wasmtime, and so that the budget also bounds how many there are.
const ENTRY_BYTES: u64 = 16 << 10;

/// A code, for one engine of the VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    /// The engine's number: what is compiled by one can not run on another.
    pub engine: u32,
    /// The code.
    pub code: CodeHash,
}

/// Modules by code and engine, and those in the making.
pub struct Shelf<T> {
    entries: HashMap<Key, Entry<T>>,
    /// The keys of what is not pinned, by when it was last used.
    order: BTreeMap<u64, Key>,
    uses: u64,
    pinned: HashSet<CodeHash>,
    flights: HashMap<Key, Arc<Flight<T>>>,
    bytes: u64,
    pinned_bytes: u64,
    bytes_max: u64,
}

struct Entry<T> {
    module: Arc<T>,
    bytes: u64,
    used: u64,
}

/// What there is for who wants a module.
pub enum Found<T> {
    /// The module.
    Ready(Arc<T>),
    /// Somebody is making it.
    InFlight(Arc<Flight<T>>),
    /// Nothing: who asked is to make it now.
    Lead(Arc<Flight<T>>),
}

impl<T> Shelf<T> {
    /// An empty shelf for so many bytes.
    pub fn new(bytes_max: u64) -> Self {
        Self {
            entries: HashMap::new(),
            order: BTreeMap::new(),
            uses: 0,
            pinned: HashSet::new(),
            flights: HashMap::new(),
            bytes: 0,
            pinned_bytes: 0,
            bytes_max,
        }
    }

    /// The module, or who makes it.
    pub fn find(&mut self, key: Key) -> Found<T> {
        self.uses += 1;
        if let Some(entry) = self.entries.get_mut(&key) {
            if self.order.remove(&entry.used).is_some() {
                self.order.insert(self.uses, key);
            }
            entry.used = self.uses;
            return Found::Ready(entry.module.clone());
        }
        match self.flights.get(&key) {
            Some(flight) => Found::InFlight(flight.clone()),
            None => {
                let flight = Arc::new(Flight::default());
                self.flights.insert(key, flight.clone());
                Found::Lead(flight)
            }
        }
    }

    /// Forgets a flight that is over.
    pub fn end_flight(&mut self, key: &Key) {
        self.flights.remove(key);
    }

    /// Puts a module here, in place of one that may be, and gives what has to go for it: to be dropped when nobody waits.
    #[must_use]
    pub fn put(&mut self, key: Key, module: Arc<T>, bytes: u64) -> Vec<Arc<T>> {
        let mut gone: Vec<Arc<T>> = self.remove(&key).into_iter().collect();
        self.uses += 1;
        let used = self.uses;
        let bytes = bytes.saturating_add(ENTRY_BYTES);
        if bytes > self.bytes_max && !self.pinned.contains(&key.code) {
            // Everybody else would have to go for it, and then it, too.
            gone.push(module);
            return gone;
        }
        self.count(&key, used, bytes);
        self.entries.insert(
            key,
            Entry {
                module,
                bytes,
                used,
            },
        );
        gone.extend(self.make_room());
        gone
    }

    /// Takes a module away.
    pub fn remove(&mut self, key: &Key) -> Option<Arc<T>> {
        let entry = self.entries.remove(key)?;
        match self.order.remove(&entry.used) {
            Some(_) => self.bytes -= entry.bytes,
            None => self.pinned_bytes -= entry.bytes,
        }
        Some(entry.module)
    }

    /// Keeps the modules of a code, now and when they come. `false` if it was pinned already.
    pub fn pin(&mut self, code: CodeHash) -> bool {
        let is_new = self.pinned.insert(code);
        self.recount(code);
        is_new
    }

    /// Lets go of a code, and gives what has to go now. `None` if it was not pinned.
    pub fn unpin(&mut self, code: CodeHash) -> Option<Vec<Arc<T>>> {
        if !self.pinned.remove(&code) {
            return None;
        }
        self.recount(code);
        Some(self.make_room())
    }

    /// Whether a code is pinned.
    pub fn is_pinned(&self, code: &CodeHash) -> bool {
        self.pinned.contains(code)
    }

    /// How many modules there are, their bytes, and those of pinned ones.
    pub fn sizes(&self) -> (u64, u64, u64) {
        (self.entries.len() as u64, self.bytes, self.pinned_bytes)
    }

    /// Counts the modules of a code on the side where they belong now.
    fn recount(&mut self, code: CodeHash) {
        let of_code = self.entries.iter().filter(|(key, _)| key.code == code);
        let found: Vec<_> = of_code
            .map(|(key, entry)| (*key, entry.used, entry.bytes))
            .collect();
        for (key, used, bytes) in found {
            match self.order.remove(&used) {
                Some(_) => self.bytes -= bytes,
                None => self.pinned_bytes -= bytes,
            }
            self.count(&key, used, bytes);
        }
    }

    fn count(&mut self, key: &Key, used: u64, bytes: u64) {
        if self.pinned.contains(&key.code) {
            self.pinned_bytes += bytes;
        } else {
            self.bytes += bytes;
            self.order.insert(used, *key);
        }
    }

    fn make_room(&mut self) -> Vec<Arc<T>> {
        let mut gone = Vec::new();
        while self.bytes > self.bytes_max {
            let Some((_, key)) = self.order.pop_first() else {
                break;
            };
            if let Some(entry) = self.entries.remove(&key) {
                self.bytes -= entry.bytes;
                gone.push(entry.module);
            }
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(code: u8) -> Key {
        Key {
            engine: 0,
            code: CodeHash::from_bytes([code; 32]),
        }
    }

    /// A shelf for `count` modules of no bytes.
    fn shelf(count: u64) -> Shelf<u8> {
        Shelf::new(count * ENTRY_BYTES)
    }

    fn put(shelf: &mut Shelf<u8>, code: u8) -> Vec<u8> {
        let gone = shelf.put(key(code), Arc::new(code), 0);
        gone.iter().map(|module| **module).collect()
    }

    fn has(shelf: &mut Shelf<u8>, code: u8) -> bool {
        match shelf.find(key(code)) {
            Found::Ready(module) => *module == code,
            _ => {
                shelf.end_flight(&key(code));
                false
            }
        }
    }

    /// P6: what was used longest ago goes first, and the bytes stay within the budget.
    #[test]
    fn the_least_recently_used_goes() {
        let mut shelf = shelf(2);
        assert!(put(&mut shelf, 1).is_empty());
        assert!(put(&mut shelf, 2).is_empty());
        assert!(has(&mut shelf, 1));
        assert_eq!(put(&mut shelf, 3), [2]);
        assert!(!has(&mut shelf, 2) && has(&mut shelf, 1) && has(&mut shelf, 3));
        assert_eq!(shelf.sizes(), (2, 2 * ENTRY_BYTES, 0));
        // In place of itself.
        assert_eq!(put(&mut shelf, 3), [3]);
        assert_eq!(shelf.sizes(), (2, 2 * ENTRY_BYTES, 0));
        let large = shelf.put(key(4), Arc::new(4), 2 * ENTRY_BYTES);
        assert_eq!(large.len(), 1, "what does not fit at all is not kept");
        assert_eq!(shelf.sizes(), (2, 2 * ENTRY_BYTES, 0));
    }

    /// P6: what is pinned stays and is counted apart, pinned before or after it came; unpinned, it goes in its turn.
    #[test]
    fn pinned_modules_stay() {
        let mut shelf = shelf(1);
        assert!(shelf.pin(key(1).code));
        assert!(!shelf.pin(key(1).code));
        assert!(put(&mut shelf, 1).is_empty());
        assert!(put(&mut shelf, 2).is_empty());
        assert!(shelf.pin(key(2).code));
        assert_eq!(shelf.sizes(), (2, 0, 2 * ENTRY_BYTES));
        assert!(put(&mut shelf, 3).is_empty());
        assert_eq!(put(&mut shelf, 4), [3]);
        assert!(has(&mut shelf, 1));
        assert_eq!(shelf.unpin(key(1).code).map(|gone| gone.len()), Some(1));
        assert!(shelf.unpin(key(1).code).is_none());
        assert!(!has(&mut shelf, 4) && has(&mut shelf, 1) && has(&mut shelf, 2));
        assert_eq!(shelf.sizes(), (2, ENTRY_BYTES, ENTRY_BYTES));
        assert!(shelf.remove(&key(2)).is_some());
        assert!(shelf.remove(&key(1)).is_some());
        assert_eq!(shelf.sizes(), (0, 0, 0));
    }
}
