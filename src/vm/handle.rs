//! The handle that an embedder holds.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crostata_abi::{ContractId, PAGE_BYTES, PageIndex};
use crostata_proof::{CodeHash, StateProof, ValuePath, ValueProof};

use super::binaries::{self, BinariesConfig};
use super::config::Config;
use super::error::{OpenVmError, ProofError, ProveValueError, RecompileError, SessionError};
use super::value::{Layouts, prove_value};
use crate::engine::{
    ArtifactConfig, ArtifactCounters, ArtifactDirectory, Fingerprint, HostQuery, Protocol,
};
use crate::memory::{Images, Page};
use crate::observe::{Observed, Work};
use crate::session::{
    Activity, Base, CompiledCode, HeightsTaken, HostQueries, Runtime, Session, SessionData, Shared,
};
use crate::state::{
    CheckpointError, Commit, CommitError, CommitRef, Commits, CommittedPages, Contents, LogConfig,
    ProofItem, Snapshot, VerifyProgress, VerifyReport,
};
use crate::store::files::{Files, OsFiles};
use crate::store::{RecoveryReport, Store};

/// A contract VM over a directory.
///
/// It can be shared and sent between threads; sessions do not borrow it and may outlive it.
pub struct VM {
    pub(super) directory: Directory,
    pub(super) commits: Arc<Commits>,
    runtimes: Vec<Arc<Runtime>>,
    compiled: Arc<CompiledCode>,
    queries: Arc<HostQueries>,
    layouts: Layouts,
    recovery: RecoveryReport,
}

pub(super) enum Directory {
    Kept(PathBuf),
    /// Removed when the VM and its last session are gone.
    Ephemeral(Arc<tempfile::TempDir>),
}

impl fmt::Debug for VM {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VM")
            .field("root_dir", &self.root_dir())
            .field("queries", &self.queries)
            .finish_non_exhaustive()
    }
}

impl VM {
    /// Opens the VM in a directory, which is made if it does not exist.
    ///
    /// The directory is locked while the VM or one of its sessions lives.
    ///
    /// # Errors
    /// [`OpenVmError`] for a directory that is in use, is no store, or is damaged.
    pub fn new(root_dir: impl Into<PathBuf>) -> Result<Self, OpenVmError> {
        Self::with_config(root_dir, Config::default())
    }

    /// Opens the VM in a directory with a configuration.
    ///
    /// # Errors
    /// As [`new`](Self::new), or when a protocol of the configuration can not be run.
    pub fn with_config(root_dir: impl Into<PathBuf>, config: Config) -> Result<Self, OpenVmError> {
        Self::open(Directory::Kept(root_dir.into()), config)
    }

    /// Opens a VM in a fresh temporary directory that lives as long as the VM.
    ///
    /// # Errors
    /// [`OpenVmError::Directory`] when no directory can be made.
    pub fn ephemeral() -> Result<Self, OpenVmError> {
        Self::ephemeral_with_config(Config::default())
    }

    /// Opens a VM in a fresh temporary directory with a configuration.
    ///
    /// # Errors
    /// As [`ephemeral`](Self::ephemeral), or when a protocol of the configuration can not be run.
    pub fn ephemeral_with_config(config: Config) -> Result<Self, OpenVmError> {
        let directory = tempfile::tempdir().map_err(|source| OpenVmError::Directory {
            path: std::env::temp_dir(),
            source,
        })?;
        Self::open(Directory::Ephemeral(Arc::new(directory)), config)
    }

    /// Opens a VM over files of the embedder's own: in memory, for a test, or failing on purpose, for a simulation.
    ///
    /// # Errors
    /// As [`with_config`](Self::with_config).
    pub fn with_files(files: Arc<dyn Files>, config: Config) -> Result<Self, OpenVmError> {
        let artifacts = ArtifactDirectory::Nowhere;
        Self::open_files(Directory::Kept(files.path()), files, config, artifacts)
    }

