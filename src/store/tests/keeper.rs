//! A small user of the store, as `state` is a large one: it keeps values under keys, writes
//! checkpoints, and empties old segments. What it can lose, it must not.

use std::collections::{BTreeMap, BTreeSet};

use crostata_proof::hash::{Kind, keyed};

use super::*;
use crate::store::{Place, WriteError, Writer};

const VALUES: u8 = 1;
const CHECKPOINT: u8 = 2;
const ITEM_LEN: usize = 20;

/// A value and where it is. Its bytes follow from key and version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    key: u32,
    version: u32,
    len: u32,
    place: Place,
}

impl Item {
    fn bytes(key: u32, version: u32) -> Vec<u8> {
        let seed = keyed(
            Kind::LogFrame,
            &[key.to_le_bytes(), version.to_le_bytes()].concat(),
        );
        let len = 16 * (1 + u32::from(seed[0]) * u32::from(seed[1] % 8)) as usize;
        let mut bytes = seed.repeat(len.div_ceil(seed.len()));
        bytes.truncate(len);
        bytes
    }

    fn encode(&self) -> [u8; ITEM_LEN] {
        let mut bytes = [0; ITEM_LEN];
        bytes[..4].copy_from_slice(&self.key.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.version.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.len.to_le_bytes());
        bytes[12..].copy_from_slice(&self.place.to_u64().to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Self {
        let half = |at: usize| u32::from_le_bytes(*bytes[at..].first_chunk().unwrap());
        let place = u64::from_le_bytes(*bytes[12..].first_chunk().unwrap());
        Self {
            key: half(0),
            version: half(4),
            len: half(8),
            place: Place::from_u64(place),
        }
    }

    fn is_right(&self, read: ReadPlace<'_>) -> Result<bool, ReadError> {
        let mut bytes = vec![0; self.len as usize];
        read(self.place, &mut bytes)?;
        Ok(bytes == Self::bytes(self.key, self.version))
    }
}

fn items_of(frame: &Frame) -> Vec<Item> {
    frame.meta.chunks(ITEM_LEN).map(Item::decode).collect()
}

/// Judges frames of values.
struct Values;

impl Contents for Values {
    fn whole(&self, frame: &Frame, read: ReadPlace<'_>) -> Result<bool, ReadError> {
        for item in items_of(frame) {
            if !item.is_right(read)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// What a history does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Writes new versions of these keys in one frame.
    Put {
        keys: Vec<u32>,
        vouched: bool,
    },
    Sync,
    Checkpoint,
    /// Moves what lives in the oldest segment, then gives that up.
    Compact,
    /// Drops the oldest lease, if there is one.
    Release,
    /// Takes a lease.
    Lease,
}

/// Versions by key.
pub type Versions = BTreeMap<u32, u32>;

/// What a history did, over any number of openings.
#[derive(Debug, Default, Clone)]
pub struct Told {
    /// The versions after each frame of values.
    pub states: Vec<Versions>,
    /// The state that is known to be durable.
    pub durable: usize,
}

impl Told {
    pub fn new() -> Self {
        Self {
            states: vec![Versions::new()],
            durable: 0,
        }
    }

    /// Accepts what opening found, if it is one of the states that may be there.
    pub fn check(&mut self, found: &Versions) {
        let at = self.states[self.durable..]
            .iter()
            .position(|state| state == found);
        let at = at.unwrap_or_else(|| panic!("{found:?} is none of {self:?}"));
        self.durable += at;
        self.states.truncate(self.durable + 1);
    }
}

pub struct Keeper {
    pub store: Store,
    pub items: BTreeMap<u32, Item>,
    leases: Vec<(crate::store::Lease, BTreeMap<u32, Item>)>,
}

impl Keeper {
    /// Opens, and removes what a crash left.
    pub fn open(files: &(impl Files + Clone + 'static)) -> Result<(Self, Recovery), OpenError> {
        let (store, recovery) = Store::open_with(Arc::new(files.clone()), &Values, RECYCLING)?;
        let mut items = BTreeMap::new();
        let mut checkpoint = None;
        for frame in &recovery.frames {
            if frame.kind == CHECKPOINT {
                items.clear();
                checkpoint = Some(frame.place);
            }
            items.extend(items_of(frame).into_iter().map(|item| (item.key, item)));
        }
        if let Some(checkpoint) = checkpoint
            && let Ok(mut writer) = store.writer()
        {
            writer.set_start(checkpoint);
        }
        let keeper = Self {
            store,
            items,
            leases: Vec::new(),
        };
        keeper.store.settle(&keeper.used_segments())?;
        Ok((keeper, recovery))
    }

    pub fn versions(&self) -> Versions {
        versions_of(&self.items)
    }

    fn used_segments(&self) -> BTreeSet<u32> {
        let segments = self.items.values().map(|item| item.place.segment());
        segments.collect()
    }

    /// Reads everything that is live, and everything that a lease promises.
    pub fn all_right(&self) -> Result<bool, ReadError> {
        let leased = self.leases.iter().flat_map(|(_, items)| items.values());
        for item in self.items.values().chain(leased) {
            if !item.is_right(&mut |place, bytes| self.store.read(place, bytes))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub fn step(&mut self, step: &Step, told: &mut Told) -> Result<(), WriteError> {
        match step {
            Step::Put { keys, vouched } => {
                let next = |key: &u32| {
                    let version = self.items.get(key).map_or(1, |item| item.version + 1);
                    (*key, version)
                };
                let values: Vec<_> = keys.iter().map(next).collect();
                let mut state = self.versions();
                state.extend(values.iter().copied());
                told.states.push(state);
                self.put(&values, *vouched)
            }
            Step::Sync => self.sync(told),
            Step::Checkpoint => self.checkpoint(),
            Step::Compact => self.compact(told),
            Step::Release => {
                if !self.leases.is_empty() {
                    self.leases.remove(0);
                }
                Ok(())
            }
            Step::Lease => {
                self.leases.push((self.store.lease(), self.items.clone()));
                Ok(())
            }
        }
    }

    fn sync(&mut self, told: &mut Told) -> Result<(), WriteError> {
        self.store.writer()?.sync()?;
        told.durable = told.states.len() - 1;
        Ok(())
    }

    fn put(&mut self, values: &[(u32, u32)], vouched: bool) -> Result<(), WriteError> {
        let bytes: Vec<_> = values.iter().map(|(k, v)| Item::bytes(*k, *v)).collect();
        let parts: Vec<&[u8]> = bytes.iter().map(|bytes| &bytes[..]).collect();
        let blobs_len = parts.iter().map(|part| part.len() as u64).sum();
        let mut writer = self.store.writer()?;
        let mut place = writer.blobs_place((values.len() * ITEM_LEN) as u64, blobs_len)?;
        let mut items = Vec::new();
        for ((key, version), part) in values.iter().zip(&parts) {
            items.push(Item {
                key: *key,
                version: *version,
                len: part.len() as u32,
                place,
            });
            place = place.plus(part.len() as u64).unwrap();
        }
        write(&mut writer, VALUES, &items, &parts, vouched)?;
        self.items
            .extend(items.into_iter().map(|item| (item.key, item)));
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<(), WriteError> {
        let items: Vec<Item> = self.items.values().copied().collect();
        let mut writer = self.store.writer()?;
        let place = write(&mut writer, CHECKPOINT, &items, &[], false)?;
        writer.set_start(place);
        Ok(())
    }

    fn compact(&mut self, told: &mut Told) -> Result<(), WriteError> {
        let segments = self.store.segments();
        let oldest = segments[0].number;
        if segments[0].is_current {
            return Ok(());
        }
        let living = self.items.values().filter(|i| i.place.segment() == oldest);
        let values: Vec<_> = living.map(|item| (item.key, item.version)).collect();
        if !values.is_empty() {
            self.put(&values, true)?;
        }
        self.checkpoint()?;
        self.sync(told)?;
        self.store.retire(&[oldest])
    }
}

fn write(
    writer: &mut Writer<'_>,
    kind: u8,
    items: &[Item],
    parts: &[&[u8]],
    vouched: bool,
) -> Result<Place, WriteError> {
    let meta: Vec<u8> = items.iter().flat_map(Item::encode).collect();
    writer.write(kind, &meta, parts, vouched)
}

fn versions_of(items: &BTreeMap<u32, Item>) -> Versions {
    items
        .iter()
        .map(|(key, item)| (*key, item.version))
        .collect()
}

/// Writes the steps until one fails; `false` if one did, or opening.
pub fn run(files: &FaultyFiles, steps: &[Step], told: &mut Told) -> bool {
    let Ok((mut keeper, _)) = Keeper::open(files) else {
        return false;
    };
    told.check(&keeper.versions());
    for step in steps {
        if keeper.step(step, told).is_err() {
            let written = keeper.store.writer().is_err();
            assert!(written, "a failed {step:?} lets the next write pass");
            return false;
        }
    }
    true
}

/// Opens what is left, checks it against what was told, writes some more and checks again.
pub fn check_and_go_on(files: &(impl Files + Clone + 'static), told: &Told) {
    let mut told = told.clone();
    let (mut keeper, recovery) = Keeper::open(files).unwrap();
    told.check(&keeper.versions());
    assert!(keeper.all_right().unwrap());
    let names: Vec<_> = keeper
        .store
        .segments()
        .into_iter()
        .map(|s| s.file)
        .collect();
    let (spares, logs): (Vec<_>, Vec<_>) = log_names(files)
        .into_iter()
        .partition(|name| name.starts_with("spare-"));
    assert_eq!(logs, names, "{:?}", recovery.report);
    assert!(spares.len() <= RECYCLING.spares_max, "{spares:?}");
    for step in more_steps() {
        keeper.step(&step, &mut told).unwrap();
    }
    let versions = keeper.versions();
    drop(keeper);
    let (keeper, recovery) = Keeper::open(files).unwrap();
    assert_eq!(keeper.versions(), versions);
    assert!(keeper.all_right().unwrap());
    assert_eq!(recovery.report.dropped_tail, None);
    assert_eq!(recovery.report.orphans, [""; 0]);
}

fn more_steps() -> [Step; 4] {
    [
        Step::Put {
            keys: vec![3, 77],
            vouched: false,
        },
        Step::Put {
            keys: vec![78],
            vouched: true,
        },
        Step::Compact,
        Step::Sync,
    ]
}
