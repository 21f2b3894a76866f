//! Which accesses need a touch check, and where it looks.
//!
//! A check at the address `c` makes sure of the mark of page `c >> 12`, and the host has done for the first 264 bytes of
//! the page behind it (modulo the address space) what it did for that page. So a check at `c` covers the 264 bytes from
//! `c`: whichever of them do not lie in its page lie in the head of the next.
//!
//! # Why that is sound
//!
//! A [`Fact`] `(number, lo)` says: a check at `c = wrap(v + lo)` has passed, v the value with that number, `wrap` modulo
//! 2^32 or 2^64. An access with the operand `wrap(v + d)`, the constant offset `o` and `w <= 8` bytes accesses the
//! integer `wrap(v + d) + o`. If that is beyond the address space the access traps; if not, it equals
//! `wrap(v + t)` with `t = wrap(d + o)`. A fact is used only where `k = t - lo` lies in `0..=256`, so the address is
//! `wrap(c + k)` with `k + w <= 264`: covered, also where `c + k` wraps to the beginning of memory, because the last page
//! spills into the first. Displacements are compared as signed integers; two that lie on different sides of that
//! seam are merely not related to each other.
//!
//! Facts are kept only where the check has passed on every way that leads there: see [`super::analysis`].
//!
//! # Where checks look
//!
//! In a straight line of code (nothing in it leaves, enters or calls) the first of several accesses to the same
//! number looks at the lowest displacement within reach, and looks for a write if a later store is within reach. A check looks
//! either at the address of an access of the line, or at the operand of the access it precedes, which saves an addition where
//! the offset is small. Both matter for an address that is out of bounds:
//!
//! * There is no page to do anything for, so the facts found by such a check are empty promises. But the access whose address or
//!   operand it looks at follows in the same line and traps, its address being no lower than where the check looked (an operand plus its
//!   offset is never wrapped). Nothing behind the line is reached. Before that, an access of the line can only rely on the check
//!   by reaching from the last page of a 32-bit address space over into page 0. A host that traps at once for an address out of bounds
//!   need not think of that; any other has to keep the head of page 0 then, as for any check in the last page.
//! * In a 64-bit module the mark's index is the low 32 bits of the page's. From 2^44 on they name another page's
//!   mark, or a byte beyond the table: the check then traps. Both are harmless: a memory has at most 2^42 bytes, so the line traps as
//!   above. For the last page of the address space the index is 2^32 - 1: no table holds it, or no mark is ever set there and the
//!   host traps. No access of the line relies on that check.
//!
//! # Cost
//!
//! Every access costs a constant number of operations on ordered maps no larger than the number of accesses.

use super::values::{ABSOLUTE, Value};
use std::collections::{BTreeMap, BTreeSet};

/// How far behind a check's address an access may begin: 264 bytes less the widest access.
pub(super) const REACH_BYTES: i64 = 256;

/// A check to be put before an access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Check {
    pub place: Place,
    /// Whether the page must be marked as written; else as read.
    pub writes: bool,
    /// Operands on the stack of the contract.
    pub operands: u32,
}

/// Where a check looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// At a known address.
    Absolute(i64),
    /// So far behind what a local holds, which is the access's address operand, modulo the address space.
    Local(u32, i64),
    /// So far behind the access's address operand.
    Operand(i64),
}

/// An access of the line being read.
pub(super) struct Pending {
    /// Its place among the function's accesses.
    pub index: usize,
    /// Its address operand.
    pub operand: Value,
    /// A local that holds the same.
    pub local: Option<u32>,
    /// The displacement of its address.
    pub displacement: i64,
    pub writes: bool,
    /// Operands on the stack.
    pub operands: u32,
}

/// A check that has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Fact {
    number: u32,
    lo: i64,
}

/// The facts that hold, and the accesses of the line being read.
pub(super) struct Coverage {
    pending: Vec<Pending>,
    /// Facts of either kind, and those about writes.
    read: BTreeSet<Fact>,
    written: BTreeSet<Fact>,
    /// What was put into the sets, in order, with its moment and whether it was a fact about writes.
    found: Vec<(usize, Fact, bool)>,
    /// The check before each access.
    checks: BTreeMap<usize, Check>,
    /// Facts learnt and forgotten.
    #[cfg(test)]
    pub changes: usize,
}

