//! A deterministic WebAssembly contract VM with Merkle state, for blockchain nodes.
//!
//! A [`VM`] is a directory of commits. A [`Session`] starts from one of them, deploys contracts and calls them,
//! and can be committed: durably, under a root that binds every contract's id, code, owner, memory size and
//! memory. Calls are metered in gas; one that fails, at any depth, undoes exactly what it and its callees did.
//! Any page of any contract can be proven at a root with [`VM::prove`], and verified without a VM by
//! the crate `crostata-proof`.
//!
//! # Usage
//!
//! ```
//! use crostata::{contract_bytecode, ContractData, SessionData, VM};
//!
//! let mut vm = VM::ephemeral().unwrap();
//!
//! const OWNER: [u8; 32] = [0u8; 32];
//! const LIMIT: u64 = 1_000_000;
//!
//! let mut session = vm.session(SessionData::builder()).unwrap();
//! let counter_id = session
//!     .deploy(
//!         contract_bytecode!("counter"),
//!         ContractData::builder().owner(OWNER),
//!         LIMIT,
//!     )
//!     .unwrap();
//!
//! assert_eq!(session.call::<_, i64>(counter_id, "read_value", &(), LIMIT).unwrap().data, 0xfc);
//! session.call::<_, ()>(counter_id, "increment", &(), LIMIT).unwrap();
//! assert_eq!(session.call::<_, i64>(counter_id, "read_value", &(), LIMIT).unwrap().data, 0xfd);
//!
//! let commit_root = session.commit().unwrap();
//! assert_eq!(commit_root, vm.commits()[0]);
//! ```
//!
//! What `init` returned and cost is in the [`DeployReceipt`] of [`Session::deploy_with_receipt`].
//!
//! # Threads
//!
//! Any number of sessions run over one VM, on any threads, and never see each other's writes.
//!
//! ```
//! use crostata::{Session, VM};
//!
//! fn assert_send<T: Send>() {}
//!
//! // Both VM and Session are `Send`
//! assert_send::<VM>();
//! assert_send::<Session>();
//! ```
//!
//! # Blocks
//!
//! [`VM::block`] executes [`Transaction`]s until the block's gas is full, with what [`BlockContext`] says of the block; sealed, it has the roots to
//! vote for ([`SealedBlock`]), and is committed or dropped later.
//!
//! # Witnesses
//!
//! What a session did can be shown to who has no database: a session opened with [`SessionDataBuilder::recording`] gives a
//! [`Witness`], and a [`Verifier`] that knows the root before runs it again, to the root after and every receipt.
//!
//! # Errors
//!
//! Session operations fail in one of three classes: [`Error::Reverted`] is the contract's doing, deterministic,
//! paid for, with a receipt; [`Error::Rejected`] can not be in a block, and nothing ran; [`Error::Fatal`] is the host's
//! or the disk's: the result is unknown, stop. Sessions that were asked for with a deadline, which are queries and never
//! committed, can end in [`Error::Timeout`] besides. The class and the codes inside decide, never a text.
//!
//! # Backends
//!
//! | feature | contracts run as |
//! |---|---|
//! | `native` | machine code |
//! | `portable` | bytecode, interpreted, on any machine |
//!
//! Both are built unless told otherwise, one is enough, and each VM is opened with one of them
//! ([`Config::backend`]). Roots, gas, events and outcomes do not depend on it.
//!
//! # Gas
//!
//! One gas is about one simple WebAssembly instruction. The prices are the [`Schedule`] and [`OperatorPrices`] of the
//! [`Protocol`], whose [`Fingerprint`] a chain agrees on.
#![cfg_attr(not(test), deny(clippy::unwrap_used))]
#![deny(unsafe_code)]

#[cfg(not(any(feature = "native", feature = "portable")))]
compile_error!(
    "crostata has no backend to run contracts on: enable the feature `native`, `portable`, or both"
);

mod block;
mod engine;
#[cfg(feature = "inspect")]
pub mod inspect;
mod memory;
mod observe;
#[cfg(any(feature = "settings", feature = "telemetry"))]
pub mod operate;
#[cfg(test)]
#[path = "../tests/common/random.rs"]
mod random;
mod region;
#[cfg(feature = "serve")]
pub mod serve;
mod session;
mod state;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod vm;