    /// Opens a VM over other files that shares this one's protocols, engines, compiled code and cache of pages: it opens in microseconds, and
    /// each code is compiled once for all of them. For tests, which want many. Commits and sessions are its own; host queries are
    /// those that this one has now; [`is_healthy`](Self::is_healthy) is one answer for all.
    ///
    /// # Errors
    /// [`OpenVmError::State`].
    pub fn beside(&self, files: Arc<dyn Files>, log: LogConfig) -> Result<Self, OpenVmError> {
        let directory = Directory::Kept(files.path());
        let (commits, recovery) = Commits::open(files, log)?;
        let shared = self.first().shared();
        let observed = shared.observed.clone();
        let commits = Arc::new(commits.observed_by(observed.clone()));
        let shared = Arc::new(Shared {
            backend: shared.backend,
            commits: commits.clone(),
            images: shared.images.clone(),
            artifacts: shared.artifacts.clone(),
            activity: Activity::default(),
            observed,
        });
        let runtimes = self.runtimes.iter();
        let runtimes = runtimes.map(|runtime| Arc::new(runtime.beside(shared.clone())));
        Ok(Self {
            directory,
            commits,
            runtimes: runtimes.collect(),
            compiled: self.compiled.clone(),
            queries: self.queries.clone(),
            layouts: Layouts::new(),
            recovery,
        })
    }

    fn open(directory: Directory, config: Config) -> Result<Self, OpenVmError> {
        let path = directory.path().to_path_buf();
        let artifacts = match &directory {
            Directory::Kept(path) => ArtifactDirectory::At(path.join(ArtifactDirectory::OWN_NAME)),
            // Nobody would find them again.
            Directory::Ephemeral(_) => ArtifactDirectory::Nowhere,
        };
        let files =
            OsFiles::open(&path).map_err(|source| OpenVmError::Directory { path, source })?;
        Self::open_files(directory, Arc::new(files), config, artifacts)
    }

    fn open_files(
        directory: Directory,
        files: Arc<dyn Files>,
        config: Config,
        own_artifacts: ArtifactDirectory,
    ) -> Result<Self, OpenVmError> {
        let observed = config.observed;
        let _observing = observed.during(Work::Open);
        let (commits, recovery) = Commits::open(files, config.log)?;
        let commits = Arc::new(commits.observed_by(observed.clone()));
        let images = Images::new(config.image_cache_bytes).map_err(OpenVmError::Memory)?;
        let artifacts = ArtifactConfig {
            directory: config.artifacts.directory.resolved(own_artifacts),
            ..config.artifacts
        };
        let shared = Arc::new(Shared {
            backend: config.backend,
            commits: commits.clone(),
            images: Arc::new(images),
            artifacts: Arc::new(CompiledCode::new(&artifacts)),
            activity: Activity::default(),
            observed,
        });
        let runtimes = runtimes(&shared, config.protocols)?;
        ready_binaries(&shared, &runtimes, &config.binaries)?;
        Ok(Self {
            directory,
            commits,
            runtimes,
            compiled: shared.artifacts.clone(),
            queries: Arc::default(),
            layouts: Layouts::new(),
            recovery,
        })
    }

    /// Starts a session over a commit, or over the empty state if the data names none.
    ///
    /// It runs under its base's protocol unless the data names another.
    ///
    /// # Errors
    /// [`SessionError`] when the base is not retained or its protocol is not configured.
    pub fn session(&self, data: impl Into<SessionData>) -> Result<Session, SessionError> {
        let data = data.into();
        let _observing = self.observed().during(Work::Session);
        let (base, snapshot, protocol) = match &data.base {
            None => (None, self.commits.genesis()?, None),
            Some(Base::Commit(wanted)) => {
                let retained = self.commits.any(*wanted)?;
                let snapshot = self.commits.state(&retained)?;
                (
                    Some(retained.commit.id),
                    snapshot,
                    Some(retained.protocol.clone()),
                )
            }
            Some(Base::Sealed(sealed)) => {
                let state = &sealed.state;
                let protocol = state.protocol().clone();
                (Some(sealed.id()), state.snapshot().clone(), Some(protocol))
            }
        };
        let runtime = self.runtime(protocol, data.protocol.as_ref())?;
        let runtime = match data.located {
            true => runtime.located()?,
            false => runtime,
        };
        let runtime = match data.profiled {
            true => runtime.profiled()?,
            false => runtime,
        };
        let runtime = match data.is_query() {
            true => runtime.interruptible()?,
            false => runtime,
        };
        let session = Session::new(runtime, base, snapshot, data, self.queries.clone());
        Ok(match &self.directory {
            Directory::Kept(_) => session,
            Directory::Ephemeral(directory) => session.keeping(directory.clone()),
        })
    }

