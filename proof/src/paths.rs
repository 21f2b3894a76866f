//! The ways from several positions of a tree to its root: the siblings beside them, each once.
//!
//! Like a [`TreePath`], which is the same for one position, it does not say whose it is: whoever folds it gives positions
//! and leaves. The same siblings fold over other leaves at these positions to the root of the changed tree.
//!
//! Encoding: one nibble per parent, level by level from the leaves' parents to the root and by ascending number within a
//! level; bit `i` is set if child `i` is a sibling that exists. The first nibble is the low one of the first byte, and an odd
//! last nibble is followed by a zero one. Then the siblings, 32 bytes each, in that order. The bits of children on the way
//! are zero and no sibling is EMPTY, so that there is one encoding.

use alloc::vec::Vec;
use core::ops::Range;

use crate::climb::Climbs;
use crate::path::{PathError, TreePath};
use crate::read::{Cut, Reader};
use crate::{ARITY, EMPTY, Hash, hash, tree};

/// The siblings beside the ways from some positions to the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreePaths {
    height: u32,
    /// Per parent on a way: which siblings exist.
    bitmaps: Vec<u8>,
    /// The siblings that exist, in the order of the bitmaps.
    siblings: Vec<Hash>,
}

/// Why bytes are not encoded paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadPathsError {
    /// The bytes end inside.
    Cut,
    /// The nibble beyond the last parent is not zero.
    Padding,
    /// A sibling is EMPTY: it should not have been written.
    EmptySibling,
    /// A sibling is listed where a way runs.
    OwnPlace {
        /// The level, 0 for the leaves' parents.
        level: u32,
    },
}

impl From<Cut> for ReadPathsError {
    fn from(Cut: Cut) -> Self {
        Self::Cut
    }
}

/// Replaces nodes by their parents, level by level, until the root is left.
///
/// The nodes ascend by number; `parent` makes one of its children on the way.
fn climb<T, E>(
    height: u32,
    nodes: &mut Vec<(u64, T)>,
    mut parent: impl FnMut(u32, &[(u64, T)]) -> Result<T, E>,
) -> Result<(), E> {
    for level in 0..height {
        // In place: parents are never more than children.
        let (mut from, mut to) = (0, 0);
        while from < nodes.len() {
            let number = nodes[from].0 >> 2;
            let family = nodes[from..].iter();
            let count = family.take_while(|node| node.0 >> 2 == number).count();
            let made = parent(level, &nodes[from..from + count])?;
            nodes[to] = (number, made);
            from += count;
            to += 1;
        }
        nodes.truncate(to);
    }
    Ok(())
}

/// The places of the children on the way, as bits.
fn places<T>(family: &[(u64, T)]) -> u8 {
    let bits = family.iter().map(|node| 1 << (node.0 & 3));
    bits.fold(0, |places, bit: u8| places | bit)
}

impl TreePaths {
    /// The ways of several positions in one tree of this height, each given with its own path: ascending, each once.
    ///
    /// Nothing is verified here: paths that do not belong together make ways to nothing.
    pub fn merge(height: u32, paths: &[(u64, TreePath)]) -> Self {
        debug_assert!(paths.is_sorted_by(|one, next| one.0 < next.0));
        let mut levels: Vec<_> = paths.iter().map(|(_, path)| path.levels()).collect();
        let positions = paths.iter().map(|(position, _)| *position);
        // A node's siblings are on the path of the first position below it.
        let mut nodes: Vec<(u64, usize)> = positions.zip(0..).collect();
        let mut merged = Self {
            height,
            bitmaps: Vec::new(),
            siblings: Vec::new(),
        };
        let ended = climb(height, &mut nodes, |_, family| {
            let first = family[0].1;
            let (bitmap, siblings) = levels[first].next().unwrap_or((0, &[]));
            merged.push(bitmap, siblings, places(family));
            Ok::<_, core::convert::Infallible>(first)
        });
        let Ok(()) = ended;
        merged
    }

