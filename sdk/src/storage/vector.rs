//! A vector in the contract's memory: elements that never move, each of which can be proven.

use core::fmt;
use core::iter::FusedIterator;
use core::marker::PhantomData;
use core::ops::Range;

use crate::boundary::nodes::{Nodes, will_write};
use crate::boundary::segments::Segments;

use super::layout::{Declared, Field, Type};
use super::nodes::{Shape, make_empty};
use super::spine;
use super::values::Stored;

/// A key is the number of an element.
type Key = u32;

/// A growable array of values of fixed size, of up to 2^32 elements.
///
/// It touches few pages: an element is found by arithmetic, in one page, and what is there never moves when the vector grows. (A `Vec` copies
/// all its elements then, and touches each of their pages.)
///
/// | operation | pages, beside that of the vector itself |
/// |---|---|
/// | [`get`](Self::get), [`first`](Self::first), [`last`](Self::last) | 1 read |
/// | [`set`](Self::set), [`update`](Self::update) | 1 written |
/// | [`push`](Self::push), [`pop`](Self::pop) | 1 written; at every 84th element, of eight bytes, 1 more written and up to 4 read |
/// | [`swap_remove`](Self::swap_remove), [`swap`](Self::swap) | 2 written |
/// | [`iter`](Self::iter) | 1 read for 4 KiB |
/// | [`truncate`](Self::truncate), [`clear`](Self::clear) | 1 written for 84 KiB and more that are given up |
///
/// A page costs 70,000 gas to read and 110,000 to write, once in a top-level call; the rest of an operation is some hundreds.
/// `docs/measurements.md` has figures.
///
/// Elements are [`Stored`], of 500 bytes at most, and kept as bytes: there are no references to them. [`get`](Self::get) gives a copy,
/// [`update`](Self::update) lends one and stores it back.
///
/// As a field of a state that derives [`Storage`](macro@crate::Storage) it is declared as a struct. Of a field `history`, `history.len` can be
/// proven, and each element as the key that is its number, a `u32`, of the map `history.elements`.
///
/// ```
/// use crostata_sdk::Vector;
///
/// let mut history: Vector<u64> = Vector::new();
/// history.push(3);
/// history.push(4);
/// history.set(0, 5);
/// history.update(1, |value| *value += 1);
/// assert_eq!(history.iter().collect::<Vec<_>>(), [5, 5]);
/// assert_eq!(history.swap_remove(0), 5);
/// assert_eq!((history.pop(), history.pop()), (Some(5), None));
/// ```
///
/// # In memory
/// The first 8 bytes are the address of the root of a [map](crate::Map)'s nodes, 0 without elements; 8 bytes of its own follow, then `len` as a `u64`; the rest
/// is its own. A leaf holds `1008 / (4 + size)` elements; the map of `docs/format.md` stands over the leaves.
#[repr(C)]
pub struct Vector<T: Stored> {
    nodes: Nodes,
    len: u64,
    leaves: Segments,
    of: PhantomData<T>,
}

/// Where an element is.
#[derive(Clone, Copy)]
struct Place {
    leaf: u64,
    index: usize,
}

impl<T: Stored> Vector<T> {
    const SHAPE: Shape = {
        assert!(
            size_of::<T>() <= 500,
            "an element of a vector is too large: at most 500 bytes"
        );
        Shape::new(size_of::<Key>(), size_of::<T>())
    };
    const PER_LEAF: u64 = Self::SHAPE.entries_max() as u64;

    /// A vector without elements, which takes up no memory but its own.
    pub const fn new() -> Self {
        // Evaluated here, so that sizes that do not fit are found where the vector is made.
        let _ = Self::SHAPE;
        Self {
            nodes: Nodes::new(),
            len: 0,
            leaves: Segments::new(),
            of: PhantomData,
        }
    }

    /// The number of elements.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is no element.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The element of a number, counted from 0.
    pub fn get(&self, index: u64) -> Option<T> {
        (index < self.len).then(|| self.read(index))
    }

    /// The first element.
    pub fn first(&self) -> Option<T> {
        self.get(0)
    }

    /// The last element.
    pub fn last(&self) -> Option<T> {
        self.get(self.len.checked_sub(1)?)
    }