    pub(super) fn runtime(
        &self,
        base: Option<Arc<str>>,
        wanted: Option<&Protocol>,
    ) -> Result<Arc<Runtime>, SessionError> {
        let text: Arc<str> = match (wanted, base) {
            (Some(protocol), _) => protocol.text().into(),
            (None, Some(base)) => base,
            (None, None) => return Ok(self.first().clone()),
        };
        let known = self.runtime_of(&text).cloned();
        known.ok_or_else(|| SessionError::UnknownProtocol {
            wanted: Fingerprint::of_text(text.as_bytes()),
            differences: self.protocol_differences(&text),
        })
    }

    fn runtime_of(&self, protocol: &str) -> Option<&Arc<Runtime>> {
        let mut known = self.runtimes.iter();
        known.find(|runtime| **runtime.protocol_text() == *protocol)
    }

    /// Whether the VM was configured with the protocol that has this text.
    pub(super) fn knows_protocol(&self, text: &str) -> bool {
        self.runtime_of(text).is_some()
    }

    /// The rules in which a protocol differs from the VM's first one.
    pub(super) fn protocol_differences(&self, text: &str) -> Vec<String> {
        self.first().engine().protocol().differences(text)
    }

    /// What sessions run with, by protocol.
    pub(crate) fn runtimes_by_protocol(&self) -> impl Iterator<Item = (Fingerprint, Arc<Runtime>)> {
        let runtimes = self.runtimes.iter();
        runtimes.map(|runtime| (runtime.fingerprint(), runtime.clone()))
    }

    /// The state without contracts.
    pub(crate) fn empty_state(&self) -> Snapshot {
        self.commits.empty()
    }

    /// Who is told of work.
    pub(crate) fn observed(&self) -> &Observed {
        self.commits.observed()
    }

    /// What the runtimes share.
    pub(super) fn shared(&self) -> &Arc<Shared> {
        self.first().shared()
    }

    fn first(&self) -> &Arc<Runtime> {
        // `open` puts at least one protocol into the list.
        &self.runtimes[0]
    }

    /// The retained commits, oldest first.
    pub fn commits(&self) -> Vec<Commit> {
        self.commits.list()
    }

    /// The finalised commit, if there is one. It stays openable.
    pub fn finalized(&self) -> Option<Commit> {
        self.commits.finalised()
    }

    /// Makes a commit final: every commit that neither is it nor descends from it is dropped, durably and at once.
    ///
    /// | the commit | result |
    /// |---|---|
    /// | retained, whether it has children or not | it is final; its descendants stay, all others are dropped |
    /// | the finalised one | `Ok`, nothing happens |
    /// | unknown: never made, dropped, or before the finalised one | [`LookupError::Unknown`](crate::LookupError::Unknown) |
    /// | a root that several commits have | [`LookupError::Ambiguous`](crate::LookupError::Ambiguous), which lists their ids |
    /// | the base of a live session | as any other; the session goes on, over what it is based on |
    /// | another one is the base of a live session | that session keeps what it sees; its commit is [`CommitError::BaseDropped`] |
    ///
    /// After an error nothing has changed, [`CommitError::Write`] excepted: then the store must be opened again, and has the
    /// commit finalised or not. It waits for other changes of the commits, never for sessions.
    ///
    /// # Errors
    /// As in the table, and [`CommitError::Write`] when the disk fails.
    pub fn finalize_commit(&self, commit: impl Into<CommitRef>) -> Result<Commit, CommitError> {
        self.commits.finalise(commit.into())
    }

