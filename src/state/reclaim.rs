//! Reclaiming segments: what is live in one of which little is, is written anew, so that its file can go.
//!
//! Pages and code go into frames of their own (kind `MOVED`), which are laid out as commits are, with zeros for id,
//! parent, root and tag. Nodes are taken into memory, from where the checkpoint saves them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crostata_abi::{ContractId, PageIndex};
use crostata_proof::{CodeHash, CommitId, ContractRecord, EMPTY, Hash, Root};

use super::batch::{Batch, Held, Spot};
use super::chain::brought_code;
use super::checkpoint::{CheckpointError, LiveBytes, kind, write_entry};
use super::draft::page_change;
use super::entry::{CommitEntry, ContractChange};
use super::nodes::{TreeId, nodes_in, read_node_head};
use super::pages::read_page;
use super::snapshot::Snapshot;
use super::tree::{NodePlace, Tree};
use crate::memory::Page;
use crate::store::{Frame, Store, Writer};

/// A segment is worth emptying when less than this part of it is live, and the log is longer than this many times what is
/// live in it.
const LIVE_PART: u64 = 2;
/// Pages in one frame at most.
const FRAME_PAGES: usize = 4_096;

/// The segments to empty: those of which the smallest part is live, as long as the log is longer than
/// twice what is live and `slack_bytes`, and not more than `budget_bytes` of live bytes, or one segment.
pub fn victims(
    store: &Store,
    live: &LiveBytes,
    pinned: &BTreeSet<u32>,
    (budget_bytes, slack_bytes): (u64, u64),
) -> Vec<u32> {
    let segments = store.segments();
    let total: u64 = segments.iter().map(|segment| segment.len_bytes).sum();
    let live_total: u64 = live.0.values().sum();
    let allowed = (LIVE_PART * live_total).saturating_add(slack_bytes);
    let mut found: Vec<Victim> = segments
        .iter()
        .filter(|segment| !segment.is_current && !pinned.contains(&segment.number))
        .filter_map(|segment| {
            Some(Victim {
                number: segment.number,
                live: *live.0.get(&segment.number)?,
                len: segment.len_bytes,
            })
        })
        .filter(|victim| victim.live < victim.len / LIVE_PART)
        .collect();
    found.sort_by_key(|victim| u128::from(victim.live) * 1_000_000 / u128::from(victim.len.max(1)));
    let (mut moved, mut excess) = (0, total.saturating_sub(allowed));
    let mut chosen = Vec::new();
    for victim in found {
        if excess == 0 || (!chosen.is_empty() && moved + victim.live > budget_bytes) {
            break;
        }
        moved += victim.live;
        excess = excess.saturating_sub(victim.len - victim.live);
        chosen.push(victim.number);
    }
    chosen
}

struct Victim {
    number: u32,
    /// Bytes.
    live: u64,
    len: u64,
}

/// Writes what `state` has in these segments anew, as far as it is pages and code; the state that has it there, and
/// its nodes of these segments in memory. Not durable yet. A segment that is damaged stays as it is: what of it can be
/// read is not lost with what can not.
///
/// # Errors
/// [`CheckpointError::Write`].
pub fn empty(
    state: &Snapshot,
    segments: &[u32],
    writer: &mut Writer<'_>,
) -> Result<Snapshot, CheckpointError> {
    let mut state = state.clone();
    for segment in segments {
        match empty_segment(&state, *segment, writer) {
            Ok(next) => state = next,
            Err(error @ CheckpointError::Write(_)) => return Err(error),
            Err(_) => {}
        }
    }
    Ok(state)
}

fn empty_segment(
    state: &Snapshot,
    segment: u32,
    writer: &mut Writer<'_>,
) -> Result<Snapshot, CheckpointError> {
    let frames = state.nodes().store().frames(segment)?;
    let mut state = state.clone();
    // Of many small frames few large ones become.
    let mut moving = Moving::new();
    for frame in &frames {
        state = match frame.kind {
            kind::COMMIT | kind::MOVED | kind::IMPORTED => {
                move_content(state, frame, &mut moving, writer)?
            }
            kind::NODES => load_nodes(state, frame)?,
            _ => state,
        };
    }
    moving.finish(state, writer)
}

/// Moves what is still live of a frame's pages and code.
fn move_content(
    mut state: Snapshot,
    frame: &Frame,
    moving: &mut Moving,
    writer: &mut Writer<'_>,
) -> Result<Snapshot, CheckpointError> {
    let Some(entry) = CommitEntry::of_frame(frame) else {
        return Ok(state); // what nobody can read, nobody names
    };
    let segment = frame.place.segment();
    for change in &entry.contracts {
        let Ok(record) = ContractRecord::decode(&change.record) else {
            continue;
        };
        for (page, leaf) in &change.pages {
            if *leaf != EMPTY {
                moving.page(&state, segment, record.contract, *page)?;
            }
            if moving.contents.len() >= FRAME_PAGES {
                state = std::mem::replace(moving, Moving::new()).finish(state, writer)?;
            }
        }
    }
    for (hash, _) in &entry.code {
        moving.code(&state, segment, *hash)?;
    }
    Ok(state)
}