    /// Adds a parent with the siblings that are not on the way.
    fn push(&mut self, bitmap: u8, siblings: &[Hash], on_the_way: u8) {
        let listed = (0..ARITY).filter(|at| bitmap >> at & 1 == 1);
        for (at, sibling) in listed.zip(siblings) {
            if on_the_way >> at & 1 == 0 {
                self.siblings.push(*sibling);
            }
        }
        self.bitmaps.push(bitmap & !on_the_way);
    }

    /// The height of the tree.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The root of the tree with these leaves at the positions of the paths (ascending, each once) and these siblings.
    ///
    /// # Errors
    /// [`PathError`] if the paths can not be those positions'.
    pub fn fold(&self, leaves: &[(u64, Hash)]) -> Result<Hash, PathError> {
        match &*self.fold_between(leaves, leaves.to_vec(), 0..self.height)? {
            [(0, root)] => Ok(*root),
            _ => Err(PathError::Shape),
        }
    }

    /// The path of one of these positions alone: what it is in the tree with these leaves.
    ///
    /// # Errors
    /// [`PathError`] if the paths can not be those positions', or the position is none of them.
    pub fn path(&self, leaves: &[(u64, Hash)], position: u64) -> Result<TreePath, PathError> {
        let mut ways = self.ways(leaves)?;
        let mut nodes = leaves.to_vec();
        let mut families = alloc::vec![Family::NONE; nodes.len()];
        let mut levels = Vec::with_capacity(self.height as usize);
        while !ways.is_at_end() {
            let count = ways.families(&mut nodes, &mut families)?;
            ways.go_up();
            nodes.truncate(count);
            for (node, family) in nodes.iter_mut().zip(&families) {
                node.1 = family.hash();
            }
            let number = position >> (2 * (levels.len() + 1));
            let at = nodes.binary_search_by_key(&number, |node| node.0);
            levels.push(families[at.map_err(|_| PathError::Shape)?].children());
        }
        let is_listed = leaves.iter().any(|leaf| leaf.0 == position);
        match is_listed && !ways.has_rest() {
            true => Ok(TreePath::from_levels(position, &levels)),
            false => Err(PathError::Shape),
        }
    }

    /// The nodes at the end of a range of heights, over those at its beginning, all of them above these leaves.
    pub(crate) fn fold_between(
        &self,
        leaves: &[(u64, Hash)],
        nodes: Vec<(u64, Hash)>,
        heights: Range<u32>,
    ) -> Result<Vec<(u64, Hash)>, PathError> {
        let mut ways = self.ways(leaves)?;
        ways.split_at(leaves, heights.start)?;
        let levels = ways.split_at(&nodes, heights.end)?;
        let mut climbs = Climbs::new();
        let part = climbs.part(levels, nodes);
        climbs.run()?;
        Ok(climbs.ended(part).to_vec())
    }

