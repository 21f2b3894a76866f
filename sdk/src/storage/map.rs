//! A map in the contract's memory whose lookups can be proven.

use core::fmt;
use core::iter::FusedIterator;
use core::marker::PhantomData;
use core::ops::{Bound, RangeBounds};

use crate::boundary::nodes::{Nodes, will_write};

use super::layout::{Declared, Type};
use super::nodes::{Shape, count, level};
use super::places::Places;
use super::tree::{self, Place};
use super::values::Stored;

/// A map from keys to values of fixed size, ordered by keys.
///
/// As a field of a state that derives [`Storage`](macro@crate::Storage) it lets the world look up keys in it, present or absent,
/// with a proof and without running the contract. It is a B+tree of nodes of 1 KiB: a lookup reads one for each of its levels,
/// three for some thousands of entries and four for some hundred thousands, whatever the keys are; and no insertion ever moves more than a
/// node per level.
///
/// | operation | pages, beside that of the map itself |
/// |---|---|
/// | [`get`](Self::get), [`contains_key`](Self::contains_key) | 1 read for each level |
/// | [`update`](Self::update), [`insert`](Self::insert) of a key that is there | 1 written, the levels above it read |
/// | [`insert`](Self::insert) of a new key, [`remove`](Self::remove) | the same, and that of the map written; nodes that are split or merged, at about every tenth |
/// | [`iter`](Self::iter), [`range`](Self::range) | 1 read for each node, and the levels to the first |
///
/// A page costs 70,000 gas to read and 110,000 to write, once in a top-level call, and 180,000 if it is read before it is written: `update` is cheaper than
/// `get` and then `insert`. The rest of an operation is some thousands. `docs/measurements.md` has figures.
///
/// Keys and values are [`Stored`]: a key is 325 bytes at most, with its value 504. They are kept as bytes, so there are no references into the
/// map: [`get`](Self::get) gives a copy, [`update`](Self::update) lends one and stores it back.
///
/// ```
/// use crostata_sdk::Map;
///
/// let mut votes: Map<u64, u32> = Map::new();
/// votes.insert(7, 1);
/// votes.update(&7, |count| *count += 1);
/// assert_eq!(votes.get(&7), Some(2));
/// assert_eq!(votes.get(&8), None);
/// assert_eq!(votes.iter().collect::<Vec<_>>(), [(7, 2)]);
/// ```
#[repr(C)]
pub struct Map<K: Stored, V: Stored> {
    nodes: Nodes,
    len: u64,
    of: PhantomData<(K, V)>,
}

impl<K: Stored, V: Stored> Map<K, V> {
    const SHAPE: Shape = Shape::new(K::TYPE.key_bytes(), size_of::<V>());

    /// A map without entries, which takes up no nodes.
    pub const fn new() -> Self {
        // Evaluated here, so that sizes that do not fit are found where the map is made.
        let _ = Self::SHAPE;
        Self {
            nodes: Nodes::new(),
            len: 0,
            of: PhantomData,
        }
    }

