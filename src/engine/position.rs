//! Places in deployed code where functions on the stack of a failed frame were.
//!
//! Only engines that keep address maps know them ([`Aids::located`](super::Aids)): they are for authors. What is compiled is the
//! rewritten module; the map back to the deployed one is made when a module's first failure asks for it.

use crostata_abi::ContractId;
use crostata_proof::CodeHash;
use wasmtime::{FrameInfo, StoreContextMut, WasmBacktrace};

use super::backend::Module;
use super::code::OffsetMap;
use super::contracts::Place;
use super::host::Host;
use super::state::State;

/// A place in the code of a contract, as it was deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodePosition {
    /// The contract whose function it was.
    pub contract: ContractId,
    /// Hash of its code.
    pub code: CodeHash,
    /// The function, by its index in the deployed module, imports included.
    pub function_index: u32,
    /// The operator, in bytes from the start of the deployed module.
    pub offset: u64,
}

/// The places of the functions on the stack, innermost first: those of the failed frame and of the frames below it. Empty
/// if the engine keeps no address maps.
pub fn positions<H: Host>(
    store: &mut StoreContextMut<'_, State<H>>,
    trace: &WasmBacktrace,
) -> Vec<CodePosition> {
    let state = store.data();
    let mut walk = Walk {
        frames: state.frames.iter().rev().map(|frame| frame.place).collect(),
        at: 0,
        is_first: true,
    };
    let frames = trace.frames().iter();
    frames
        .filter_map(|frame| walk.position(state, frame))
        .collect()
}

/// The frames of contracts, from the innermost on, beside the functions of a backtrace.
struct Walk {
    frames: Vec<Place>,
    at: usize,
    is_first: bool,
}

impl Walk {
    fn position<H: Host>(&mut self, state: &State<H>, frame: &FrameInfo) -> Option<CodePosition> {
        let module_offset = frame.module_offset()? as u64;
        let is_of = |place: &&Place| {
            let module = &state.contracts[**place].module;
            wasmtime::Module::same(module.compiled(), frame.module())
        };
        // The caller of an import that runs another contract is the innermost function of the next frame.
        let place = *self.frames[self.at..].iter().find(is_of)?;
        let map = map_of(state, place)?;
        let found = map.find(module_offset)?;
        if found.calls_import && !self.is_first && self.frames.get(self.at) == Some(&place) {
            self.at += 1;
        }
        let at = self.frames[self.at..]
            .iter()
            .position(|place| is_of(&place))?;
        self.at += at;
        self.is_first = false;
        let contract = state.contracts[self.frames[self.at]].contract;
        Some(CodePosition {
            contract,
            code: state.host.code_hash(&contract)?,
            function_index: found.function_index,
            offset: found.original,
        })
    }
}

/// The map of a module, made once. None if the code can not be had.
fn map_of<H: Host>(state: &State<H>, place: Place) -> Option<&OffsetMap> {
    let resident = &state.contracts[place];
    let module: &Module<H> = &resident.module;
    let map = module.offsets.get_or_init(|| {
        let code = state.host.code(&resident.contract)?;
        let limits = state.protocol.code.lifted();
        OffsetMap::of_code(&code, &limits, state.ledger.is_some()).ok()
    });
    map.as_ref()
}
