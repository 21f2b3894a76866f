//! A queue in the contract's memory: first in, first out, with numbers that can be proven.

use core::fmt;
use core::iter::FusedIterator;
use core::marker::PhantomData;
use core::ops::Range;

use crate::boundary::nodes::{NodeId, Nodes, will_write};

use super::layout::{Declared, Field, Type};
use super::nodes::{Shape, count, level};
use super::places::Places;
use super::tree::{self, Place};
use super::values::Stored;

/// A first-in, first-out queue of values of fixed size.
///
/// Every element gets a number when it is put in, one more than that of the element before, and keeps it: that is its place for the world, whatever is taken
/// out in front of it. Nothing moves but within one node of 1 KiB, and what was given up at the front is used again at the end, so that a queue
/// takes as much memory as the most that it ever held.
///
/// | operation | pages, beside that of the queue itself |
/// |---|---|
/// | [`push_back`](Self::push_back) | 1 written; at every 63rd element, of eight bytes, 2 more written and up to 2 more read |
/// | [`pop_front`](Self::pop_front) | 1 written; at every 63rd, 2 written and up to 6 read |
/// | [`front`](Self::front), [`back`](Self::back) | 1 read |
/// | [`get`](Self::get) | one read for each level, as of a [`Map`](crate::Map): 3 for 100,000 elements |
/// | [`iter`](Self::iter) | 1 read for 4 KiB, and those above them |
///
/// A page costs 70,000 gas to read and 110,000 to write, once in a top-level call; the rest of an operation is some hundreds to some
/// thousands. `docs/measurements.md` has figures.
///
/// Elements are [`Stored`], of 496 bytes at most, and kept as bytes: there are no references to them.
///
/// As a field of a state that derives [`Storage`](macro@crate::Storage) it is declared as a struct. Of a field `exits`, `exits.first` and `exits.end` can be
/// proven, the numbers of the front and of the element that comes next; and each element as the key that is its number, a `u64`, of the map `exits.elements`.
///
/// ```
/// use crostata_sdk::Queue;
///
/// let mut exits: Queue<[u8; 32]> = Queue::new();
/// assert_eq!(exits.push_back([1; 32]), 0);
/// assert_eq!(exits.push_back([2; 32]), 1);
/// assert_eq!(exits.front(), Some([1; 32]));
/// assert_eq!(exits.pop_front(), Some([1; 32]));
/// assert_eq!(exits.numbers(), 1..2);
/// assert_eq!(exits.get(1), Some([2; 32]));
/// ```
///
/// # In memory
/// The first 8 bytes are the address of the root of a [map](crate::Map)'s nodes, 0 without elements; 8 bytes of its own follow, then the number of the front and
/// the one behind the last, each a `u64`; the rest is its own.
#[repr(C)]
pub struct Queue<T: Stored> {
    nodes: Nodes,
    first: u64,
    end: u64,
    /// The leaves of the first and of the last element, if there is one.
    ends: Option<Ends>,
    of: PhantomData<T>,
}

#[derive(Clone, Copy)]
#[repr(C)]
struct Ends {
    head: NodeId,
    tail: NodeId,
}

impl<T: Stored> Queue<T> {
    const SHAPE: Shape = {
        assert!(
            size_of::<T>() <= 496,
            "an element of a queue is too large: at most 496 bytes"
        );
        Shape::new(size_of::<u64>(), size_of::<T>())
    };

    /// A queue without elements, which takes up no memory but its own.
    pub const fn new() -> Self {
        // Evaluated here, so that sizes that do not fit are found where the queue is made.
        let _ = Self::SHAPE;
        Self {
            nodes: Nodes::new(),
            first: 0,
            end: 0,
            ends: None,
            of: PhantomData,
        }
    }

    /// The number of elements.
    pub const fn len(&self) -> u64 {
        self.end - self.first
    }

    /// Whether there is no element.
    pub const fn is_empty(&self) -> bool {
        self.end == self.first
    }

    /// The numbers of the elements that are in the queue. The next one gets the end.
    pub const fn numbers(&self) -> Range<u64> {
        self.first..self.end
    }

    /// Puts an element behind the last, and gives its number.
    pub fn push_back(&mut self, value: T) -> u64 {
        will_write(&mut self.end);
        let number = self.end;
        let place = self.append(&number.to_be_bytes());
        let leaf = self.nodes.node_mut(place.leaf);
        value.write(Self::SHAPE.value_mut(leaf, place.index));
        let head = self.ends.map_or(place.leaf, |ends| ends.head);
        self.ends = Some(Ends {
            head,
            tail: place.leaf,
        });
        self.end += 1;
        number
    }