    /// Gives an element another value.
    ///
    /// # Panics
    /// If there is no such element, as `vec[index] = value` does.
    #[track_caller]
    pub fn set(&mut self, index: u64, value: T) {
        self.refuse_beyond(index);
        self.write(index, &value);
    }

    /// Changes an element, if there is one of this number, and gives what `change` does.
    pub fn update<R>(&mut self, index: u64, change: impl FnOnce(&mut T) -> R) -> Option<R> {
        if index >= self.len {
            return None;
        }
        let mut value = self.read_to_change(index);
        let result = change(&mut value);
        self.write(index, &value);
        Some(result)
    }

    /// Exchanges two elements.
    ///
    /// # Panics
    /// If there is no such element, as `Vec` does.
    #[track_caller]
    pub fn swap(&mut self, one: u64, other: u64) {
        self.refuse_beyond(one.max(other));
        let values = (self.read_to_change(one), self.read_to_change(other));
        self.write(one, &values.1);
        self.write(other, &values.0);
    }

    /// Puts an element behind the last.
    ///
    /// # Panics
    /// If there are 2^32 elements. `Vec` panics on such occasions too.
    pub fn push(&mut self, value: T) {
        will_write(&mut self.len);
        let Ok(number) = Key::try_from(self.len) else {
            panic!("a vector has at most 2^32 elements");
        };
        let (place, key) = (place::<T>(self.len), number.to_be_bytes());
        if place.index == 0 {
            self.begin_leaf(place.leaf, &key);
        }
        let leaf = self.leaves.leaf_mut(place.leaf);
        will_write(&mut leaf[0]);
        Self::SHAPE.append_key(leaf, &key);
        value.write(Self::SHAPE.value_mut(leaf, place.index));
        self.len += 1;
    }

    /// Takes the last element out.
    pub fn pop(&mut self) -> Option<T> {
        will_write(&mut self.len);
        let last = self.len.checked_sub(1)?;
        let value = match last.is_multiple_of(Self::PER_LEAF) {
            true => self.read(last),
            false => self.read_to_change(last),
        };
        self.truncate(last);
        Some(value)
    }

    /// Takes an element out and puts the last in its place.
    ///
    /// # Panics
    /// If there is no such element, as `Vec` does.
    #[track_caller]
    pub fn swap_remove(&mut self, index: u64) -> T {
        will_write(&mut self.len);
        self.refuse_beyond(index);
        let value = self.read_to_change(index);
        if let Some(last) = self.pop()
            && index < self.len
        {
            self.write(index, &last);
        }
        value
    }

    /// Leaves the first `len` elements, if there are more. Their memory is kept for those to come.
    pub fn truncate(&mut self, len: u64) {
        if len >= self.len {
            return;
        }
        let (leaves, kept) = (
            self.len.div_ceil(Self::PER_LEAF),
            len.div_ceil(Self::PER_LEAF),
        );
        if kept < leaves {
            spine::truncate(&mut self.nodes, Self::SHAPE, leaves, kept);
        }
        let Place { leaf, index } = place::<T>(len);
        if index > 0 {
            Self::SHAPE.truncate(self.leaves.leaf_mut(leaf), index);
        }
        self.len = len;
    }

    /// Takes all elements out. Their memory is kept for those to come.
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// The elements in order.
    pub const fn iter(&self) -> Iter<'_, T> {
        Iter {
            vector: self,
            left: 0..self.len,
        }
    }

    fn begin_leaf(&mut self, leaf: u64, key: &[u8]) {
        match leaf < self.leaves.len() {
            true => make_empty(self.leaves.leaf_mut(leaf)),
            false => self.leaves.append(),
        }
        let id = self.leaves.id(leaf);
        spine::link(&mut self.nodes, Self::SHAPE, leaf, id, key);
    }

    #[track_caller]
    fn refuse_beyond(&self, index: u64) {
        if index >= self.len {
            panic!("the index is {index} but the length is {}", self.len);
        }
    }

    /// An element that is there.
    fn read(&self, index: u64) -> T {
        let Place { leaf, index } = place::<T>(index);
        T::read(Self::SHAPE.value(self.leaves.leaf(leaf), index))
    }

    /// An element that is there and will be changed.
    fn read_to_change(&mut self, index: u64) -> T {
        let place = place::<T>(index);
        let leaf = self.leaves.leaf_mut(place.leaf);
        will_write(&mut leaf[0]);
        T::read(Self::SHAPE.value(leaf, place.index))
    }

    /// Changes an element that is there.
    fn write(&mut self, index: u64, value: &T) {
        let Place { leaf, index } = place::<T>(index);
        value.write(Self::SHAPE.value_mut(self.leaves.leaf_mut(leaf), index));
    }
}

