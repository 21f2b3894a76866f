//! Hashing inside a node: from the hashes of its children up to its own.

use crostata_proof::tree::child_index;
use crostata_proof::{ARITY, EMPTY, Hash, hash};

use super::node::{NODE_CHILDREN, NODE_LEVELS, Node, slot};
use crate::state::hashing::NodeHasher;

/// 4-ary nodes directly above the children.
const GROUPS: usize = NODE_CHILDREN / ARITY;

/// The hash at `levels` (at most three) above children whose places have these bits and whose hashes come in order.
pub(super) fn fold(mask: u64, hashes: &[Hash], levels: u32) -> Hash {
    let mut out = [EMPTY; GROUPS];
    let (mut mask, mut count) = fold_level(mask, hashes, &mut out);
    for _ in 1..levels {
        let below = out;
        (mask, count) = fold_level(mask, &below[..count], &mut out);
    }
    out[0]
}

/// Hashes the 4-ary nodes above these children: the bits and the number of those that are not EMPTY.
fn fold_level(mask: u64, hashes: &[Hash], out: &mut [Hash; GROUPS]) -> (u64, usize) {
    let (mut above, mut count) = (0, 0);
    let mut full: [(usize, &[Hash; ARITY]); GROUPS] = [(0, &[EMPTY; ARITY]); GROUPS];
    let mut full_count = 0;
    let mut rest = hashes;
    for group in 0..GROUPS {
        let bits = (mask >> (ARITY * group)) as usize & 15;
        let Some((own, later)) = rest.split_at_checked(bits.count_ones() as usize) else {
            break; // INVARIANT: there is a hash for every bit
        };
        rest = later;
        if let Ok(children) = <&[Hash; ARITY]>::try_from(own) {
            full[full_count] = (count, children);
            full_count += 1;
        } else if bits != 0 {
            out[count] = hash::node_of(bits, own);
        } else {
            continue;
        }
        above |= 1 << group;
        count += 1;
    }
    NodeHasher::new().hash(&full[..full_count], out);
    (above, count)
}

impl<L> Node<L> {
    /// Enters the children of the 4-ary nodes inside this node that are on the way to `position`: one set of four
    /// per level.
    pub(super) fn levels(&self, position: u64, levels: &mut [[Hash; ARITY]]) {
        let mut hashes = [EMPTY; NODE_CHILDREN];
        let mut present = self.hashes().iter();
        for (at, hash) in hashes.iter_mut().enumerate() {
            if self.mask() & (1 << at) != 0 {
                *hash = *present.next().unwrap_or(&EMPTY);
            }
        }
        let own = slot(position, self.level());
        let mut hashes = &mut hashes[..];
        for (step, level) in (0..NODE_LEVELS).zip(self.level()..self.height()) {
            let (groups, _) = hashes.as_chunks::<ARITY>();
            if let Some(children) = levels.get_mut(level as usize) {
                *children = groups[own >> (2 * (step + 1))];
            }
            let count = groups.len();
            for group in 0..count {
                let (groups, _) = hashes.as_chunks::<ARITY>();
                hashes[group] = hash::node(&groups[group]);
            }
            hashes = &mut hashes[..count];
        }
        debug_assert_eq!(child_index(position, self.level()), own % ARITY);
    }
}