    /// The number of entries.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is no entry.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<V> {
        let place = key.with_key(|key| tree::find(&self.nodes, Self::SHAPE, key))?;
        Some(self.value(place))
    }

    /// Whether there is such a key.
    pub fn contains_key(&self, key: &K) -> bool {
        key.with_key(|key| tree::find(&self.nodes, Self::SHAPE, key))
            .is_some()
    }

    /// Changes the value of a key, if there is one, and gives what `change` does.
    pub fn update<R>(&mut self, key: &K, change: impl FnOnce(&mut V) -> R) -> Option<R> {
        let is_small = self.is_small();
        let place =
            key.with_key(|key| tree::find_to_change(&mut self.nodes, Self::SHAPE, key, is_small))?;
        let mut value = self.value(place);
        let result = change(&mut value);
        self.set(place, &value);
        Some(result)
    }

    /// Gives a key a value, and gives the one that it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let is_small = self.is_small();
        let inserted =
            key.with_key(|key| tree::insert(&mut self.nodes, Self::SHAPE, key, is_small));
        let before = match inserted.existed {
            true => Some(self.value(inserted.place)),
            false => {
                self.len += 1;
                None
            }
        };
        self.set(inserted.place, &value);
        before
    }

    /// Takes a key out, and gives the value that it had.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        will_write(&mut self.len);
        let is_small = self.is_small();
        let value =
            key.with_key(|key| tree::remove(&mut self.nodes, Self::SHAPE, key, is_small, V::read))?;
        self.len -= 1;
        Some(value)
    }

    /// Takes all entries out and gives their memory back.
    pub fn clear(&mut self) {
        tree::clear(&mut self.nodes, Self::SHAPE);
        self.len = 0;
    }

    /// The entry with the lowest key.
    pub fn first(&self) -> Option<(K, V)> {
        self.iter().next()
    }

    /// The entry with the highest key.
    pub fn last(&self) -> Option<(K, V)> {
        let mut leaf = self.nodes.root()?;
        loop {
            let node = self.nodes.node(leaf);
            let count = count(node);
            if level(node) == 0 {
                let index = count.checked_sub(1)?;
                return Some(self.entry(Place { leaf, index }));
            }
            leaf = Self::SHAPE.child(node, count);
        }
    }

    /// The entries, by ascending keys.
    pub fn iter(&self) -> Iter<'_, K, V> {
        Iter {
            map: self,
            places: Places::all(&self.nodes, Self::SHAPE),
        }
    }

    /// The entries whose keys lie within bounds, by ascending keys; none if the bounds are the wrong way round. It reads no node that it
    /// does not come to.
    ///
    /// ```
    /// # use crostata_sdk::Map;
    /// let mut prices: Map<u64, u8> = Map::new();
    /// (0..100).for_each(|time| _ = prices.insert(time * 10, 1));
    /// let keys = prices.range(15..=30).map(|(time, _)| time);
    /// assert_eq!(keys.collect::<Vec<_>>(), [20, 30]);
    /// ```
    pub fn range<R: RangeBounds<K>>(&self, bounds: R) -> Range<'_, K, V, R> {
        let (nodes, shape) = (&self.nodes, Self::SHAPE);
        let from =
            |key: &K, is_behind| key.with_key(|key| Places::from_key(nodes, shape, key, is_behind));
        let places = match bounds.start_bound() {
            Bound::Unbounded => Places::all(nodes, shape),
            Bound::Included(key) => from(key, false),
            Bound::Excluded(key) => from(key, true),
        };
        Range {
            map: self,
            places: Some(places),
            bounds,
        }
    }

    /// Whether one leaf could hold all entries; it then nearly always does.
    const fn is_small(&self) -> bool {
        self.len <= Self::SHAPE.entries_max() as u64
    }

    fn value(&self, place: Place) -> V {
        V::read(Self::SHAPE.value(self.nodes.node(place.leaf), place.index))
    }

    fn set(&mut self, place: Place, value: &V) {
        let leaf = self.nodes.node_mut(place.leaf);
        value.write(Self::SHAPE.value_mut(leaf, place.index));
    }

    fn entry(&self, place: Place) -> (K, V) {
        let key = Self::SHAPE.key(self.nodes.node(place.leaf), place.index);
        (K::read_key(key), self.value(place))
    }
}

impl<K: Stored, V: Stored> Declared for Map<K, V> {
    const TYPE: Type = {
        let _ = Self::SHAPE;
        Type::Map(&K::TYPE, &V::TYPE)
    };
}

impl<K: Stored, V: Stored> Default for Map<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Stored, V: Stored> Drop for Map<K, V> {
    fn drop(&mut self) {
        self.clear();
    }
}

impl<K: Stored + fmt::Debug, V: Stored + fmt::Debug> fmt::Debug for Map<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

impl<'a, K: Stored, V: Stored> IntoIterator for &'a Map<K, V> {
    type Item = (K, V);
    type IntoIter = Iter<'a, K, V>;

    fn into_iter(self) -> Iter<'a, K, V> {
        self.iter()
    }
}

/// The entries of a [`Map`], by ascending keys. It does not allocate.
pub struct Iter<'a, K: Stored, V: Stored> {
    map: &'a Map<K, V>,
    places: Places<'a>,
}

impl<K: Stored, V: Stored> Iterator for Iter<'_, K, V> {
    type Item = (K, V);

    fn next(&mut self) -> Option<(K, V)> {
        self.places.next().map(|place| self.map.entry(place))
    }
}

impl<K: Stored, V: Stored> FusedIterator for Iter<'_, K, V> {}

/// The entries of a [`Map`] whose keys lie within bounds, by ascending keys. It does not allocate.
pub struct Range<'a, K: Stored, V: Stored, R> {
    map: &'a Map<K, V>,
    /// None once a key was above the bounds.
    places: Option<Places<'a>>,
    bounds: R,
}

impl<K: Stored, V: Stored, R: RangeBounds<K>> Iterator for Range<'_, K, V, R> {
    type Item = (K, V);

    fn next(&mut self) -> Option<(K, V)> {
        let places = self.places.as_mut()?;
        let place = places.next()?;
        let key = places.key(place);
        let is_within = match self.bounds.end_bound() {
            Bound::Unbounded => true,
            Bound::Included(end) => end.with_key(|end| key <= end),
            Bound::Excluded(end) => end.with_key(|end| key < end),
        };
        if !is_within {
            self.places = None;
            return None;
        }
        Some(self.map.entry(place))
    }
}

impl<K: Stored, V: Stored, R: RangeBounds<K>> FusedIterator for Range<'_, K, V, R> {}

#[cfg(test)]
impl<K: Stored, V: Stored> Map<K, V> {
    /// Checks that the nodes are what they should be.
    pub fn check(&self) {
        assert_eq!(tree::check(&self.nodes, Self::SHAPE), self.len);
    }
}