    /// Drops a commit and all that descend from it, durably and at once.
    ///
    /// | the commit | result |
    /// |---|---|
    /// | retained | it and all its descendants are dropped |
    /// | the finalised one | [`CommitError::Finalised`] |
    /// | unknown: never made, or dropped, by an earlier call of this for example | [`LookupError::Unknown`](crate::LookupError::Unknown) |
    /// | a root that several commits have | [`LookupError::Ambiguous`](crate::LookupError::Ambiguous), which lists their ids |
    /// | the base of a live session, or a descendant is | it is dropped; the session keeps what it sees; its commit is [`CommitError::BaseDropped`] |
    ///
    /// After an error nothing has changed, [`CommitError::Write`] excepted: then the store must be opened again, and has the
    /// commit or not. It waits for other changes of the commits, never for sessions. Space on the disk is free when a
    /// [`checkpoint`](Self::checkpoint) was made and no session sees what was in it.
    ///
    /// # Errors
    /// As in the table, and [`CommitError::Write`] when the disk fails.
    pub fn delete_commit(&self, commit: impl Into<CommitRef>) -> Result<Commit, CommitError> {
        self.commits.delete(commit.into())
    }

    /// Makes a checkpoint of the finalised state now: opening reads nothing before it, and segments of the log that hold
    /// nothing retained are given up. It happens by itself, in [`finalize_commit`](Self::finalize_commit) and
    /// [`delete_commit`](Self::delete_commit), whenever 16 MiB or 1,024 entries were written since the last one; a node
    /// may choose a quieter moment.
    ///
    /// # Errors
    /// [`CheckpointError`]; the commits are as before.
    pub fn checkpoint(&self) -> Result<(), CheckpointError> {
        self.commits.checkpoint()
    }

    /// Derives the root of every retained commit again from the bytes on disk, on all threads, and tells what is
    /// damaged: file, offset, and the contract and page where it is one's.
    ///
    /// Reads everything that is retained; `told` hears how far it came, from any thread, about once a MiB. Sessions, commits
    /// and checkpoints go on meanwhile, and nothing is changed or repaired.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let vm = crostata::VM::ephemeral()?;
    /// let report = vm.verify(|progress| eprintln!("{} of {} bytes", progress.bytes, progress.bytes_total));
    /// for finding in &report.findings {
    ///     eprintln!("{finding}");
    /// }
    /// assert!(report.is_clean());
    /// # Ok(())
    /// # }
    /// ```
    pub fn verify(&self, told: impl Fn(VerifyProgress) + Sync) -> VerifyReport {
        self.commits.verify(&told)
    }

    /// Lets one unit of time pass for sessions with deadlines
    /// ([`interrupted_after`](crate::SessionDataBuilder::interrupted_after)). The VM reads no clock: who has one calls this,
    /// from any thread, as often as deadlines are to be fine. Costs a few nanoseconds.
    pub fn tick(&self) {
        self.runtimes.iter().for_each(|runtime| runtime.tick());
    }

    /// Has running queries look at their deadlines, without letting time pass for sessions that count ticks.
    #[cfg(feature = "serve")]
    pub(crate) fn look(&self) {
        self.runtimes.iter().for_each(|runtime| runtime.look());
    }

    /// Whether no call, deployment, rollback or root of a session of this VM has ended in
    /// [`Error::Fatal`](crate::Error::Fatal) so far.
    ///
    /// Once `false`, it stays so until the VM is opened anew, since nobody knows what else the cause has touched. It is a report: the VM
    /// refuses nothing by itself, so that a node can finish what it must, and stop. Failures of contracts, rejections, timeouts and
    /// full caches do not count, and neither do errors of commits and lookups, which those tell.
    pub fn is_healthy(&self) -> bool {
        self.runtimes.iter().all(|runtime| runtime.is_healthy())
    }

    /// Offers a query to the contracts of sessions opened from here on, beside those of that name that are in force at other heights.
    ///
    /// # Errors
    /// [`HeightsTaken`] when one of that name is in force at one of its heights.
    pub fn register_query(
        &mut self,
        name: impl Into<String>,
        query: impl HostQuery + 'static,
    ) -> Result<(), HeightsTaken> {
        Arc::make_mut(&mut self.queries).add(name, query)
    }

    /// Offers a query to the contracts of sessions opened from here on, in place of all of that name.
    pub fn register_host_query(
        &mut self,
        name: impl Into<String>,
        query: impl HostQuery + 'static,
    ) {
        Arc::make_mut(&mut self.queries).insert(name, query);
    }