    /// Takes the first element out.
    pub fn pop_front(&mut self) -> Option<T> {
        will_write(&mut self.end);
        let ends = self.ends?;
        self.nodes.will_write(ends.head);
        let value = self.value(ends.head, 0);
        match count(self.nodes.node(ends.head)) {
            1 => self.remove_leaf(),
            _ => Self::SHAPE.remove_entry(self.nodes.node_mut(ends.head), 0),
        }
        self.first += 1;
        Some(value)
    }

    /// The first element.
    pub fn front(&self) -> Option<T> {
        Some(self.value(self.ends?.head, 0))
    }

    /// The last element.
    pub fn back(&self) -> Option<T> {
        let leaf = self.ends?.tail;
        let index = count(self.nodes.node(leaf)).checked_sub(1)?;
        Some(self.value(leaf, index))
    }

    /// The element of a number, if it is in the queue.
    pub fn get(&self, number: u64) -> Option<T> {
        let Place { leaf, index } = tree::find(&self.nodes, Self::SHAPE, &number.to_be_bytes())?;
        Some(self.value(leaf, index))
    }

    /// Takes all elements out and gives their memory back. Numbers go on.
    pub fn clear(&mut self) {
        tree::clear(&mut self.nodes, Self::SHAPE);
        self.first = self.end;
        self.ends = None;
    }

    /// The elements, from the first on.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter {
            queue: self,
            places: Places::all(&self.nodes, Self::SHAPE),
        }
    }

    /// A place for the next element.
    fn append(&mut self, key: &[u8]) -> Place {
        if let Some(Ends { tail, .. }) = self.ends {
            self.nodes.will_write(tail);
            let leaf = self.nodes.node_mut(tail);
            if !Self::SHAPE.is_full(leaf) {
                let index = count(leaf);
                Self::SHAPE.insert_entry(leaf, index, key);
                return Place { leaf: tail, index };
            }
        }
        tree::insert(&mut self.nodes, Self::SHAPE, key, false).place
    }

    /// Takes out the first element, which is alone in its leaf. What is left of nodes that get almost empty goes into their neighbours, so that
    /// both ends may come to lie elsewhere.
    fn remove_leaf(&mut self) {
        let key = self.first.to_be_bytes();
        tree::remove(&mut self.nodes, Self::SHAPE, &key, false, |_| ());
        self.ends = self.nodes.root().map(|root| Ends {
            head: self.leaf(root, |_| 0),
            tail: self.leaf(root, |count| count),
        });
    }

    /// The leaf at an end.
    fn leaf(&self, mut node: NodeId, child: impl Fn(usize) -> usize) -> NodeId {
        loop {
            let bytes = self.nodes.node(node);
            if level(bytes) == 0 {
                return node;
            }
            node = Self::SHAPE.child(bytes, child(count(bytes)));
        }
    }

    fn value(&self, leaf: NodeId, index: usize) -> T {
        T::read(Self::SHAPE.value(self.nodes.node(leaf), index))
    }
}

impl<T: Stored> Declared for Queue<T> {
    const TYPE: Type = {
        let _ = Self::SHAPE;
        Type::Struct(
            size_of::<Self>(),
            &[
                Field {
                    name: "elements",
                    offset: core::mem::offset_of!(Self, nodes),
                    value_type: &Type::Map(&<u64 as Declared>::TYPE, &T::TYPE),
                },
                Field {
                    name: "first",
                    offset: core::mem::offset_of!(Self, first),
                    value_type: &<u64 as Declared>::TYPE,
                },
                Field {
                    name: "end",
                    offset: core::mem::offset_of!(Self, end),
                    value_type: &<u64 as Declared>::TYPE,
                },
            ],
        )
    };
}

impl<T: Stored> Default for Queue<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Stored> Drop for Queue<T> {
    fn drop(&mut self) {
        self.clear();
    }
}

impl<T: Stored + fmt::Debug> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

impl<T: Stored> Extend<T> for Queue<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        values.into_iter().for_each(|value| {
            self.push_back(value);
        });
    }
}

impl<'a, T: Stored> IntoIterator for &'a Queue<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

/// The elements of a [`Queue`], from the first on. It does not allocate.
pub struct Iter<'a, T: Stored> {
    queue: &'a Queue<T>,
    places: Places<'a>,
}

impl<T: Stored> Iterator for Iter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let Place { leaf, index } = self.places.next()?;
        Some(self.queue.value(leaf, index))
    }
}

impl<T: Stored> FusedIterator for Iter<'_, T> {}

#[cfg(test)]
impl<T: Stored> Queue<T> {
    /// Checks that the nodes are those of a map with the elements' numbers.
    pub fn check(&self) {
        let places = Places::all(&self.nodes, Self::SHAPE);
        let keys = Places::all(&self.nodes, Self::SHAPE).map(|place| places.key(place).to_vec());
        assert!(keys.eq(self.numbers().map(|number| number.to_be_bytes().to_vec())));
        assert_eq!(self.ends.is_none(), self.is_empty());
    }
}
