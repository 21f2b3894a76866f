//! The service: what an embedder holds.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crostata_abi::ContractId;
use crostata_proof::{StateProof, ValuePath, ValueProof};

use super::async_query::AsyncQueries;
use super::blocks::{BlockError, BlockHandle, Blocks, ExecutedBlock};
use super::bounds::ServiceSettings;
use super::client::Client;
use super::counters::QueryCounters;
use super::course::Course;
use super::error::{QueryError, StartError};
use super::handle::QueryHandle;
use super::pool::Pool;
use super::query::{At, Query, QueryReceipt, session};
use crate::block::{BlockSettings, SealedBlock, Transaction};
use crate::engine::AsyncHostQuery;
use crate::session::{ContractMetadata, SessionData};
use crate::state::{Commit, CommitRef, ProofItem};
use crate::vm::VM;

/// Native stack of a worker: what contracts and the host may use, so that calls run on it and not on one of their own.
const WORKER_STACK_BYTES: usize = 8 << 20;

/// Queries over a VM, on threads of its own.
///
/// It can be shared between threads and tasks. Dropping it shuts it down at once.
///
/// ```
/// use std::sync::Arc;
/// use crostata::serve::{Query, Service, ServiceSettings};
/// use crostata::{ContractData, SessionData, VM, contract_bytecode};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let vm = Arc::new(VM::ephemeral()?);
/// let mut session = vm.session(SessionData::builder())?;
/// let counter = session.deploy(contract_bytecode!("counter"), ContractData::builder(), 1_000_000)?;
/// let commit = session.commit()?;
///
/// let service = Service::new(vm.clone(), ServiceSettings::default())?;
/// let query = Query::new(counter, "read_value").at(commit);
/// // In asynchronous code: `service.query(query).await?`.
/// let answer = service.query_blocking(query)?;
/// assert_eq!(answer.decode::<i64>()?, 0xfc);
/// # Ok(())
/// # }
/// ```
pub struct Service {
    pool: Arc<Pool>,
    queries: Arc<AsyncQueries>,
    blocks: Blocks,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// Builds a [`Service`].
#[derive(Debug)]
pub struct ServiceBuilder {
    vm: Arc<VM>,
    settings: ServiceSettings,
    queries: AsyncQueries,
}

impl ServiceBuilder {
    /// The same with these settings.
    pub fn settings(mut self, settings: ServiceSettings) -> Self {
        self.settings = settings;
        self
    }

    /// The same with an asynchronous host query for contracts that import `hqa`.
    pub fn async_query(
        mut self,
        name: impl Into<String>,
        query: impl AsyncHostQuery + 'static,
    ) -> Self {
        self.queries.insert(name, query);
        self
    }

    /// Starts the service's threads.
    ///
    /// # Errors
    /// [`StartError`] for settings that make no sense, or a system without room for the threads.
    pub fn start(self) -> Result<Service, StartError> {
        self.settings.check()?;
        let workers = self.settings.workers;
        let (blocks, work) = Blocks::new(self.settings.block_queue_max);
        let service = Service {
            blocks,
            pool: Arc::new(Pool::new(self.vm, self.settings)),
            queries: Arc::new(self.queries),
            threads: Mutex::default(),
        };
        for worker in 0..workers {
            let name = format!("crostata query {worker}");
            service.spawn(name, move |pool| pool.work(worker))?;
        }
        service.spawn("crostata ticker".to_owned(), Pool::tick)?;
        service.spawn("crostata blocks".to_owned(), |pool| work.run(pool.vm()))?;
        Ok(service)
    }
}

impl Service {
    /// A service over a VM.
    ///
    /// # Errors
    /// As [`ServiceBuilder::start`].
    pub fn new(vm: Arc<VM>, settings: ServiceSettings) -> Result<Self, StartError> {
        Self::builder(vm).settings(settings).start()
    }

    /// Builds a service over a VM.
    pub fn builder(vm: Arc<VM>) -> ServiceBuilder {
        ServiceBuilder {
            vm,
            settings: ServiceSettings::default(),
            queries: AsyncQueries::default(),
        }
    }

    /// The VM.
    pub fn vm(&self) -> &Arc<VM> {
        self.pool.vm()
    }

    /// What the service gives.
    pub fn settings(&self) -> &ServiceSettings {
        self.pool.settings()
    }

    /// What the service did so far.
    pub fn counters(&self) -> QueryCounters {
        self.pool.counters()
    }

    /// Asks a query. It never waits: an overloaded service answers at once, through the handle.
    pub fn query(&self, query: Query) -> QueryHandle<QueryReceipt> {
        let settings = self.settings();
        if let Err(error) = query.check(settings) {
            return QueryHandle::refused(error);
        }
        let (client, bounds) = (query.client.clone(), settings.clone());
        let course = self.course(query.timeout);
        self.pool.ask(client, course, move |vm, course| {
            query.run(vm, course, &bounds)
        })
    }

    /// Asks a query, and waits for its result on this thread.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn query_blocking(&self, query: Query) -> Result<QueryReceipt, QueryError> {
        self.query(query).wait()
    }

    /// A proof of some things at a commit: [`VM::prove`] in its turn.
    pub fn prove(
        &self,
        commit: impl Into<CommitRef>,
        items: Vec<ProofItem>,
        client: impl Into<Client>,
    ) -> QueryHandle<StateProof> {
        let max = self.settings().proof_items_max;
        if items.len() > max {
            let items = items.len();
            return QueryHandle::refused(QueryError::ProofItems { items, max });
        }
        let commit = commit.into();
        self.pool
            .ask(client.into(), self.course(None), move |vm, _| {
                Ok(vm.prove(commit, &items)?)
            })
    }

