//! Which locals are written inside which block.
//!
//! A local is listed once per block that writes it or contains one that does, so the lists are no longer than blocks x
//! locals, which the limits bound.

/// The locals written in the blocks that are open.
pub(super) struct Writes {
    /// For each local the innermost open block that lists it, counted from the outermost; [`NOWHERE`] for none.
    listed: Vec<usize>,
    blocks: Vec<Vec<Listed>>,
    /// Locals listed so far, counted once for each list.
    #[cfg(test)]
    pub listings: usize,
}

const NOWHERE: usize = usize::MAX;

/// A local that a block writes, and the block that listed it before.
#[derive(Clone, Copy)]
struct Listed {
    local: u32,
    before: usize,
}

impl Writes {
    /// For a function with so many locals, in its outermost block.
    pub fn new(locals: usize) -> Self {
        Self {
            listed: vec![NOWHERE; locals],
            blocks: vec![Vec::new()],
            #[cfg(test)]
            listings: 0,
        }
    }

    pub fn enter(&mut self) {
        self.blocks.push(Vec::new());
    }

    /// Notes a write in the innermost block.
    pub fn write(&mut self, local: u32) {
        let innermost = self.blocks.len().wrapping_sub(1);
        let (Some(listed), Some(block)) = (
            self.listed.get_mut(local as usize),
            self.blocks.get_mut(innermost),
        ) else {
            return;
        };
        if *listed != innermost {
            let before = std::mem::replace(listed, innermost);
            block.push(Listed { local, before });
            #[cfg(test)]
            {
                self.listings += 1;
            }
        }
    }

    /// The locals written in the innermost block so far.
    pub fn innermost(&self) -> impl Iterator<Item = u32> {
        let block = self.blocks.last();
        block.into_iter().flatten().map(|listed| listed.local)
    }

    /// Leaves the innermost block. What it writes, the block around it writes.
    pub fn leave(&mut self) -> Vec<u32> {
        let left = self.blocks.pop().unwrap_or_default();
        for Listed { local, before } in &left {
            if let Some(listed) = self.listed.get_mut(*local as usize) {
                *listed = *before;
            }
            self.write(*local);
        }
        left.into_iter().map(|listed| listed.local).collect()
    }
}
