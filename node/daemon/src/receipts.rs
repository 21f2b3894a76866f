//! Receipts of the latest final blocks, on the disk, so that a node which was started anew still has them.
//!
//! They are no part of consensus: what is not there another node is asked for. Nobody waits for them to be written, so that those of the last blocks before a crash
//! may be missing. A task of its own has the store; when that fails it says so, and the node goes on without.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use bytes::Bytes;
use commonware_codec::RangeCfg;
use commonware_cryptography::blake3::Digest;
use commonware_runtime::buffer::paged::CacheRef;
use commonware_runtime::tokio::Context;
use commonware_storage::archive::prunable::{self, Archive};
use commonware_storage::archive::{Archive as _, Error, Identifier};
use commonware_storage::translator::EightCap;
use commonware_utils::{NZU16, NZU64, NZUsize};
use crostata_chain::FinalBlock;
use tokio::sync::{mpsc, oneshot};

use crate::http::answers::ReceiptAnswer;

/// So many heights are pruned together.
const SECTION: u64 = 64;
/// So many blocks may wait for being written; those of others are not kept.
const WAITING_MAX: usize = 256;
/// So many are synced at once, at most.
const UNSYNCED_MAX: u32 = 16;
/// Receipts of a block that are longer are not kept: rather none than all of the room.
const BLOCK_BYTES_MAX: usize = 64 << 20;
/// Where the store is: what it keeps is in the second.
const METADATA: &str = "receipts-metadata";
const VALUES: &str = "receipts-values";
const KEYS: &str = "receipts-keys";

/// How much is kept.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Where the engine has its files, among which these are.
    pub directory: PathBuf,
    /// Of so many blocks.
    pub blocks_max: u64,
    /// So many bytes on the disk, or those of the latest 64 blocks if they are more.
    pub bytes_max: u64,
}

/// The receipts on the disk. Cheap to clone.
#[derive(Clone)]
pub struct Receipts(mpsc::Sender<Message>);

enum Message {
    Keep(Arc<FinalBlock>),
    Of(u64, oneshot::Sender<Option<Bytes>>),
    Flush(oneshot::Sender<()>),
}

impl Receipts {
    /// Opens the store.
    ///
    /// # Errors
    /// As the store says.
    pub async fn open(context: Context, limits: Limits) -> Result<Self, Error> {
        let archive = Archive::init(context, config()).await?;
        let (sender, messages) = mpsc::channel(WAITING_MAX);
        let keeper = Keeper {
            archive,
            limits,
            unsynced: 0,
            section: 0,
        };
        tokio::spawn(async move {
            if let Err(error) = keeper.run(messages).await {
                tracing::error!(%error, "receipts are not kept any more");
            }
        });
        Ok(Self(sender))
    }

    /// Keeps the receipts of a block, some time. Never waits.
    pub fn keep(&self, block: &Arc<FinalBlock>) {
        if block.receipts.is_empty() {
            return;
        }
        if self.0.try_send(Message::Keep(block.clone())).is_err() {
            tracing::warn!(height = block.block.height(), "receipts are not kept");
        }
    }

    /// The receipt of a block's transaction, if it is kept.
    pub async fn of(&self, height: u64, index: usize) -> Option<ReceiptAnswer> {
        let (answer, answered) = oneshot::channel();
        self.0.send(Message::Of(height, answer)).await.ok()?;
        let bytes = answered.await.ok()??;
        let parsing = tokio::task::spawn_blocking(move || {
            let all: Vec<ReceiptAnswer> = serde_json::from_slice(&bytes).ok()?;
            all.into_iter().nth(index)
        });
        parsing.await.ok()?
    }

    /// Waits until everything is written.
    pub async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        if self.0.send(Message::Flush(done)).await.is_ok() {
            let _ = flushed.await;
        }
    }
}

fn config() -> prunable::Config<EightCap, RangeCfg<usize>> {
    prunable::Config {
        translator: EightCap,
        metadata_partition: METADATA.to_owned(),
        key_partition: KEYS.to_owned(),
        key_page_cache: CacheRef::new(NZU16!(4_096), NZUsize!(16)),
        value_partition: VALUES.to_owned(),
        compression: Some(3),
        codec_config: (..=BLOCK_BYTES_MAX).into(),
        items_per_section: NZU64!(SECTION),
        key_write_buffer: NZUsize!(1 << 14),
        value_write_buffer: NZUsize!(1 << 18),
        replay_buffer: NZUsize!(1 << 18),
    }
}

/// Who has the store.
struct Keeper {
    archive: Archive<EightCap, Context, Digest, Bytes>,
    limits: Limits,
    unsynced: u32,
    /// Of which section the last one was, so that limits are looked at when it changes.
    section: u64,
}

impl Keeper {
    async fn run(mut self, mut messages: mpsc::Receiver<Message>) -> Result<(), Error> {
        while let Some(message) = messages.recv().await {
            match message {
                Message::Keep(block) => self = self.keep(block).await?,
                Message::Of(height, answer) => {
                    let found = self.archive.get(Identifier::Index(height)).await?;
                    let _ = answer.send(found);
                }
                Message::Flush(done) => {
                    self = self.sync().await?;
                    let _ = done.send(());
                }
            }
            if self.unsynced >= UNSYNCED_MAX || messages.is_empty() {
                self = self.sync().await?;
            }
        }
        Ok(())
    }

