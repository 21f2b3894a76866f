//! The pages and the code that one state brings: in memory until a commit has written them, in its frame from then on.

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use crostata_abi::PAGE_BYTES;
use crostata_proof::ProvenState;

use super::entry::CommitEntry;
use super::pages::ReadPageError;
use crate::memory::Page;
use crate::store::{Place, Store};

/// What codes in a frame are aligned to.
pub const CODE_ALIGNMENT: u64 = 16;

/// Where a page's or a code's bytes are.
pub enum Spot {
    /// In the log, counted as part of the last checkpoint's state.
    Stored(Place),
    /// In the log, not counted yet.
    Written(Place),
    /// In a batch.
    Fresh(Arc<Batch>, Item),
    /// In a witness.
    Witnessed(Witnessed),
}

/// A page that a witness shows, all of it or the first chunk. It was checked with the witness.
#[derive(Clone)]
pub struct Witnessed {
    /// What the witness shows.
    pub proven: Arc<ProvenState>,
    /// Which of its positions.
    pub position: usize,
    /// Which contract there.
    pub member: usize,
    /// Which of its pages.
    pub page: usize,
}

impl Witnessed {
    /// The bytes that are known, from the first on.
    pub fn bytes(&self) -> &[u8] {
        let member = &self.proven.positions()[self.position].members()[self.member];
        let page = member
            .shown()
            .and_then(|shown| shown.pages().get(self.page));
        let page = page.and_then(|page| page.bytes().map(|all| &all[..]).or_else(|| page.chunk(0)));
        page.unwrap_or(&[])
    }
}

/// Something in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// Which of its pages, in the order in which its entry names them.
    Page(u32),
    /// Which of its codes.
    Code(u32),
}

impl Clone for Spot {
    /// What is written needs its batch no more. Trees clone the leaves around those that change: counting references
    /// to a batch for each, from several threads, would take as long as hashing.
    fn clone(&self) -> Self {
        match self {
            Self::Stored(place) => Self::Stored(*place),
            Self::Written(place) => Self::Written(*place),
            Self::Fresh(batch, item) => match batch.place(*item) {
                Some(place) => Self::Written(place),
                None => Self::Fresh(batch.clone(), *item),
            },
            Self::Witnessed(page) => Self::Witnessed(page.clone()),
        }
    }
}

impl fmt::Debug for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stored(place) => write!(f, "Stored({place:?})"),
            Self::Written(place) => write!(f, "Written({place:?})"),
            Self::Fresh(_, item) => write!(f, "Fresh({item:?})"),
            Self::Witnessed(_) => f.write_str("Witnessed"),
        }
    }
}

/// What one state brings.
#[derive(Default)]
pub struct Batch {
    layout: OnceLock<Layout>,
    held: RwLock<Option<Arc<Held>>>,
    stored: OnceLock<Place>,
}

/// Which blob is what.
struct Layout {
    /// The blob of each page that the entry names.
    numbers: Vec<u32>,
    /// Where each code begins, counted from the first blob.
    code: Vec<u64>,
}

/// The bytes of a batch that is not written yet.
#[derive(Default)]
pub struct Held {
    /// The pages, each content once.
    pub pages: Vec<Page>,
    /// The codes.
    pub code: Vec<Arc<[u8]>>,
}

/// The blobs of a frame with an entry, wherever they are.
pub trait Blobs {
    /// Their length together.
    fn len_bytes(&self) -> u64;

    /// Hands them over, in order.
    ///
    /// # Errors
    /// Those of `put`, or when they can not be had.
    fn put(&self, put: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()>;
}

impl Blobs for Held {
    fn len_bytes(&self) -> u64 {
        self.pages.len() as u64 * PAGE_BYTES as u64 + code_len_bytes(&self.code)
    }

