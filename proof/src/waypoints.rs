//! Hashes on the ways through a tree that a proof says, so that the parts between them can be computed side by side.
//!
//! A hash waits for the one below it: a way of 31 levels, climbed alone, uses a fraction of what a processor can do. With
//! waypoints each part begins at what the proof says, and must end at what it says next; the last one at the root. They prove
//! nothing by themselves, and leave no choice: of a tree and positions there is one value for each.

use alloc::vec::Vec;

use crate::climb::Climbs;
use crate::path::PathError;
use crate::paths::TreePaths;
use crate::read::{Cut, Reader};
use crate::{Hash, tree};

/// The hashes of the nodes at some heights that the positions of [`TreePaths`] are below: by height, then by number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Waypoints(Vec<Hash>);

/// Heights between waypoints: about ten hashes, in trees with a thousand contracts or sixteen thousand pages.
const fn spacing(tree_height: u32) -> u32 {
    match tree_height {
        tree::CONTRACT_TREE_HEIGHT => 9,
        _ => 5,
    }
}

/// The heights at which a tree has waypoints.
fn heights(tree_height: u32) -> impl Iterator<Item = u32> {
    let spacing = spacing(tree_height);
    (1..)
        .map(move |at| at * spacing)
        .take_while(move |height| *height < tree_height)
}

/// A part of a climb, and what it must end at: hashes that the proof says, or none at the root.
pub(crate) struct Leg<'a> {
    part: usize,
    end: &'a [Hash],
}

impl Waypoints {
    /// Those of the tree with these leaves; none if the paths are those of other positions.
    pub fn of(paths: &TreePaths, leaves: &[(u64, Hash)]) -> Self {
        let mut waypoints = Vec::new();
        let (mut nodes, mut from) = (leaves.to_vec(), 0);
        for height in heights(paths.height()) {
            match paths.fold_between(leaves, nodes, from..height) {
                Ok(reached) => nodes = reached,
                Err(_) => return Self::default(),
            }
            waypoints.extend(nodes.iter().map(|(_, hash)| *hash));
            from = height;
        }
        Self(waypoints)
    }

    /// Adds the ways of these leaves to climbs: a leg between each height with waypoints and the next.
    pub fn legs<'a>(
        &'a self,
        paths: &'a TreePaths,
        leaves: Vec<(u64, Hash)>,
        climbs: &mut Climbs<'a>,
    ) -> Result<Vec<Leg<'a>>, PathError> {
        let mut rest = &*self.0;
        let mut legs = Vec::with_capacity(4);
        let mut ways = paths.ways(&leaves)?;
        let (mut nodes, mut from) = (leaves, 0);
        for height in heights(paths.height()) {
            let levels = ways.split_at(&nodes, height)?;
            let part = climbs.part(levels, nodes.iter().copied());
            let end = become_above(&mut nodes, rest, height - from)?;
            rest = &rest[end.len()..];
            legs.push(Leg { part, end });
            from = height;
        }
        let (part, end) = (climbs.part(ways, nodes), &[] as &[Hash]);
        legs.push(Leg { part, end });
        match rest {
            [] => Ok(legs),
            _ => Err(PathError::Shape),
        }
    }

    /// Appends the encoding: the hashes.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(self.0.as_flattened());
    }

    /// Reads those of these positions, which ascend.
    pub fn read(
        reader: &mut Reader<'_>,
        tree_height: u32,
        positions: impl Iterator<Item = u64> + Clone,
    ) -> Result<Self, Cut> {
        let count = |height: u32| {
            let mut last = None;
            let numbers = positions.clone().map(|position| position >> (2 * height));
            numbers
                .filter(|number| last.replace(*number) != Some(*number))
                .count()
        };
        let count: usize = heights(tree_height).map(count).sum();
        let (hashes, _) = reader.bytes(count.checked_mul(32).ok_or(Cut)?)?.as_chunks();
        Ok(Self(hashes.to_vec()))
    }
}

/// Makes of nodes those that they are below, this many levels higher, with the next hashes; gives these.
fn become_above<'a>(
    nodes: &mut Vec<(u64, Hash)>,
    hashes: &'a [Hash],
    levels: u32,
) -> Result<&'a [Hash], PathError> {
    nodes.dedup_by_key(|node| node.0 >> (2 * levels));
    let hashes = hashes.get(..nodes.len()).ok_or(PathError::Shape)?;
    for (node, hash) in nodes.iter_mut().zip(hashes) {
        *node = (node.0 >> (2 * levels), *hash);
    }
    Ok(hashes)
}

/// What legs came to.
pub(crate) enum Arrived {
    /// At the root.
    Root(Hash),
    /// Not at the waypoint that the proof says.
    Elsewhere,
}

/// Compares what legs came to, once the climbs have run.
pub(crate) fn arrived(legs: &[Leg<'_>], climbs: &Climbs<'_>) -> Result<Arrived, PathError> {
    let (last, below) = legs.split_last().ok_or(PathError::Shape)?;
    let is_there = |leg: &Leg<'_>| {
        let found = climbs.ended(leg.part).iter().map(|(_, hash)| hash);
        found.eq(leg.end)
    };
    if !below.iter().all(is_there) {
        return Ok(Arrived::Elsewhere);
    }
    match climbs.ended(last.part) {
        [(0, root)] => Ok(Arrived::Root(*root)),
        _ => Err(PathError::Shape),
    }
}