impl Coverage {
    pub const fn new() -> Self {
        Self {
            pending: Vec::new(),
            read: BTreeSet::new(),
            written: BTreeSet::new(),
            found: Vec::new(),
            checks: BTreeMap::new(),
            #[cfg(test)]
            changes: 0,
        }
    }

    /// Adds an access to the line.
    pub fn access(&mut self, access: Pending) {
        self.pending.push(access);
    }

    /// Ends the line at `moment`.
    pub fn flush(&mut self, moment: usize) {
        let pending = std::mem::take(&mut self.pending);
        let wanted = wanted(&pending);
        for (access, (lo, writes)) in pending.iter().zip(wanted.into_iter().rev()) {
            if self.covers(access) {
                continue;
            }
            let number = access.operand.number;
            let distance = lo.wrapping_sub(access.operand.displacement);
            let place = match access.local {
                _ if number == ABSOLUTE => Place::Absolute(lo),
                Some(local) => Place::Local(local, distance),
                None => Place::Operand(distance),
            };
            let operands = access.operands;
            let check = Check {
                place,
                writes,
                operands,
            };
            self.checks.insert(access.index, check);
            self.learn(moment, Fact { number, lo }, writes);
        }
    }

    /// Forgets what was found after `moment`.
    pub fn forget_after(&mut self, moment: usize) {
        while let Some((_, fact, writes)) = self.found.pop_if(|(found, ..)| *found > moment) {
            let set = if writes {
                &mut self.written
            } else {
                &mut self.read
            };
            set.remove(&fact);
            #[cfg(test)]
            {
                self.changes += 1;
            }
        }
    }

    /// The checks, by the index of the access that each precedes.
    pub fn checks(self) -> BTreeMap<usize, Check> {
        self.checks
    }

    fn covers(&self, access: &Pending) -> bool {
        let facts = if access.writes {
            &self.written
        } else {
            &self.read
        };
        let at = |lo| Fact {
            number: access.operand.number,
            lo,
        };
        let lowest = access.displacement.saturating_sub(REACH_BYTES);
        let mut near = facts.range(at(lowest)..=at(access.displacement));
        near.next().is_some()
    }

    fn learn(&mut self, moment: usize, fact: Fact, writes: bool) {
        #[cfg(test)]
        {
            self.changes += 1;
        }
        if self.read.insert(fact) {
            self.found.push((moment, fact, false));
        }
        if writes && self.written.insert(fact) {
            self.found.push((moment, fact, true));
        }
    }
}

/// For each access, from the last to the first, where a check before it would look and whether for a write.
fn wanted(pending: &[Pending]) -> Vec<(i64, bool)> {
    let (mut accesses, mut stores) = (BTreeSet::new(), BTreeSet::new());
    let mut wanted = Vec::with_capacity(pending.len());
    for access in pending.iter().rev() {
        let number = access.operand.number;
        let fact = Fact {
            number,
            lo: access.displacement,
        };
        accesses.insert(fact);
        if access.writes {
            stores.insert(fact);
        }
        let within = |from: i64, to: i64| Fact { number, lo: from }..=Fact { number, lo: to };
        let lowest = access.displacement.saturating_sub(REACH_BYTES);
        let mut near = accesses.range(within(lowest, access.displacement));
        let lowest = near.next().map_or(access.displacement, |fact| fact.lo);
        let lo = at_operand(access, lowest).unwrap_or(lowest);
        let mut near = stores.range(within(lo, lo.saturating_add(REACH_BYTES)));
        wanted.push((lo, near.next().is_some()));
    }
    wanted
}

/// The operand's displacement, if a check there is as good as one at `lo`.
fn at_operand(access: &Pending, lo: i64) -> Option<i64> {
    let operand = access.operand.displacement;
    let reached = access.displacement.saturating_sub(operand);
    let is_near = operand < lo && (0..=REACH_BYTES).contains(&reached);
    (is_near && access.operand.number != ABSOLUTE).then_some(operand)
}
