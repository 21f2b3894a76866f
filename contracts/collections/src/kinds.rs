//! What can be done with each kind of collection.
//!
//! A number stands for a key, of maps and sets, or for a place, of vectors and queues. Elements are numbers; those of sets are 1.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use crostata_sdk::{Map, Queue, Set, Vector};

use super::Key;

/// A collection of any kind.
pub trait Collection {
    /// Puts an element in; gives what was there.
    fn insert(&mut self, number: u64) -> Option<u64>;
    /// The element of a number.
    fn get(&self, number: u64) -> Option<u64>;
    /// Adds one to an element and gives it.
    fn update(&mut self, number: u64) -> Option<u64>;
    /// Takes an element out.
    fn remove(&mut self, number: u64) -> Option<u64>;
    /// Takes the element out that goes first.
    fn take(&mut self) -> Option<u64>;
    /// Calls with every element in order.
    fn each(&self, with: &mut dyn FnMut(u64));

    /// The sum of all elements.
    fn sum(&self) -> u64 {
        let mut sum = 0u64;
        self.each(&mut |element| sum = sum.wrapping_add(element));
        sum
    }

    /// A digest of all elements in their order.
    fn digest(&self) -> u64 {
        let mut digest = 0u64;
        self.each(&mut |element| digest = mixed(digest.wrapping_add(element).wrapping_add(1)));
        digest
    }
}

fn add_one(element: &mut u64) -> u64 {
    *element += 1;
    *element
}

impl Collection for Map<Key, u64> {
    fn insert(&mut self, number: u64) -> Option<u64> {
        self.insert(key(number), number)
    }

    fn get(&self, number: u64) -> Option<u64> {
        self.get(&key(number))
    }

    fn update(&mut self, number: u64) -> Option<u64> {
        self.update(&key(number), add_one)
    }

    fn remove(&mut self, number: u64) -> Option<u64> {
        self.remove(&key(number))
    }

    fn take(&mut self) -> Option<u64> {
        let (key, _) = self.first()?;
        self.remove(&key)
    }

    fn each(&self, with: &mut dyn FnMut(u64)) {
        self.iter().for_each(|(_, element)| with(element));
    }
}

impl Collection for BTreeMap<Key, u64> {
    fn insert(&mut self, number: u64) -> Option<u64> {
        self.insert(key(number), number)
    }

    fn get(&self, number: u64) -> Option<u64> {
        self.get(&key(number)).copied()
    }

    fn update(&mut self, number: u64) -> Option<u64> {
        self.get_mut(&key(number)).map(add_one)
    }

    fn remove(&mut self, number: u64) -> Option<u64> {
        self.remove(&key(number))
    }

    fn take(&mut self) -> Option<u64> {
        self.pop_first().map(|(_, element)| element)
    }

    fn each(&self, with: &mut dyn FnMut(u64)) {
        self.values().for_each(|element| with(*element));
    }
}

impl Collection for Set<Key> {
    fn insert(&mut self, number: u64) -> Option<u64> {
        (!self.insert(key(number))).then_some(1)
    }

    fn get(&self, number: u64) -> Option<u64> {
        self.contains(&key(number)).then_some(1)
    }

    fn update(&mut self, number: u64) -> Option<u64> {
        Collection::get(self, number)
    }

    fn remove(&mut self, number: u64) -> Option<u64> {
        self.remove(&key(number)).then_some(1)
    }

    fn take(&mut self) -> Option<u64> {
        let member = self.first()?;
        self.remove(&member).then_some(1)
    }

    fn each(&self, with: &mut dyn FnMut(u64)) {
        self.iter().for_each(|member| with(head(&member)));
    }
}

impl Collection for BTreeSet<Key> {
    fn insert(&mut self, number: u64) -> Option<u64> {
        (!self.insert(key(number))).then_some(1)
    }

    fn get(&self, number: u64) -> Option<u64> {
        self.contains(&key(number)).then_some(1)
    }

    fn update(&mut self, number: u64) -> Option<u64> {
        Collection::get(self, number)
    }

    fn remove(&mut self, number: u64) -> Option<u64> {
        self.remove(&key(number)).then_some(1)
    }

    fn take(&mut self) -> Option<u64> {
        self.pop_first().map(|_| 1)
    }

    fn each(&self, with: &mut dyn FnMut(u64)) {
        self.iter().for_each(|member| with(head(member)));
    }
}

impl Collection for Vector<u64> {
    fn insert(&mut self, number: u64) -> Option<u64> {
        self.push(number);
        None
    }

    fn get(&self, number: u64) -> Option<u64> {
        self.get(number)
    }

    fn update(&mut self, number: u64) -> Option<u64> {
        self.update(number, add_one)
    }

    fn remove(&mut self, number: u64) -> Option<u64> {
        (number < self.len()).then(|| self.swap_remove(number))
    }

    fn take(&mut self) -> Option<u64> {
        self.pop()
    }

    fn each(&self, with: &mut dyn FnMut(u64)) {
        self.iter().for_each(with);
    }
}

impl Collection for Vec<u64> {
    fn insert(&mut self, number: u64) -> Option<u64> {
        self.push(number);
        None
    }

    fn get(&self, number: u64) -> Option<u64> {
        self.as_slice().get(number as usize).copied()
    }

    fn update(&mut self, number: u64) -> Option<u64> {
        self.get_mut(number as usize).map(add_one)
    }

    fn remove(&mut self, number: u64) -> Option<u64> {
        ((number as usize) < self.len()).then(|| self.swap_remove(number as usize))
    }

    fn take(&mut self) -> Option<u64> {
        self.pop()
    }

    fn each(&self, with: &mut dyn FnMut(u64)) {
        self.iter().for_each(|element| with(*element));
    }
}

impl Collection for Queue<u64> {
    fn insert(&mut self, number: u64) -> Option<u64> {
        self.push_back(number);
        None
    }

    /// Numbers of a queue count from its front, as those of a deque do.
    fn get(&self, number: u64) -> Option<u64> {
        self.get(self.numbers().start + number)
    }

    fn update(&mut self, number: u64) -> Option<u64> {
        let _ = number;
        None
    }

    fn remove(&mut self, number: u64) -> Option<u64> {
        let _ = number;
        None
    }

    fn take(&mut self) -> Option<u64> {
        self.pop_front()
    }

    fn each(&self, with: &mut dyn FnMut(u64)) {
        self.iter().for_each(with);
    }
}

impl Collection for VecDeque<u64> {
    fn insert(&mut self, number: u64) -> Option<u64> {
        self.push_back(number);
        None
    }

    fn get(&self, number: u64) -> Option<u64> {
        self.get(number as usize).copied()
    }

    fn update(&mut self, number: u64) -> Option<u64> {
        let _ = number;
        None
    }

    fn remove(&mut self, number: u64) -> Option<u64> {
        let _ = number;
        None
    }

    fn take(&mut self) -> Option<u64> {
        self.pop_front()
    }

    fn each(&self, with: &mut dyn FnMut(u64)) {
        self.iter().for_each(|element| with(*element));
    }
}

/// The key of a number: bytes that look like those of a hash.
fn key(number: u64) -> Key {
    let mut key = [0; 32];
    let mut state = number;
    for part in key.chunks_exact_mut(8) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        part.copy_from_slice(&mixed(state).to_le_bytes());
    }
    key
}

/// SplitMix64.
fn mixed(state: u64) -> u64 {
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn head(key: &Key) -> u64 {
    let [head, ..] = key.as_chunks().0 else {
        return 0;
    };
    u64::from_le_bytes(*head)
}