    /// A proof of a named value at a commit: [`VM::prove_value`] in its turn.
    pub fn prove_value(
        &self,
        commit: impl Into<CommitRef>,
        contract: ContractId,
        path: impl Into<ValuePath>,
        client: impl Into<Client>,
    ) -> QueryHandle<ValueProof> {
        let (commit, path) = (commit.into(), path.into());
        self.pool
            .ask(client.into(), self.course(None), move |vm, _| {
                Ok(vm.prove_value(commit, contract, path)?)
            })
    }

    /// What is known of a contract; `None` if there is none of this id.
    pub fn contract_metadata(
        &self,
        at: impl Into<At>,
        contract: ContractId,
        client: impl Into<Client>,
    ) -> QueryHandle<Option<ContractMetadata>> {
        let at = at.into();
        self.pool
            .ask(client.into(), self.course(None), move |vm, _| {
                let session = session(vm, &at, SessionData::builder())?;
                Ok(session.contract_metadata(&contract)?)
            })
    }

    /// Executes a block on the thread for blocks, and seals it: for the vote.
    ///
    /// A block that nobody commits is nothing that stays, so that the future can be dropped at any moment.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use crostata::serve::{BlockError, Service, ServiceSettings};
    /// # use crostata::{BlockContext, BlockSettings, Commit, ContractData, Transaction, VM, contract_bytecode};
    /// async fn execute(service: &Service, transactions: Vec<Transaction>) -> Result<Commit, BlockError> {
    ///     let settings = BlockSettings::new(BlockContext::new(1, 1_774_000_000_000), 1_000_000_000);
    ///     let block = service.execute_block(settings, transactions, [0; 32]).await?;
    ///     let vote = block.sealed.root();
    ///     // When it is decided:
    ///     let commit = service.commit(&block.sealed).await?;
    ///     service.finalize_commit(commit).await
    /// }
    /// ```
    pub fn execute_block(
        &self,
        settings: BlockSettings,
        transactions: Vec<Transaction>,
        tag: [u8; 32],
    ) -> BlockHandle<ExecutedBlock> {
        self.on_block_thread(move |vm| {
            let mut block = vm.block(settings)?;
            let filled = block.execute_all(&transactions)?;
            let sealed = block.seal(tag)?;
            Ok(ExecutedBlock { sealed, filled })
        })
    }

    /// Makes a sealed block durable, on the thread for blocks. To do so again is no error and no work.
    pub fn commit(&self, block: &SealedBlock) -> BlockHandle<Commit> {
        let block = block.clone();
        self.on_block_thread(move |_| Ok(block.commit()?))
    }

    /// [`VM::finalize_commit`] on the thread for blocks. To do so again is no error and no work.
    pub fn finalize_commit(&self, commit: impl Into<CommitRef>) -> BlockHandle<Commit> {
        let commit = commit.into();
        self.on_block_thread(move |vm| Ok(vm.finalize_commit(commit)?))
    }

    /// [`VM::delete_commit`] on the thread for blocks.
    pub fn delete_commit(&self, commit: impl Into<CommitRef>) -> BlockHandle<Commit> {
        let commit = commit.into();
        self.on_block_thread(move |vm| Ok(vm.delete_commit(commit)?))
    }

    /// [`VM::checkpoint`] on the thread for blocks.
    pub fn checkpoint(&self) -> BlockHandle<()> {
        self.on_block_thread(|vm| Ok(vm.checkpoint()?))
    }

    /// Has something done on the thread for blocks, after all that was asked for before: whatever else a node does with blocks.
    ///
    /// It never waits: when as much waits as may, it is [`BlockError::Full`].
    pub fn on_block_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&VM) -> Result<T, BlockError> + Send + 'static,
    ) -> BlockHandle<T> {
        self.blocks.ask(work)
    }

    /// How much work on blocks waits.
    pub fn blocks_waiting(&self) -> u64 {
        self.blocks.waiting()
    }

    /// Takes no more queries, tells those that wait ([`QueryError::ShutDown`]), lets those that run go on for at most `grace`, and then
    /// ends them. Work on a block that was begun is done to its end, however long that takes; what waits never begins
    /// ([`BlockError::ShutDown`]). Returns when all threads have ended, or at once
    /// when it was called before.
    ///
    /// What runs ends within about a tick of its end of grace, host queries that do not return excepted: those are waited for.
    pub fn shutdown(&self, grace: Duration) {
        self.blocks.close();
        self.pool.close();
        self.pool.settle(grace);
        let threads = std::mem::take(&mut *self.lock_threads());
        let own = thread::current().id();
        for thread in threads {
            // Dropped by a query of its own, it can not wait for that.
            if thread.thread().id() != own {
                // A worker that panicked has ended, too.
                let _ = thread.join();
            }
        }
    }

    fn course(&self, timeout: Option<Duration>) -> Course {
        Course::new(self.settings(), timeout, self.queries.clone())
    }

    fn spawn(
        &self,
        name: String,
        work: impl FnOnce(&Pool) + Send + 'static,
    ) -> Result<(), StartError> {
        let pool = self.pool.clone();
        let builder = thread::Builder::new()
            .name(name)
            .stack_size(WORKER_STACK_BYTES);
        let spawned = builder.spawn(move || work(&pool));
        self.lock_threads()
            .push(spawned.map_err(StartError::Thread)?);
        Ok(())
    }

    fn lock_threads(&self) -> std::sync::MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.shutdown(Duration::ZERO);
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("vm", self.vm())
            .field("settings", self.settings())
            .finish_non_exhaustive()
    }
}
