//! What a validator's engine stands on: the runtime's deterministic clock, randomness and tasks, and a disk of its own, which fails and loses what was not
//! synced as the VM's does.
//!
//! | bytes of a file | field |
//! |---|---|
//! | 8 | version of the blob |
//! | n | the blob |
//!
//! A name is the partition's, a stroke, and the blob's in hexadecimal digits.

use std::convert::Infallible;
use std::fmt::Display;
use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::BufMut;
use commonware_runtime::telemetry::metrics::{Metric, Registered};
use commonware_runtime::{
    Blob, BlobVersion, Clock, Error, Handle, IoBufs, IoBufsMut, Metrics, Name, ReadOptions,
    Spawner, Storage, Supervisor, WriteOptions, deterministic, signal::Signal,
};
use commonware_utils::channel::oneshot;
use crostata::store::files::{FaultyFiles, File, Files};
use governor::clock::{Clock as Clocked, ReasonablyRealtime};
use rand::{TryCryptoRng, TryRng};

/// The length of what is before a blob.
const VERSION_BYTES: u64 = 8;

/// The runtime, with another disk.
pub struct Ground {
    context: deterministic::Context,
    disk: FaultyFiles,
    /// How long it takes until something is on the disk.
    sync: Duration,
}

impl Ground {
    pub fn new(context: deterministic::Context, disk: FaultyFiles, sync: Duration) -> Self {
        Self {
            context,
            disk,
            sync,
        }
    }

    fn on_this_disk(&self, context: deterministic::Context) -> Self {
        Self::new(context, self.disk.clone(), self.sync)
    }
}

impl Supervisor for Ground {
    fn name(&self) -> Name {
        self.context.name()
    }

    fn child(&self, label: &'static str) -> Self {
        self.on_this_disk(self.context.child(label))
    }

    fn with_attribute(self, key: &'static str, value: impl Display) -> Self {
        Self::new(
            self.context.with_attribute(key, value),
            self.disk,
            self.sync,
        )
    }
}

impl Spawner for Ground {
    fn shared(self, blocking: bool) -> Self {
        Self::new(self.context.shared(blocking), self.disk, self.sync)
    }

    fn dedicated(self) -> Self {
        Self::new(self.context.dedicated(), self.disk, self.sync)
    }

    fn spawn<F, Fut, T>(self, work: F) -> Handle<T>
    where
        F: FnOnce(Self) -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let (disk, sync) = (self.disk, self.sync);
        let spawned = move |context| work(Self::new(context, disk, sync));
        self.context.spawn(spawned)
    }

    async fn stop(self, value: i32, timeout: Option<Duration>) -> Result<(), Error> {
        self.context.stop(value, timeout).await
    }

    fn stopped(&self) -> Signal {
        self.context.stopped()
    }
}

impl Metrics for Ground {
    fn register<N: Into<String>, H: Into<String>, M: Metric>(
        &self,
        name: N,
        help: H,
        metric: M,
    ) -> Registered<M> {
        self.context.register(name, help, metric)
    }

    fn encode(&self) -> String {
        self.context.encode()
    }
}

impl Clock for Ground {
    fn current(&self) -> SystemTime {
        self.context.current()
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static + use<> {
        self.context.sleep(duration)
    }

    fn sleep_until(&self, until: SystemTime) -> impl Future<Output = ()> + Send + 'static + use<> {
        self.context.sleep_until(until)
    }
}

impl Clocked for Ground {
    type Instant = SystemTime;

    fn now(&self) -> SystemTime {
        self.context.current()
    }
}

impl ReasonablyRealtime for Ground {}

impl TryRng for Ground {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.context.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.context.try_next_u64()
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.context.try_fill_bytes(bytes)
    }
}

impl TryCryptoRng for Ground {}

fn folder(partition: &str) -> String {
    format!("{partition}/")
}

fn file_name(partition: &str, name: &[u8]) -> String {
    let digits = name.iter().map(|byte| format!("{byte:02x}"));
    folder(partition) + &digits.collect::<String>()
}

fn blob_name(digits: &str) -> Vec<u8> {
    let pairs = (0..digits.len()).step_by(2);
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    pairs.map(byte).collect()
}

impl Ground {
    fn names_in(&self, partition: &str) -> io::Result<Vec<String>> {
        let folder = folder(partition);
        let names = self.disk.names()?.into_iter();
        Ok(names.filter(|name| name.starts_with(&folder)).collect())
    }

    /// A file that is there, with its version, unless the power went while it was created.
    fn opened(&self, name: &str) -> io::Result<Option<(Arc<dyn File>, u64)>> {
        let file = match self.disk.open(name) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if file.len()? < VERSION_BYTES {
            return Ok(None);
        }
        let mut version = [0; VERSION_BYTES as usize];
        file.read_exact_at(&mut version, 0)?;
        Ok(Some((file, u64::from_le_bytes(version))))
    }

