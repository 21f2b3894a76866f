//! Where the engine keeps decided blocks and their certificates: all of them, or the latest.
//!
//! All are kept in archives that only grow. Where the latest are enough others are used, which forget sections of blocks; what such a node once forgot it
//! does not get again, so that it can not go back to keeping all. The other way is open: the latest are copied, and the rest is removed.

use std::sync::Arc;

use commonware_consensus::simplex::types::Finalization;
use commonware_cryptography::Digestible as _;
use commonware_cryptography::certificate::Verifier as _;
use commonware_runtime::buffer::paged::CacheRef;
use commonware_runtime::{Clock, Metrics, Spawner, Storage};
use commonware_storage::archive::{Archive, Identifier, immutable, prunable};
use commonware_storage::translator::EightCap;
use commonware_utils::{NZU64, NZUsize};
use crostata_machine::{Header, Machine, Rules};

use crate::block::{ChainBlock, Digest};
use crate::validator::{Scheme, Settings, StartError, Stores};

/// So many blocks are forgotten together. Each section that is kept has four files open.
pub const SECTION: u64 = 128;

type Certificate = Finalization<Scheme, Digest>;

/// Archives of certificates and blocks that only grow.
pub type All<E> = (
    immutable::Archive<E, Digest, Certificate>,
    immutable::Archive<E, Digest, Arc<ChainBlock>>,
);

/// Archives that forget.
pub type Latest<E> = (
    prunable::Archive<EightCap, E, Digest, Certificate>,
    prunable::Archive<EightCap, E, Digest, Arc<ChainBlock>>,
);

/// The parts of an archive that only grows, and of one that forgets. One of which the first has no files is not there.
const PARTS_OF_ALL: [&str; 5] = ["key", "metadata", "table", "value", "ordinal"];
const PARTS_OF_LATEST: [&str; 3] = ["latest-key", "latest-metadata", "latest-value"];
const FINALIZATIONS: &str = "finalizations";
const BLOCKS: &str = "blocks";

/// Names files, and opens what is in them.
pub struct Archives<'a, E> {
    pub context: &'a E,
    pub settings: &'a Settings,
    pub cache: &'a CacheRef,
    pub rules: &'a Arc<Rules>,
}