fn place<T: Stored>(index: u64) -> Place {
    let per_leaf = Vector::<T>::PER_LEAF;
    Place {
        leaf: index / per_leaf,
        index: (index % per_leaf) as usize,
    }
}

impl<T: Stored> Declared for Vector<T> {
    const TYPE: Type = {
        let _ = Self::SHAPE;
        Type::Struct(
            size_of::<Self>(),
            &[
                Field {
                    name: "elements",
                    offset: core::mem::offset_of!(Self, nodes),
                    value_type: &Type::Map(&<Key as Declared>::TYPE, &T::TYPE),
                },
                Field {
                    name: "len",
                    offset: core::mem::offset_of!(Self, len),
                    value_type: &<u64 as Declared>::TYPE,
                },
            ],
        )
    };
}

impl<T: Stored> Default for Vector<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Stored> Drop for Vector<T> {
    fn drop(&mut self) {
        self.clear();
        self.nodes.free_released();
        self.leaves.free();
    }
}

impl<T: Stored + fmt::Debug> fmt::Debug for Vector<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

impl<T: Stored> Extend<T> for Vector<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        values.into_iter().for_each(|value| self.push(value));
    }
}

impl<T: Stored> FromIterator<T> for Vector<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut vector = Self::new();
        vector.extend(values);
        vector
    }
}

impl<'a, T: Stored> IntoIterator for &'a Vector<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

/// The elements of a [`Vector`] in order, from either end. It does not allocate.
pub struct Iter<'a, T: Stored> {
    vector: &'a Vector<T>,
    left: Range<u64>,
}

impl<T: Stored> Iterator for Iter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.left.next().map(|index| self.vector.read(index))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.left.end - self.left.start) as usize; // what fits into memory
        (left, Some(left))
    }

    fn nth(&mut self, skipped: usize) -> Option<T> {
        let index = self.left.nth(skipped)?;
        Some(self.vector.read(index))
    }
}

impl<T: Stored> DoubleEndedIterator for Iter<'_, T> {
    fn next_back(&mut self) -> Option<T> {
        self.left.next_back().map(|index| self.vector.read(index))
    }
}

impl<T: Stored> ExactSizeIterator for Iter<'_, T> {}
impl<T: Stored> FusedIterator for Iter<'_, T> {}

#[cfg(test)]
impl<T: Stored> Vector<T> {
    /// Leaves, and nodes above them, given up ones included.
    pub fn memory(&self) -> (u64, usize) {
        let leaves = self.len.div_ceil(Self::PER_LEAF);
        let used = spine::len(&self.nodes, Self::SHAPE, leaves);
        (self.leaves.len(), used + self.nodes.released_len())
    }

    /// Checks that the nodes are those of a map with all elements, and nothing else.
    pub fn check(&self) {
        let places = super::places::Places::all(&self.nodes, Self::SHAPE);
        let keys = places.map(|place| {
            let leaf = self.nodes.node(place.leaf);
            Self::SHAPE.key(leaf, place.index).to_vec()
        });
        assert!(keys.eq((0..self.len).map(|index| (index as Key).to_be_bytes().to_vec())));
        for index in 0..self.len {
            let key = (index as Key).to_be_bytes();
            let found = super::tree::find(&self.nodes, Self::SHAPE, &key).map(|place| {
                let leaf = self.nodes.node(place.leaf);
                Self::SHAPE.value(leaf, place.index)
            });
            let place = place::<T>(index);
            let expected = Self::SHAPE.value(self.leaves.leaf(place.leaf), place.index);
            assert_eq!(found, Some(expected));
        }
    }
}