    fn created(&self, name: &str, version: u64) -> io::Result<(Arc<dyn File>, u64)> {
        let file = self.disk.create(name)?;
        file.write_all_at(&version.to_le_bytes(), 0)?;
        file.sync_data()?;
        self.disk.sync_dir()?;
        Ok((file, version))
    }
}

impl Storage for Ground {
    type Blob = OnDisk;

    async fn open_versioned(
        &self,
        partition: &str,
        name: &[u8],
        versions: RangeInclusive<BlobVersion>,
    ) -> Result<(OnDisk, u64, BlobVersion), Error> {
        let name = file_name(partition, name);
        let (file, version) = match self.opened(&name)? {
            Some(opened) => opened,
            None => self.created(&name, versions.end().get().into())?,
        };
        let version = BlobVersion::new(u16::try_from(version).unwrap());
        assert!(versions.contains(&version), "{name} has version {version}");
        let len = file.len()? - VERSION_BYTES;
        let blob = OnDisk {
            context: self.context.child("blob"),
            file,
            sync: self.sync,
        };
        Ok((blob, len, version))
    }

    async fn remove(&self, partition: &str, name: Option<&[u8]>) -> Result<(), Error> {
        match name {
            Some(name) => match self.disk.remove(&file_name(partition, name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let name = name.iter().map(|byte| format!("{byte:02x}")).collect();
                    return Err(Error::BlobMissing(partition.to_owned(), name));
                }
                removed => removed?,
            },
            None => {
                let names = self.names_in(partition)?;
                if names.is_empty() {
                    return Err(Error::PartitionMissing(partition.to_owned()));
                }
                names.iter().try_for_each(|name| self.disk.remove(name))?;
            }
        }
        Ok(self.disk.sync_dir()?)
    }

    async fn scan(&self, partition: &str) -> Result<Vec<Vec<u8>>, Error> {
        let names = self.names_in(partition)?;
        if names.is_empty() {
            return Err(Error::PartitionMissing(partition.to_owned()));
        }
        let folder = folder(partition);
        let digits = names.iter().filter_map(|name| name.strip_prefix(&folder));
        Ok(digits.map(blob_name).collect())
    }
}

/// A blob that is a file.
pub struct OnDisk {
    context: deterministic::Context,
    file: Arc<dyn File>,
    sync: Duration,
}

impl Blob for OnDisk {
    async fn read_at(
        &self,
        offset: u64,
        len: usize,
        options: ReadOptions,
    ) -> Result<IoBufsMut, Error> {
        let room = IoBufsMut::from(Vec::<u8>::with_capacity(len));
        self.read_at_buf(offset, len, room, options).await
    }

    async fn read_at_buf(
        &self,
        offset: u64,
        len: usize,
        bufs: impl Into<IoBufsMut> + Send,
        _options: ReadOptions,
    ) -> Result<IoBufsMut, Error> {
        let mut bytes = vec![0; len];
        let read = self.file.read_exact_at(&mut bytes, VERSION_BYTES + offset);
        match read {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(Error::BlobInsufficientLength);
            }
            read => read?,
        }
        let mut bufs = bufs.into();
        let missing = len
            .checked_sub(bufs.len())
            .expect("a buffer of that length");
        bufs.put_bytes(0, missing);
        bufs.copy_from_slice(&bytes);
        Ok(bufs)
    }

    async fn write_at(
        &self,
        offset: u64,
        bufs: impl Into<IoBufs> + Send,
        options: WriteOptions,
    ) -> Result<(), Error> {
        let bytes = bufs.into().coalesce();
        self.file
            .write_all_at(bytes.as_ref(), VERSION_BYTES + offset)?;
        match options.contains(WriteOptions::SYNC) {
            true => self.sync().await,
            false => Ok(()),
        }
    }

    async fn resize(&self, len: u64) -> Result<(), Error> {
        Ok(self.file.set_len(VERSION_BYTES + len)?)
    }

    async fn sync(&self) -> Result<(), Error> {
        if !self.sync.is_zero() {
            self.context.sleep(self.sync).await;
        }
        Ok(self.file.sync_data()?)
    }

    async fn start_sync(&self) -> Handle<()> {
        if self.sync.is_zero() {
            return Handle::ready(self.sync().await);
        }
        let (file, sync) = (self.file.clone(), self.sync);
        let (done, synced) = oneshot::channel();
        // It goes on when nobody waits for it any more.
        let syncing = self.context.child("sync").spawn(move |context| async move {
            context.sleep(sync).await;
            let _ = done.send(file.sync_data().map_err(Error::from));
        });
        drop(syncing);
        Handle::from_receiver(synced)
    }
}