impl<E: Clock + Storage + Metrics + Spawner> Archives<'_, E> {
    /// The archives of all blocks.
    ///
    /// # Errors
    /// [`StartError::Forgotten`].
    pub async fn all(&self) -> Result<All<E>, StartError> {
        match self.is_there(PARTS_OF_LATEST[0]).await {
            true => Err(StartError::Forgotten),
            false => Ok(self.open_all().await),
        }
    }

    /// The archives of the latest blocks. What there is of all blocks is brought there, from a height on.
    pub async fn latest(&self, from: u64) -> Latest<E> {
        let mut latest = self.open_latest().await;
        if self.is_there(PARTS_OF_ALL[0]).await {
            let (finalizations, blocks) = self.open_all().await;
            latest = (
                copy(&finalizations, latest.0, from, |one| one.proposal.payload).await,
                copy(&blocks, latest.1, from, |block| block.digest()).await,
            );
        }
        // The first part of the blocks goes first: without it nothing is copied again, and what a crash left is removed.
        for part in PARTS_OF_ALL {
            for name in [BLOCKS, FINALIZATIONS] {
                let partition = self.partition(name, part);
                if let Err(error) = self.context.remove(&partition, None).await {
                    tracing::debug!(partition, %error, "nothing is removed");
                }
            }
        }
        latest
    }

    fn partition(&self, name: &str, part: &str) -> String {
        format!("{}-{name}-{part}", self.settings.partition)
    }

    async fn is_there(&self, part: &str) -> bool {
        let files = self.context.scan(&self.partition(BLOCKS, part)).await;
        files.is_ok_and(|files| !files.is_empty())
    }

    async fn open_all(&self) -> All<E> {
        let unbounded = Scheme::certificate_codec_config_unbounded();
        let config = self.config_of_all(FINALIZATIONS, unbounded);
        let context = self.context.child("finalizations");
        let finalizations = immutable::Archive::init(context, config).await;
        let config = self.config_of_all(BLOCKS, self.rules.clone());
        let blocks = immutable::Archive::init(self.context.child("blocks"), config).await;
        (opened(finalizations), opened(blocks))
    }

    async fn open_latest(&self) -> Latest<E> {
        let unbounded = Scheme::certificate_codec_config_unbounded();
        let config = self.config_of_latest(FINALIZATIONS, unbounded);
        let context = self.context.child("latest_finalizations");
        let finalizations = prunable::Archive::init(context, config).await;
        let config = self.config_of_latest(BLOCKS, self.rules.clone());
        let blocks = prunable::Archive::init(self.context.child("latest_blocks"), config).await;
        (opened(finalizations), opened(blocks))
    }

    fn config_of_all<C>(&self, name: &str, codec_config: C) -> immutable::Config<C> {
        let [key, metadata, table, value, ordinal] =
            PARTS_OF_ALL.map(|part| self.partition(name, part));
        immutable::Config {
            metadata_partition: metadata,
            freezer_table_partition: table,
            freezer_table_initial_size: 1 << 12,
            freezer_table_resize_frequency: 4,
            freezer_table_resize_chunk_size: 1 << 10,
            freezer_key_partition: key,
            freezer_key_page_cache: self.cache.clone(),
            freezer_value_partition: value,
            freezer_value_target_size: 64 << 20,
            freezer_value_compression: None,
            ordinal_partition: ordinal,
            items_per_section: NZU64!(4_096),
            codec_config,
            replay_buffer: NZUsize!(1 << 20),
            freezer_key_write_buffer: NZUsize!(1 << 16),
            freezer_value_write_buffer: NZUsize!(1 << 18),
            ordinal_write_buffer: NZUsize!(1 << 16),
        }
    }

    fn config_of_latest<C>(&self, name: &str, codec_config: C) -> prunable::Config<EightCap, C> {
        let [key, metadata, value] = PARTS_OF_LATEST.map(|part| self.partition(name, part));
        prunable::Config {
            translator: EightCap,
            metadata_partition: metadata,
            key_partition: key,
            key_page_cache: self.cache.clone(),
            value_partition: value,
            compression: None,
            codec_config,
            items_per_section: NZU64!(SECTION),
            key_write_buffer: NZUsize!(1 << 14),
            value_write_buffer: NZUsize!(1 << 18),
            replay_buffer: NZUsize!(1 << 20),
        }
    }
}

/// An archive that works.
fn opened<T>(result: Result<T, commonware_storage::archive::Error>) -> T {
    // INVARIANT: a store that does not work leaves the engine nothing to go on with; it panics itself where it finds one later.
    result.unwrap_or_else(|error| panic!("the engine's store does not work: {error}"))
}

/// Brings what one archive has from a height on into another one.
async fn copy<A, B>(from: &A, mut to: B, lowest: u64, name: impl Fn(&A::Value) -> Digest) -> B
where
    A: Archive<Key = Digest>,
    B: Archive<Key = Digest, Value = A::Value>,
{
    let Some(last) = from.last_index() else {
        return to;
    };
    for height in lowest..=last {
        if let Some(value) = opened(from.get(Identifier::Index(height)).await) {
            to = opened(to.put(height, name(&value), &value).await);
        }
    }
    opened(to.sync().await)
}

/// That the machine's final state is what its block says, as far as the engine's store has that block. A state that is not would make
/// the node vote for blocks that nobody else comes to, until the next one is decided.
pub async fn require_agreed<M: Machine>(
    stores: &Stores<M>,
    blocks: &impl Archive<Key = Digest, Value = Arc<ChainBlock>>,
) -> Result<(), StartError> {
    let ours = stores.machine.finalized();
    let height = ours.height;
    let header = match height {
        0 => Some(*stores.genesis.header()),
        _ => decided(blocks, height).await,
    };
    let Some(header) = header else {
        return Ok(());
    };
    let block = header.digest();
    if block != ours.digest {
        return Err(StartError::OtherBlock {
            height,
            ours: ours.digest,
            decided: block,
        });
    }
    match header.state_root == ours.state_root {
        true => Ok(()),
        false => Err(StartError::OtherState {
            height,
            block,
            ours: ours.state_root,
            agreed: header.state_root,
        }),
    }
}

async fn decided(
    blocks: &impl Archive<Key = Digest, Value = Arc<ChainBlock>>,
    height: u64,
) -> Option<Header> {
    let block = opened(blocks.get(Identifier::Index(height)).await);
    block.map(|block| *block.block().header())
}