    /// What there is beside the ways from these leaves to the root.
    pub(crate) fn ways(&self, leaves: &[(u64, Hash)]) -> Result<Levels<'_>, PathError> {
        let last = leaves.last().ok_or(PathError::Order)?.0;
        if !leaves.is_sorted_by(|one, next| one.0 < next.0) {
            return Err(PathError::Order);
        }
        if !tree::has_position(self.height, last) {
            let (position, height) = (last, self.height);
            return Err(PathError::Position { position, height });
        }
        Ok(Levels {
            range: 0..self.height,
            bitmaps: &self.bitmaps,
            siblings: &self.siblings,
        })
    }

    /// Appends the encoding.
    pub(crate) fn write(&self, bytes: &mut Vec<u8>) {
        for pair in self.bitmaps.chunks(2) {
            bytes.push(pair[0] | pair.get(1).unwrap_or(&0) << 4);
        }
        bytes.extend_from_slice(self.siblings.as_flattened());
    }

    /// Reads the paths of these positions, which ascend.
    ///
    /// Memory is taken only for what is there.
    pub(crate) fn read(
        reader: &mut Reader<'_>,
        height: u32,
        positions: impl Iterator<Item = u64>,
    ) -> Result<Self, ReadPathsError> {
        let mut nodes: Vec<(u64, ())> = positions.map(|position| (position, ())).collect();
        let mut nibbles = Nibbles::default();
        let mut bitmaps = Vec::new();
        climb(height, &mut nodes, |level, family| {
            let bitmap = nibbles.next(reader)?;
            if bitmap & places(family) != 0 {
                return Err(ReadPathsError::OwnPlace { level });
            }
            bitmaps.push(bitmap);
            Ok(())
        })?;
        if nibbles.rest != 0 {
            return Err(ReadPathsError::Padding);
        }
        let count: usize = bitmaps.iter().map(|b: &u8| b.count_ones() as usize).sum();
        let len = count.checked_mul(32).ok_or(ReadPathsError::Cut)?;
        let (siblings, _) = reader.bytes(len)?.as_chunks();
        if siblings.contains(&EMPTY) {
            return Err(ReadPathsError::EmptySibling);
        }
        Ok(Self {
            height,
            bitmaps,
            siblings: siblings.to_vec(),
        })
    }
}

/// Bytes read a nibble at a time, the low one first.
#[derive(Default)]
struct Nibbles {
    /// The high nibble that is still to come.
    rest: u8,
    is_high: bool,
}

impl Nibbles {
    fn next(&mut self, reader: &mut Reader<'_>) -> Result<u8, Cut> {
        self.is_high = !self.is_high;
        if !self.is_high {
            return Ok(core::mem::take(&mut self.rest));
        }
        let byte = reader.byte()?;
        self.rest = byte >> 4;
        Ok(byte & 15)
    }
}

/// The numbers of the nodes this many levels higher.
pub(crate) fn numbers(nodes: &[(u64, Hash)], levels: u32) -> impl Iterator<Item = u64> {
    let number = move |node: &(u64, Hash)| node.0 >> (2 * levels);
    let groups = nodes.chunk_by(move |one, next| number(one) == number(next));
    groups.map(move |group| number(&group[0]))
}

/// What there is beside the ways between two heights.
pub(crate) struct Levels<'a> {
    range: Range<u32>,
    bitmaps: &'a [u8],
    siblings: &'a [Hash],
}

impl<'a> Levels<'a> {
    /// Takes off what is below a height. The ways begin at these nodes.
    pub fn split_at(&mut self, nodes: &[(u64, Hash)], height: u32) -> Result<Self, PathError> {
        let levels = 1..=height.saturating_sub(self.range.start);
        let parents = levels.map(|levels| numbers(nodes, levels).count()).sum();
        let range = self.range.start..height;
        self.range.start = height;
        let bitmaps = self.bitmaps.split_off(..parents);
        let bitmaps = bitmaps.ok_or(PathError::Shape)?;
        let count = bitmaps.iter().map(|bitmap| bitmap.count_ones() as usize);
        let siblings = self.siblings.split_off(..count.sum());
        let is_over =
            self.range.is_empty() && !(self.bitmaps.is_empty() && self.siblings.is_empty());
        match siblings {
            Some(siblings) if !is_over => Ok(Self {
                range,
                bitmaps,
                siblings,
            }),
            _ => Err(PathError::Shape),
        }
    }

    /// Whether there is nothing left.
    pub fn is_at_end(&self) -> bool {
        self.range.is_empty()
    }

    /// Whether siblings are left that no node has.
    pub fn has_rest(&self) -> bool {
        !(self.bitmaps.is_empty() && self.siblings.is_empty())
    }

    /// Goes to the next level.
    pub fn go_up(&mut self) {
        self.range.start += 1;
    }
}

/// The children of a node that are not EMPTY: their places, and they.
#[derive(Clone, Copy)]
pub(crate) struct Family {
    bitmap: u8,
    count: u8,
    present: [Hash; ARITY],
}