    fn put(&self, put: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        self.pages.iter().try_for_each(|page| put(page))?;
        put_code(&self.code, put)
    }
}

/// The length of a code as it is stored: with the zeros behind it.
pub fn stored_len_bytes(len_bytes: u64) -> u64 {
    len_bytes.next_multiple_of(CODE_ALIGNMENT)
}

/// The length of codes as they are stored.
pub fn code_len_bytes(code: &[Arc<[u8]>]) -> u64 {
    code.iter()
        .map(|code| stored_len_bytes(code.len() as u64))
        .sum()
}

/// Hands codes over as they are stored.
///
/// # Errors
/// Those of `put`.
pub fn put_code(
    code: &[Arc<[u8]>],
    put: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    const ZEROS: [u8; CODE_ALIGNMENT as usize] = [0; CODE_ALIGNMENT as usize];
    code.iter().try_for_each(|code| {
        let padding = code.len().next_multiple_of(ZEROS.len()) - code.len();
        put(code)?;
        put(&ZEROS[..padding])
    })
}

impl Batch {
    /// A batch that is in the log: the entry's blobs begin at `blobs`.
    pub fn stored(entry: &CommitEntry, blobs: Place) -> Self {
        let batch = Self::default();
        batch.lay_out(entry);
        let _ = batch.stored.set(blobs); // new, so nothing is set
        batch
    }

    /// Gives the batch, which was laid out, its bytes.
    pub fn hold(&self, held: Arc<Held>) {
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = Some(held);
    }

    /// The bytes, until they are written.
    pub fn held(&self) -> Option<Arc<Held>> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.clone()
    }

    /// The bytes are in the log from `blobs` on, and need no memory any more.
    pub fn written(&self, blobs: Place) {
        if self.stored.set(blobs).is_ok() {
            *self.held.write().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// Says what is where: as `entry` names it.
    pub fn lay_out(&self, entry: &CommitEntry) {
        let (numbers, leaves) = entry.page_blobs();
        let mut next = leaves.len() as u64 * PAGE_BYTES as u64;
        let code = entry.code.iter().map(|(_, len_bytes)| {
            let at = next;
            next = next.saturating_add(stored_len_bytes(*len_bytes));
            at
        });
        let layout = Layout {
            code: code.collect(),
            numbers,
        };
        let _ = self.layout.set(layout); // the same entry gives the same layout
    }

    /// Where something is in the log, if it is.
    fn place(&self, item: Item) -> Option<Place> {
        let first = self.stored.get()?;
        let layout = self.layout.get()?;
        first.plus(match item {
            Item::Page(index) => {
                u64::from(*layout.numbers.get(index as usize)?) * PAGE_BYTES as u64
            }
            Item::Code(index) => *layout.code.get(index as usize)?,
        })
    }

    fn held_page(&self, index: u32) -> Option<Box<Page>> {
        let number = *self.layout.get()?.numbers.get(index as usize)?;
        let held = self.held()?;
        held.pages.get(number as usize).map(|page| Box::new(*page))
    }
}

impl Spot {
    /// Where it is in the log; none if it is not written.
    pub fn place(&self) -> Option<Place> {
        match self {
            Self::Stored(place) | Self::Written(place) => Some(*place),
            Self::Fresh(batch, item) => batch.place(*item),
            Self::Witnessed(_) => None,
        }
    }

    /// What a witness shows of the page, from the first byte on, if it is in one.
    pub fn witnessed(&self) -> Option<&[u8]> {
        match self {
            Self::Witnessed(page) => Some(page.bytes()),
            _ => None,
        }
    }

    /// The page's bytes, not checked.
    ///
    /// # Errors
    /// [`ReadPageError`] when the store can not give them.
    pub fn read_page(&self, store: &Store) -> Result<Box<Page>, ReadPageError> {
        if let Self::Fresh(batch, Item::Page(index)) = self
            && let Some(page) = batch.held_page(*index)
        {
            return Ok(page);
        }
        let mut page = Box::new([0; PAGE_BYTES]);
        let place = self.place().ok_or(ReadPageError::NotWritten)?;
        store.read(place, &mut page[..])?;
        Ok(page)
    }

    /// The code's bytes, not checked.
    ///
    /// # Errors
    /// [`ReadPageError`] when the store can not give them.
    pub fn read_code(&self, store: &Store, len_bytes: u64) -> Result<Vec<u8>, ReadPageError> {
        if let Self::Fresh(batch, Item::Code(index)) = self
            && let Some(held) = batch.held()
            && let Some(code) = held.code.get(*index as usize)
        {
            return Ok(code.to_vec());
        }
        let place = self.place().ok_or(ReadPageError::NotWritten)?;
        Ok(store.read_vec(place, len_bytes)?)
    }
}