pub use block::{
    Action, Block, BlockSettings, CAPSULE_VERSION, Capsule, CapsuleDecodeError, Executed,
    Execution, Filled, Included, Missing, NoWitness, NothingHeard, OpenBlockError, Publisher,
    ReplayError, SealedBlock, Sink, StepReceipt, Subscription, Transaction, TransactionOutcome,
    TransactionReceipt, Undo, UndoError, VerifiedCalls, Verifier, WITNESS_VERSION, WhenFull,
    Witness, WitnessContext, WitnessDecodeError, WitnessError, subscription,
};
pub use crostata_abi::client::{CallError, Transport};
pub use crostata_abi::typed::{CodecError, Decode, Encode};
pub use crostata_abi::{
    ARGBUF_LEN, ArchivedContractError, ArchivedContractId, ArchivedEvent, CONTRACT_ID_BYTES,
    ContractError, ContractErrorResolver, ContractId, ContractIdResolver, Event, EventResolver,
    Gas, PAGE_BYTES, PageIndex, SCRATCH_BUF_BYTES, StandardBufSerializer, WASM_PAGE_BYTES, rkyv,
};
pub use crostata_proof::hash::code_hash;
pub use crostata_proof::receipt::{Outcome, ReceiptDigest};
pub use crostata_proof::{
    CodeHash, CommitId, ContextDigest, ContractRecord, ReceiptOpening, ReceiptsRoot, Root,
    StateProof, Value, ValueLookupError, ValuePath, ValueProof, VerifyError, WordSize,
};
#[cfg(feature = "libraries")]
pub use engine::LibraryError;
pub use engine::code::{ByteRange, CodeLimits, Effort, Reentry, Rejection, Reserved};
pub use engine::{
    AllowList, AllowListError, ArtifactConfig, ArtifactCounters, ArtifactDirectory, Backend,
    BlockContext, BlockContextError, CallLimits, CodePosition, CompileError, CompileWork,
    EngineError, ErrorKind, Failure, Fault, Fingerprint, FrameStart, GasSplit, Heights, HostQuery,
    Inspection, Libraries, LibraryRules, OperatorPrices, PROFILE_PIECES_MAX, PROFILE_STACKS_MAX,
    PriceTooHigh, Profile, ProfileGas, ProfilePiece, ProfileSite, ProfileStack, Protocol,
    ProtocolTextError, QueryContext, QueryError, ReachedPiece, Refusal, Schedule,
};
#[cfg(feature = "measure")]
#[doc(hidden)]
pub use engine::{
    Compiler,
    code::{Checking, prepare_measured},
};
pub use memory::{Access, ImageCounters, MemoryError, PageSourceError};
pub use observe::{Observed, Observer, Observing, Work};
pub use session::{
    Answer, Asked, Base, CallHook, CallReceipt, CallStep, CallTrace, CallTree, CallTreeElem, Calls,
    CodeNotAllowed, ContractData, ContractDataBuilder, ContractMetadata, DatumError, DebugSink,
    DeployReceipt, DeployStep, Error, Estimate, Fatal, Feeder, HeightsTaken, HostQueries,
    PageAccesses, PricedQuery, Query, Rejected, Reply, Reverted, Savepoint, Sealed, Session,
    SessionCounters, SessionData, SessionDataBuilder, Step, TRACE_BYTES_MAX, TRACE_PAGES_MAX,
    TRACE_STEPS_MAX, TraceStep, TracedBytes, TracedFrame, TracedPages, Undecodable, Unrecordable,
};
pub use state::{
    CheckpointError, ChunkError, CodeSource, Commit, CommitCounters, CommitError, CommitRef,
    ContractDiff, Cursor, Diff, ExportError, ExportedChunk, Finding, HeaderError, ImportError,
    LogConfig, LookupError, NodeError, NotWitnessed, OpenStateError, OpeningError, Problem,
    ProofItem, ReadPageError, StateError, TransferHeader, VerifyProgress, VerifyReport,
};
pub use vm::{
    BinariesConfig, BinariesProgress, BinaryError, Config, Contracts, Counters, Export, Import,
    MemoryUse, OpenVmError, ProofError, ProveValueError, RecompileError, SessionError, Told, VM,
    WarmUp, WarmUpError, WarmUpReport, Warmed,
};

/// The bytecode of a contract built into `contracts/artifacts` of the crate that uses the macro.
///
/// `contract_bytecode!("counter")` is the content of `contracts/artifacts/counter.wasm`, as a `&'static [u8; N]`.
#[macro_export]
macro_rules! contract_bytecode {
    ($name:literal) => {
        include_bytes!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/contracts/artifacts/",
            $name,
            ".wasm"
        ))
    };
}

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// So do those of the page for authors of tests.
#[cfg(all(doctest, feature = "testing"))]
#[doc = include_str!("../docs/writing-tests.md")]
struct WritingTests;

/// So do those of the page about queries.
#[cfg(all(doctest, feature = "serve"))]
#[doc = include_str!("../docs/queries.md")]
struct Queries;

/// So do those of the page about blocks.
#[cfg(doctest)]
#[doc = include_str!("../docs/blocks.md")]
struct Blocks;

/// So do those of the market's page.
#[cfg(doctest)]
#[doc = include_str!("../docs/amm.md")]
struct Market;