    async fn keep(mut self, block: Arc<FinalBlock>) -> Result<Self, Error> {
        let height = block.block.height();
        let digest = commonware_cryptography::blake3::Digest(block.block.digest().to_bytes());
        let encoding = tokio::task::spawn_blocking(move || encode(&block));
        let Ok(Some(bytes)) = encoding.await else {
            tracing::warn!(height, "receipts are too long to be kept");
            return Ok(self);
        };
        self.archive = self.archive.put(height, digest, &bytes).await?;
        self.unsynced += 1;
        let section = height / SECTION;
        if section != self.section {
            self.section = section;
            self = self.trim(height).await?;
        }
        Ok(self)
    }

    async fn sync(mut self) -> Result<Self, Error> {
        if self.unsynced > 0 {
            self.archive = self.archive.sync().await?;
            self.unsynced = 0;
        }
        Ok(self)
    }

    /// Forgets what is beyond the limits.
    async fn trim(mut self, top: u64) -> Result<Self, Error> {
        let lowest = (top + 1).saturating_sub(self.limits.blocks_max);
        self.archive = self.archive.prune(lowest).await?;
        while self.is_too_long().await {
            let first = self.archive.ranges_from(0).next();
            let next = first.map_or(top, |(first, _)| (first / SECTION + 1) * SECTION);
            if next > top {
                break;
            }
            self.archive = self.archive.prune(next).await?;
        }
        Ok(self)
    }

    async fn is_too_long(&self) -> bool {
        let values = self.limits.directory.join(VALUES);
        let measured = tokio::task::spawn_blocking(move || len_bytes(&values)).await;
        matches!(measured, Ok(Ok(len)) if len > self.limits.bytes_max)
    }
}

fn encode(block: &FinalBlock) -> Option<Bytes> {
    let answers: Vec<_> = block.receipts.iter().map(ReceiptAnswer::from).collect();
    let bytes = serde_json::to_vec(&answers).ok()?;
    (bytes.len() <= BLOCK_BYTES_MAX).then(|| bytes.into())
}

/// What the files of a directory take together.
fn len_bytes(directory: &Path) -> io::Result<u64> {
    let mut len = 0;
    for entry in fs::read_dir(directory)? {
        len += entry?.metadata()?.len();
    }
    Ok(len)
}

#[cfg(test)]
mod tests {
    use commonware_runtime::Runner as _;
    use commonware_runtime::tokio as engine;
    use crostata_machine::{
        Account, Block, BlockDigest, Header, Outcome, Receipt, TransactionDigest,
    };

    use super::*;

    /// A block with one receipt of so many bytes, which do not become fewer when they are compressed.
    fn block(height: u64, len: usize) -> Arc<FinalBlock> {
        let header = Header {
            parent: BlockDigest::default(),
            height,
            time_ms: height,
            proposer: Account::default(),
            state_root: crostata::Root::from_bytes([0; 32]),
            receipts_root: crostata::ReceiptsRoot::from_bytes([0; 32]),
            transactions_digest: [0; 32],
        };
        let mut data = vec![0; len];
        getrandom::fill(&mut data).unwrap();
        let receipt = Receipt {
            transaction: TransactionDigest::default(),
            sender: Account::default(),
            gas_spent: height,
            fee: 0,
            outcome: Outcome::Success {
                data,
                events: Vec::new(),
            },
            executed: None,
            opening: None,
        };
        Arc::new(FinalBlock {
            block: Block::new(header, Vec::new()),
            receipts: vec![receipt],
        })
    }

    fn with_store(directory: &Path, limits: [u64; 2], work: impl AsyncFn(Receipts)) {
        let config = engine::Config::new().with_storage_directory(directory);
        let [blocks_max, bytes_max] = limits;
        let limits = Limits {
            directory: directory.to_owned(),
            blocks_max,
            bytes_max,
        };
        engine::Runner::new(config).start(|context| async move {
            let receipts = Receipts::open(context, limits).await.unwrap();
            work(receipts.clone()).await;
            receipts.flush().await;
        });
    }

    async fn keep(receipts: &Receipts, heights: std::ops::RangeInclusive<u64>, len: usize) {
        for height in heights {
            receipts.keep(&block(height, len));
            if height % 32 == 0 {
                receipts.flush().await;
            }
        }
        receipts.flush().await;
    }

    async fn gas_of(receipts: &Receipts, height: u64) -> Option<u64> {
        let receipt = receipts.of(height, 0).await;
        receipt.map(|receipt| receipt.gas_spent)
    }

    /// P3, P6: receipts are there when the store is opened again, for as many blocks and bytes as are allowed, and the latest whatever they take.
    #[test]
    fn the_latest_receipts_are_kept_within_limits() {
        let by_blocks = tempfile::tempdir().unwrap();
        let limits = [100, u64::MAX];
        with_store(by_blocks.path(), limits, async |receipts| {
            keep(&receipts, 1..=400, 10).await;
        });
        with_store(by_blocks.path(), limits, async |receipts| {
            assert_eq!(gas_of(&receipts, 400).await, Some(400));
            assert_eq!(gas_of(&receipts, 301).await, Some(301));
            assert_eq!(gas_of(&receipts, 100).await, None);
            assert_eq!(receipts.of(400, 1).await, None);
            assert_eq!(gas_of(&receipts, 401).await, None);
        });
        let by_bytes = tempfile::tempdir().unwrap();
        let limits = [u64::MAX, 2 << 20];
        with_store(by_bytes.path(), limits, async |receipts| {
            keep(&receipts, 1..=400, 10_000).await;
            assert_eq!(gas_of(&receipts, 400).await, Some(400));
            assert_eq!(gas_of(&receipts, 1).await, None);
        });
        // Random bytes as digits take half of them again, compressed: a little over 10,000 for each block. Limits are looked at once in 64 blocks.
        let len = len_bytes(&by_bytes.path().join(VALUES)).unwrap();
        assert!(len > 64 * 10_000 && len < (2 << 20) + 65 * 12_000, "{len}");
    }
}
