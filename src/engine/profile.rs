//! Profiles: where gas went, by the stacks of functions and the places in them, to the last unit.
//!
//! Raw data. Everything that is drawn of it is made elsewhere.

use crostata_abi::ContractId;
use crostata_proof::CodeHash;

/// Stacks that a profile tells apart. What runs on others is added up in one [`ProfileSite::Other`].
pub const PROFILE_STACKS_MAX: usize = 1 << 16;

/// Places of stacks that a profile tells apart. Others are added up in one piece for each stack, [`ProfilePiece::REST`].
pub const PROFILE_PIECES_MAX: usize = 1 << 18;

/// Where the gas of the calls of a session went.
///
/// The gas of all pieces, and what stacks gave up, is what the calls spent: exactly [`gas_spent`](Self::gas_spent).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// Top-level calls, constructors included.
    pub calls: u64,
    /// Gas that they spent, the sum of their receipts.
    pub gas_spent: u64,
    /// The stacks: each stands behind the one that it is in.
    pub stacks: Vec<ProfileStack>,
    /// The places in the stacks where something was spent, in order of stack and offset.
    pub pieces: Vec<ProfilePiece>,
    /// The pieces of code that ran, whatever the stack, in order of code and offset.
    pub reached: Vec<ReachedPiece>,
}

/// A stack: a function, called by what another stack is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileStack {
    /// The stack that called; `None` for what the host called.
    pub caller: Option<usize>,
    /// Who was called.
    pub site: ProfileSite,
    /// How often.
    pub calls: u64,
    /// Gas that was not spent on anything: a trap takes the whole limit of the frame of a contract.
    pub given_up_gas: u64,
}

/// What stands on a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProfileSite {
    /// The frame of a contract: an exported function was called by the host or by a contract.
    Frame {
        /// The contract.
        contract: ContractId,
        /// The hash of its code.
        code: Option<CodeHash>,
        /// The exported function.
        function: String,
    },
    /// A function of the contract whose frame it stands in, by its index in the deployed module, imports included.
    Function(u32),
    /// Any of the stacks for which there was no room.
    Other,
}

/// A straight line of code, in one stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProfilePiece {
    /// The stack.
    pub stack: usize,
    /// Where it begins, in bytes from the start of the deployed module. Zero for the frame of a contract itself: what is
    /// paid before its first instruction, and behind its last. [`REST`](Self::REST) for what there was no room for.
    pub offset: u32,
    /// How often it ran.
    pub count: u64,
    /// What it spent.
    pub gas: ProfileGas,
}

impl ProfilePiece {
    /// The offset of what there was no room for.
    pub const REST: u32 = u32::MAX;
}

/// What a piece of code spent gas for, without callees.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProfileGas {
    /// Instructions.
    pub instructions: u64,
    /// Work of imports, and bringing contracts into the call tree.
    pub host: u64,
    /// Pages touched, bulk operations, growth.
    pub memory: u64,
}

impl ProfileGas {
    /// The sum.
    pub fn total(&self) -> u64 {
        let parts = [self.host, self.memory];
        parts
            .into_iter()
            .fold(self.instructions, u64::saturating_add)
    }
}

/// A piece of code that ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReachedPiece {
    /// The hash of the code.
    pub code: CodeHash,
    /// Where it begins, in bytes from the start of the deployed module.
    pub offset: u32,
    /// How often it ran.
    pub count: u64,
}

impl Profile {
    /// The frame of a contract that a stack stands in; `None` in [`ProfileSite::Other`].
    pub fn frame_of(&self, stack: usize) -> Option<&ProfileStack> {
        let mut at = self.stacks.get(stack)?;
        loop {
            match at.site {
                ProfileSite::Frame { .. } => return Some(at),
                ProfileSite::Function(_) => at = self.stacks.get(at.caller?)?,
                ProfileSite::Other => return None,
            }
        }
    }

    /// What all pieces spent and all stacks gave up: [`gas_spent`](Self::gas_spent), unless a field was changed.
    pub fn total_gas(&self) -> u64 {
        let pieces = self.pieces.iter().map(|piece| piece.gas.total());
        let given_up = self.stacks.iter().map(|stack| stack.given_up_gas);
        pieces.chain(given_up).fold(0, u64::saturating_add)
    }
}