/// A frame in the making.
struct Moving {
    pages: BTreeMap<ContractId, Vec<(PageIndex, Hash)>>,
    code: Vec<(CodeHash, u64)>,
    contents: BTreeMap<Hash, Box<Page>>,
    held: Held,
}

impl Moving {
    fn new() -> Self {
        Self {
            pages: BTreeMap::new(),
            code: Vec::new(),
            contents: BTreeMap::new(),
            held: Held::default(),
        }
    }

    /// Takes a page, if the state has it in the segment.
    fn page(
        &mut self,
        state: &Snapshot,
        segment: u32,
        contract: ContractId,
        page: PageIndex,
    ) -> Result<(), CheckpointError> {
        let Some(found) = state.get(&contract)? else {
            return Ok(());
        };
        let Some((leaf, spot)) = found.pages.get(u64::from(page.0))? else {
            return Ok(());
        };
        if !matches!(&spot, Spot::Stored(place) if place.segment() == segment) {
            return Ok(());
        }
        let content = read_page(state.nodes().store(), leaf, &spot)?;
        self.contents.entry(leaf).or_insert(content);
        self.pages.entry(contract).or_default().push((page, leaf));
        Ok(())
    }

    /// Takes a code, if the state has it in the segment.
    fn code(
        &mut self,
        state: &Snapshot,
        segment: u32,
        hash: CodeHash,
    ) -> Result<(), CheckpointError> {
        let found = state.find_code(&hash)?;
        let place = found.and_then(|code| match code.spot {
            Spot::Stored(place) => Some(place),
            Spot::Written(_) | Spot::Fresh(..) | Spot::Witnessed(_) => None,
        });
        let is_new = self.code.iter().all(|(known, _)| *known != hash);
        if is_new && place.is_some_and(|place| place.segment() == segment) {
            let code = state.code(&hash)?;
            self.code.push((hash, code.len() as u64));
            self.held.code.push(code.into());
        }
        Ok(())
    }

    /// Writes the frame; the state that names it.
    fn finish(
        mut self,
        state: Snapshot,
        writer: &mut Writer<'_>,
    ) -> Result<Snapshot, CheckpointError> {
        if self.pages.is_empty() && self.code.is_empty() {
            return Ok(state);
        }
        let mut contracts = Vec::new();
        for (contract, pages) in &mut self.pages {
            pages.sort_unstable_by_key(|(page, _)| *page);
            pages.dedup();
            if let Some(found) = state.get(contract)? {
                contracts.push(ContractChange {
                    record: found.record.encode(),
                    fresh: false,
                    pages: pages.clone(),
                });
            }
        }
        let entry = CommitEntry {
            id: CommitId::from_bytes([0; 32]),
            parent: CommitId::from_bytes([0; 32]),
            root: Root::from_bytes([0; 32]),
            tag: [0; 32],
            protocol: EMPTY,
            contracts,
            code: self.code,
        };
        for leaf in entry.page_blobs().1 {
            if let Some(content) = self.contents.remove(&leaf) {
                self.held.pages.push(*content);
            }
        }
        let (_, blobs) = write_entry(writer, kind::MOVED, &entry.encode(), &self.held)?;
        let batch = Arc::new(Batch::stored(&entry, blobs));
        let mut index = 0;
        let mut moved = Vec::new();
        for (contract, pages) in &self.pages {
            let Some(found) = state.get(contract)? else {
                continue;
            };
            let changes: Vec<_> = pages
                .iter()
                .map(|(page, leaf)| page_change(&batch, &mut index, *page, *leaf))
                .collect();
            moved.push(Arc::new(found.with_pages(found.pages.with(&changes)?)));
        }
        Ok(state.with(moved)?.with_code(brought_code(&entry, &batch))?)
    }
}

/// Takes what is still live of a frame's nodes into memory.
fn load_nodes(mut state: Snapshot, frame: &Frame) -> Result<Snapshot, CheckpointError> {
    let store = state.nodes().store().clone();
    for place in nodes_in(&store, frame)? {
        let Some((tree, level, position)) = read_node_head(&store, place)? else {
            continue;
        };
        let (contracts, code) = (state.contracts(), state.code_tree());
        let loaded = match tree {
            TreeId::Contracts => contracts
                .with_node_loaded(place, level, position)?
                .map(|contracts| state.with_trees(contracts, code.clone())),
            TreeId::Code => code
                .with_node_loaded(place, level, position)?
                .map(|code| state.with_trees(contracts.clone(), code)),
            TreeId::Pages(contract) => load_pages(&state, contract, place, level, position)?,
        };
        state = loaded.unwrap_or(state);
    }
    Ok(state)
}

fn load_pages(
    state: &Snapshot,
    contract: ContractId,
    place: NodePlace,
    level: u32,
    position: u64,
) -> Result<Option<Snapshot>, CheckpointError> {
    let Some(found) = state.get(&contract)? else {
        return Ok(None);
    };
    let pages: Option<Tree<Spot>> = found.pages.with_node_loaded(place, level, position)?;
    let loaded = pages.map(|pages| state.with([Arc::new(found.with_pages(pages))]));
    Ok(loaded.transpose()?)
}