impl Family {
    /// Without children.
    pub const NONE: Self = Self {
        bitmap: 0,
        count: 0,
        present: [EMPTY; ARITY],
    };

    /// Whether its node is EMPTY.
    pub fn is_none(&self) -> bool {
        self.count == 0
    }

    /// The key that they are hashed with.
    pub fn key(&self) -> &'static [u8; 32] {
        hash::node_key(usize::from(self.bitmap))
    }

    /// What is hashed.
    pub fn bytes(&self) -> &[u8] {
        &self.present.as_flattened()[..usize::from(self.count) * 32]
    }

    /// The hash of the node.
    fn hash(&self) -> Hash {
        let count = usize::from(self.count);
        hash::node_of(usize::from(self.bitmap), &self.present[..count])
    }

    /// All four children.
    fn children(&self) -> [Hash; ARITY] {
        let mut present = self.present.iter();
        core::array::from_fn(|place| match self.bitmap >> place & 1 {
            0 => EMPTY,
            _ => *present.next().unwrap_or(&EMPTY),
        })
    }

    fn push(&mut self, place: usize, child: &Hash) {
        if *child != EMPTY {
            self.present[usize::from(self.count)] = *child;
            self.count += 1;
            self.bitmap |= 1 << place;
        }
    }
}

impl Levels<'_> {
    /// Makes the families of the next level of these nodes, which become their parents in place, all EMPTY; gives their number.
    pub fn families(
        &mut self,
        nodes: &mut [(u64, Hash)],
        families: &mut [Family],
    ) -> Result<usize, PathError> {
        let (mut from, mut to) = (0, 0);
        while from < nodes.len() {
            let number = nodes[from].0 >> 2;
            let own = nodes[from..]
                .iter()
                .take_while(|node| node.0 >> 2 == number);
            let count = own.count();
            self.family(&nodes[from..from + count], &mut families[to])?;
            nodes[to] = (number, EMPTY);
            from += count;
            to += 1;
        }
        Ok(to)
    }

    /// The node above children on the way and the next siblings.
    fn family(&mut self, own: &[(u64, Hash)], family: &mut Family) -> Result<(), PathError> {
        let bitmap = *self.bitmaps.split_off_first().ok_or(PathError::Shape)?;
        let on_the_way = places(own);
        if bitmap & on_the_way != 0 {
            let level = self.range.start;
            return Err(PathError::OwnPlace { level });
        }
        (family.bitmap, family.count) = (0, 0);
        if let ([(number, child)], 0) = (own, bitmap) {
            family.push((number & 3) as usize, child);
            return Ok(());
        }
        let mut own = own.iter().map(|node| &node.1);
        for place in 0..ARITY {
            let child = match (on_the_way >> place & 1, bitmap >> place & 1) {
                (1, _) => own.next(),
                (_, 1) => self.siblings.split_off_first(),
                _ => continue,
            };
            family.push(place, child.ok_or(PathError::Shape)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    /// The path of a position in the tree of height 3 with these leaves.
    fn path_of(position: u64, leaves: &[(u64, Hash)]) -> TreePath {
        let children = |level: u32| {
            let parent = position >> (2 * (level + 1));
            core::array::from_fn(|at| subtree(level, parent << 2 | at as u64, leaves))
        };
        let levels: Vec<[Hash; ARITY]> = (0..3).map(children).collect();
        TreePath::from_levels(position, &levels)
    }

    /// The hash of the subtree of this height and number.
    fn subtree(height: u32, number: u64, leaves: &[(u64, Hash)]) -> Hash {
        if height == 0 {
            let leaf = leaves.iter().find(|leaf| leaf.0 == number);
            return leaf.map_or(EMPTY, |leaf| leaf.1);
        }
        let child = |at| subtree(height - 1, number << 2 | at as u64, leaves);
        hash::node(&core::array::from_fn(child))
    }

    fn leaves() -> Vec<(u64, Hash)> {
        [1, 2, 6, 33, 63].map(|at| (at, [at as u8; 32])).into()
    }

    fn paths_of(positions: &[u64]) -> TreePaths {
        let leaves = leaves();
        let paths: Vec<_> = positions
            .iter()
            .map(|at| (*at, path_of(*at, &leaves)))
            .collect();
        TreePaths::merge(3, &paths)
    }

    fn leaf_at(position: u64) -> (u64, Hash) {
        let found = leaves().into_iter().find(|leaf| leaf.0 == position);
        found.unwrap_or((position, EMPTY))
    }

    /// P4: whatever positions are chosen, present or absent, the ways lead to the root and to no other.
    #[test]
    fn all_choices_of_positions_fold_to_the_root() {
        let root = subtree(3, 0, &leaves());
        for chosen in 1..1_u32 << 8 {
            let some = [0, 1, 2, 6, 7, 33, 40, 63];
            let some: Vec<u64> = (0..8)
                .filter(|at| chosen >> at & 1 == 1)
                .map(|at| some[at])
                .collect();
            let paths = paths_of(&some);
            let shown: Vec<_> = some.iter().map(|at| leaf_at(*at)).collect();
            assert_eq!(paths.fold(&shown), Ok(root), "{some:?}");
            let mut bytes = vec![];
            paths.write(&mut bytes);
            let read = TreePaths::read(&mut Reader::new(&bytes), 3, some.iter().copied());
            assert_eq!(read, Ok(paths));
        }
    }

    /// P4: new leaves at the positions give the root of the changed tree.
    #[test]
    fn new_leaves_fold_to_the_changed_root() {
        let paths = paths_of(&[2, 7, 33]);
        let changed = [(2, [9; 32]), (7, [8; 32]), (33, EMPTY)];
        let whole = [
            (1, [1; 32]),
            (2, [9; 32]),
            (6, [6; 32]),
            (7, [8; 32]),
            (63, [63; 32]),
        ];
        assert_eq!(paths.fold(&changed), Ok(subtree(3, 0, &whole)));
    }

    /// P7: other positions than those of the paths are typed errors or other roots.
    #[test]
    fn other_positions_do_not_fold() {
        let (paths, root) = (paths_of(&[1, 33]), subtree(3, 0, &leaves()));
        let at = |position: u64| leaf_at(position);
        assert_eq!(paths.fold(&[at(1), at(33)]), Ok(root));
        assert_eq!(paths.fold(&[]), Err(PathError::Order));
        assert_eq!(paths.fold(&[at(33), at(1)]), Err(PathError::Order));
        let outside = PathError::Position {
            position: 64,
            height: 3,
        };
        assert_eq!(paths.fold(&[at(1), at(64)]), Err(outside));
        assert_eq!(paths.fold(&[at(1)]), Err(PathError::Shape));
        let one_more = paths.fold(&[at(1), at(33), at(63)]);
        assert!(one_more.is_err() || one_more != Ok(root));
        assert_eq!(
            paths.fold(&[at(2), at(33)]),
            Err(PathError::OwnPlace { level: 0 })
        );
    }

    #[test]
    fn encoding_is_canonical() {
        let mut bytes = vec![];
        paths_of(&[1, 33]).write(&mut bytes);
        let read = |bytes: &[u8]| TreePaths::read(&mut Reader::new(bytes), 3, [1, 33].into_iter());
        assert!(read(&bytes).is_ok());
        for len in 0..bytes.len() {
            assert_eq!(read(&bytes[..len]), Err(ReadPathsError::Cut));
        }
        let mut padded = bytes.clone();
        padded[2] |= 0x10;
        assert_eq!(read(&padded), Err(ReadPathsError::Padding));
        let mut own = bytes.clone();
        own[0] |= 2;
        assert_eq!(read(&own), Err(ReadPathsError::OwnPlace { level: 0 }));
        bytes[3..35].fill(0);
        assert_eq!(read(&bytes), Err(ReadPathsError::EmptySibling));
    }
}