    /// The queries that sessions opened now would offer.
    pub fn host_queries(&self) -> &HostQueries {
        &self.queries
    }

    /// The directory. That of an ephemeral VM is removed when the VM and its last session are gone.
    pub fn root_dir(&self) -> &Path {
        self.directory.path()
    }

    /// What opening found in the directory.
    pub fn recovery(&self) -> &RecoveryReport {
        &self.recovery
    }

    /// A proof of some things at a commit, for `crostata_proof` to verify. What items have in common is in it once.
    ///
    /// Any retained commit will do, while sessions and commits go on; nothing is executed, and no contract is loaded. The cost is a way
    /// through the trees per page, and reading what is shown: whoever proves for strangers bounds what they may ask for.
    ///
    /// ```
    /// use crostata::{ProofItem, VM};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let vm = VM::ephemeral()?;
    /// let root = vm.session(crostata::SessionData::default())?.commit()?.root;
    /// let nobody = crostata::ContractId::from_bytes([7; 32]);
    /// let proof = vm.prove(root, &[ProofItem::Contract(nobody)])?.encode();
    ///
    /// let state = crostata_proof::StateProof::decode(&proof)?.verify(&root)?;
    /// assert!(state.contract(&nobody)?.is_none(), "there is no such contract");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ProofError`] when the commit, a contract (other than in [`ProofItem::Contract`]), a page or a range does not exist, when there is
    /// no item, or when something can not be read.
    pub fn prove(
        &self,
        commit: impl Into<CommitRef>,
        items: &[ProofItem],
    ) -> Result<StateProof, ProofError> {
        let retained = self.commits.any(commit.into())?;
        let snapshot = self.commits.state(&retained)?;
        let store = self.commits.store().clone();
        let mut committed = Committed {
            snapshot: &snapshot,
            store,
        };
        snapshot.prove(items, &mut committed)
    }

    /// A proof of what a contract's state has under a name, or one of its maps under a key, or that the map has no such key: for
    /// `crostata_proof` to verify and turn into a typed value, [`ValueProof::verify`] and [`ValueProof::verify_key`].
    ///
    /// For contracts that declare their storage (`#[contract(storage)]`, or the section `crostata.layout`). Any retained commit will
    /// do; nothing is executed, and the contract is not loaded. The cost is a way through the trees for each page of the lookup, one for
    /// most values, one for each level of a map; and reading the code of a contract whose layout is not known yet (256 are kept).
    ///
    /// ```
    /// use crostata::{ContractData, SessionData, VM, Value, ValuePath, ValueProof, contract_bytecode};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let vm = VM::ephemeral()?;
    /// let mut session = vm.session(SessionData::default())?;
    /// let accounts = session.deploy(contract_bytecode!("accounts"), ContractData::builder(), 10_000_000)?;
    /// session.call::<_, ()>(accounts, "mint", &([7u8; 32], 40u64), 10_000_000)?;
    /// let root = session.commit()?.root;
    ///
    /// let proof = vm.prove_value(root, accounts, "total_supply")?.encode();
    /// let supply = ValueProof::decode(&proof)?.verify(&root, &accounts, "total_supply")?;
    /// assert_eq!(*supply, Value::Uint(40));
    ///
    /// let nobody = Value::from([8; 32]);
    /// let path = ValuePath::key("balances", nobody.clone());
    /// let proof = vm.prove_value(root, accounts, path)?;
    /// let balance = proof.verify_key(&root, &accounts, "balances", &nobody)?;
    /// assert_eq!(*balance, None, "there is no such account");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ProveValueError`] when the commit or contract does not exist, the contract declares no storage, nothing under that name, or no map, when the
    /// key is none of the map, or when something can not be read.
    pub fn prove_value(
        &self,
        commit: impl Into<CommitRef>,
        contract: ContractId,
        path: impl Into<ValuePath>,
    ) -> Result<ValueProof, ProveValueError> {
        let retained = self.commits.any(commit.into()).map_err(ProofError::from)?;
        let snapshot = self.commits.state(&retained).map_err(ProofError::from)?;
        let store = self.commits.store().clone();
        let mut committed = Committed {
            snapshot: &snapshot,
            store,
        };
        let layouts = &self.layouts;
        prove_value(&snapshot, &mut committed, layouts, contract, &path.into())
    }

