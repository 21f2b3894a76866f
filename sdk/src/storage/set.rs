//! A set in the contract's memory whose members can be proven.

use core::fmt;
use core::iter::FusedIterator;
use core::ops::RangeBounds;

use super::layout::{Declared, Type};
use super::map::{self, Map};
use super::values::Stored;

/// A set of values of fixed size, in their order.
///
/// It is a [`Map`] from its members to `true`, and touches as many pages: an operation reads a page for each level of nodes (two for some hundreds of members,
/// three for some thousands, four for some hundred thousands; those at the top lie in few pages and are soon paid for) and writes one.
///
/// As a field of a state that derives [`Storage`](macro@crate::Storage) it is declared as that map: who looks a member up gets a proof of `true`,
/// who looks up anything else one of its absence.
///
/// ```
/// use crostata_sdk::Set;
///
/// let mut members: Set<u64> = Set::new();
/// assert!(members.insert(7) && members.insert(9) && !members.insert(7));
/// assert!(members.contains(&7) && !members.contains(&8));
/// assert_eq!(members.range(8..).collect::<Vec<_>>(), [9]);
/// assert!(members.remove(&7) && !members.remove(&7));
/// ```
#[repr(transparent)]
pub struct Set<K: Stored>(Map<K, bool>);

impl<K: Stored> Set<K> {
    /// A set without members, which takes up no nodes.
    pub const fn new() -> Self {
        Self(Map::new())
    }

    /// The number of members.
    pub const fn len(&self) -> u64 {
        self.0.len()
    }

    /// Whether there is no member.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is such a member.
    pub fn contains(&self, member: &K) -> bool {
        self.0.contains_key(member)
    }

    /// Puts a member in; whether it was not there before.
    pub fn insert(&mut self, member: K) -> bool {
        self.0.insert(member, true).is_none()
    }

    /// Takes a member out; whether it was there.
    pub fn remove(&mut self, member: &K) -> bool {
        self.0.remove(member).is_some()
    }

    /// Takes all members out and gives their memory back.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The lowest member.
    pub fn first(&self) -> Option<K> {
        self.0.first().map(|(member, _)| member)
    }

    /// The highest member.
    pub fn last(&self) -> Option<K> {
        self.0.last().map(|(member, _)| member)
    }

    /// The members, ascending.
    pub fn iter(&self) -> Iter<'_, K> {
        Iter(self.0.iter())
    }

    /// The members within bounds, ascending; none if the bounds are the wrong way round. It reads no node that it does not come to.
    pub fn range<R: RangeBounds<K>>(&self, bounds: R) -> Range<'_, K, R> {
        Range(self.0.range(bounds))
    }
}

impl<K: Stored> Declared for Set<K> {
    const TYPE: Type = Map::<K, bool>::TYPE;
}

impl<K: Stored> Default for Set<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Stored + fmt::Debug> fmt::Debug for Set<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self).finish()
    }
}

impl<K: Stored> Extend<K> for Set<K> {
    fn extend<I: IntoIterator<Item = K>>(&mut self, members: I) {
        members.into_iter().for_each(|member| {
            self.insert(member);
        });
    }
}

impl<'a, K: Stored> IntoIterator for &'a Set<K> {
    type Item = K;
    type IntoIter = Iter<'a, K>;

    fn into_iter(self) -> Iter<'a, K> {
        self.iter()
    }
}

/// The members of a [`Set`], ascending. It does not allocate.
pub struct Iter<'a, K: Stored>(map::Iter<'a, K, bool>);

impl<K: Stored> Iterator for Iter<'_, K> {
    type Item = K;

    fn next(&mut self) -> Option<K> {
        self.0.next().map(|(member, _)| member)
    }
}

impl<K: Stored> FusedIterator for Iter<'_, K> {}

/// The members of a [`Set`] within bounds, ascending. It does not allocate.
pub struct Range<'a, K: Stored, R>(map::Range<'a, K, bool, R>);

impl<K: Stored, R: RangeBounds<K>> Iterator for Range<'_, K, R> {
    type Item = K;

    fn next(&mut self) -> Option<K> {
        self.0.next().map(|(member, _)| member)
    }
}

impl<K: Stored, R: RangeBounds<K>> FusedIterator for Range<'_, K, R> {}

#[cfg(test)]
impl<K: Stored> Set<K> {
    /// Checks that the nodes are what they should be.
    pub fn check(&self) {
        self.0.check();
    }
}