    /// Forgets the compiled form of some code, in memory and on disk, for every protocol of the configuration; it is compiled again when
    /// next needed. `true` if there was one.
    pub fn remove_module(&self, code: &CodeHash) -> bool {
        let forgotten = self.runtimes.iter();
        let forgotten = forgotten.filter(|runtime| runtime.forget_module(code));
        forgotten.count() > 0
    }

    /// Compiles a committed contract's code anew for every protocol of the configuration, in place of the compiled form in memory
    /// and on disk. Sessions keep what they use.
    ///
    /// # Errors
    /// [`RecompileError`]: the commit or contract does not exist, or the code can not be had or compiled.
    pub fn recompile_module(
        &self,
        commit: impl Into<CommitRef>,
        contract: ContractId,
    ) -> Result<(), RecompileError> {
        let retained = self.commits.any(commit.into())?;
        let snapshot = self.commits.state(&retained)?;
        let state = snapshot.get(&contract)?;
        let state = state.ok_or(RecompileError::NoContract { contract })?;
        for runtime in &self.runtimes {
            runtime.recompile(&snapshot, &state)?;
        }
        Ok(())
    }

    /// Keeps the compiled form of some code in memory: now, and when it is next loaded or compiled. What is pinned does not count
    /// towards [`ArtifactConfig::ram_bytes_max`]. `false` if it was pinned already.
    pub fn pin(&self, code: CodeHash) -> bool {
        self.compiled.pin(code)
    }

    /// Lets the compiled form of some code leave memory in its turn. `false` if it was not pinned.
    pub fn unpin(&self, code: CodeHash) -> bool {
        self.compiled.unpin(code)
    }

    /// What the cache of compiled code did since the VM was opened, and what it holds.
    pub fn artifact_counters(&self) -> ArtifactCounters {
        self.compiled.counters()
    }
}

/// The contents of a commit's state.
struct Committed<'a> {
    snapshot: &'a Snapshot,
    store: Arc<Store>,
}

impl Contents for Committed<'_> {
    type Error = ProofError;

    fn page(&mut self, contract: &ContractId, page: PageIndex) -> Result<Box<Page>, ProofError> {
        match self.snapshot.get(contract)? {
            Some(state) => Ok(CommittedPages::new(self.store.clone(), state).read(page)?),
            None => Ok(Box::new([0; PAGE_BYTES])),
        }
    }

    fn code(&mut self, code: &CodeHash) -> Result<Vec<u8>, ProofError> {
        Ok(self.snapshot.code(code)?)
    }
}

/// The runtimes of these protocols, or of the default one.
fn runtimes(
    shared: &Arc<Shared>,
    protocols: Vec<Protocol>,
) -> Result<Vec<Arc<Runtime>>, OpenVmError> {
    let protocols = match protocols.is_empty() {
        true => vec![Protocol::default()],
        false => protocols,
    };
    let made = protocols
        .into_iter()
        .map(|protocol| Ok(Arc::new(Runtime::new(shared.clone(), protocol)?)));
    made.collect()
}

/// Has the code that the protocols' lists allow compiled, and keeps it.
fn ready_binaries(
    shared: &Shared,
    runtimes: &[Arc<Runtime>],
    config: &BinariesConfig,
) -> Result<(), OpenVmError> {
    let protocols = runtimes.iter().map(|runtime| runtime.engine().protocol());
    let lists = protocols.filter_map(|protocol| protocol.allowed.as_ref());
    let codes = lists.flat_map(|list| list.codes());
    for code in codes.filter(|_| config.directory.is_some()) {
        shared.artifacts.pin(*code);
    }
    let problems = binaries::precompile(runtimes, config);
    match problems.is_empty() {
        true => Ok(()),
        false => Err(OpenVmError::Binaries { problems }),
    }
}

impl Directory {
    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Ephemeral(directory) => directory.path(),
        }
    }
}
