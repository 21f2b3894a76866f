//! The book of a ledger: a profile as it is written, with what finds the place to write to.
//!
//! Stacks and places are counted: what contracts do can not fill the host's memory. Sums stay exact, whatever there is no room for.

use std::collections::{BTreeMap, HashMap};

use crostata_abi::ContractId;
use crostata_proof::CodeHash;

use super::profile::{
    PROFILE_PIECES_MAX, PROFILE_STACKS_MAX, Profile, ProfileGas, ProfilePiece, ProfileSite,
    ProfileStack, ReachedPiece,
};

/// A profile that is being written.
#[derive(Debug, Default)]
pub struct Book {
    calls: u64,
    gas_spent: u64,
    stacks: Vec<ProfileStack>,
    pieces: Vec<ProfilePiece>,
    /// The codes of the pieces.
    piece_codes: Vec<usize>,
    codes: Vec<Option<CodeHash>>,
    /// The stack of all for which there was no room.
    other: Option<usize>,
    frames: HashMap<FrameKey, usize>,
    /// Functions by the stack that calls.
    functions: HashMap<(usize, u32), usize>,
    /// Pieces by stack and offset.
    places: HashMap<(usize, u32), usize>,
    codes_known: HashMap<Option<CodeHash>, usize>,
    /// How often pieces ran for which there was no room, by code and offset.
    unplaced: HashMap<(usize, u32), u64>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct FrameKey {
    caller: Option<usize>,
    contract: ContractId,
    code: Option<CodeHash>,
    function: String,
}

impl Book {
    /// A top-level call ended.
    pub fn end(&mut self, spent_gas: u64) {
        self.calls += 1;
        self.gas_spent = self.gas_spent.saturating_add(spent_gas);
    }

    /// What a piece spent so far.
    pub fn gas_mut(&mut self, piece: usize) -> &mut ProfileGas {
        &mut self.pieces[piece].gas
    }

    /// A stack gives gas up.
    pub fn give_up(&mut self, stack: usize, gas: u64) {
        let given_up = &mut self.stacks[stack].given_up_gas;
        *given_up = given_up.saturating_add(gas);
    }

    /// The number of a code.
    pub fn code(&mut self, code: Option<CodeHash>) -> usize {
        let next = self.codes.len();
        let known = *self.codes_known.entry(code).or_insert(next);
        if known == next {
            self.codes.push(code);
        }
        known
    }

    /// The stack of a frame that is called once more.
    pub fn frame(
        &mut self,
        caller: Option<usize>,
        contract: ContractId,
        code: Option<CodeHash>,
        function: &str,
    ) -> usize {
        let key = FrameKey {
            caller,
            contract,
            code,
            function: function.to_owned(),
        };
        if let Some(stack) = self.frames.get(&key) {
            return self.again(*stack);
        }
        let site = ProfileSite::Frame {
            contract,
            code,
            function: function.to_owned(),
        };
        match self.new_stack(caller, site) {
            Some(stack) => {
                self.frames.insert(key, stack);
                stack
            }
            None => self.other(),
        }
    }

    /// The stack of a function that is called once more.
    pub fn function(&mut self, caller: usize, function: u32) -> usize {
        if let Some(stack) = self.functions.get(&(caller, function)) {
            return self.again(*stack);
        }
        match self.new_stack(Some(caller), ProfileSite::Function(function)) {
            Some(stack) => {
                self.functions.insert((caller, function), stack);
                stack
            }
            None => self.other(),
        }
    }

    fn again(&mut self, stack: usize) -> usize {
        self.stacks[stack].calls += 1;
        stack
    }

    fn new_stack(&mut self, caller: Option<usize>, site: ProfileSite) -> Option<usize> {
        let is_full = self.stacks.len() >= PROFILE_STACKS_MAX;
        // What the other stacks call is not told apart.
        if is_full || (caller.is_some() && caller == self.other) {
            return None;
        }
        Some(self.push(caller, site))
    }

    fn push(&mut self, caller: Option<usize>, site: ProfileSite) -> usize {
        self.stacks.push(ProfileStack {
            caller,
            site,
            calls: 1,
            given_up_gas: 0,
        });
        self.stacks.len() - 1
    }

    fn other(&mut self) -> usize {
        match self.other {
            Some(other) => self.again(other),
            None => {
                let other = self.push(None, ProfileSite::Other);
                self.other = Some(other);
                other
            }
        }
    }

    /// The piece at `offset`, which runs once more behind the piece `latest` of the same stack, if any did.
    pub fn piece(
        &mut self,
        latest: Option<usize>,
        stack: usize,
        code: usize,
        offset: u32,
    ) -> usize {
        // Short loops do not look it up.
        let found = latest.filter(|piece| self.pieces[*piece].offset == offset);
        let found = found.or_else(|| self.places.get(&(stack, offset)).copied());
        let is_full = self.pieces.len() >= PROFILE_PIECES_MAX || self.other == Some(stack);
        match found {
            Some(piece) => {
                self.pieces[piece].count += 1;
                piece
            }
            None if is_full && offset != ProfilePiece::REST => {
                *self.unplaced.entry((code, offset)).or_default() += 1;
                self.piece(latest, stack, code, ProfilePiece::REST)
            }
            None => self.new_piece(stack, code, offset),
        }
    }

    fn new_piece(&mut self, stack: usize, code: usize, offset: u32) -> usize {
        let piece = self.pieces.len();
        self.places.insert((stack, offset), piece);
        self.piece_codes.push(code);
        self.pieces.push(ProfilePiece {
            stack,
            offset,
            count: 1,
            gas: ProfileGas::default(),
        });
        piece
    }

    /// The profile, if there were calls.
    pub fn profile(mut self) -> Option<Profile> {
        if self.calls == 0 {
            return None;
        }
        let reached = self.reached();
        self.pieces
            .sort_unstable_by_key(|piece| (piece.stack, piece.offset));
        Some(Profile {
            calls: self.calls,
            gas_spent: self.gas_spent,
            stacks: self.stacks,
            pieces: self.pieces,
            reached,
        })
    }

    /// What ran, whatever the stack.
    fn reached(&self) -> Vec<ReachedPiece> {
        let placed = self.pieces.iter().zip(&self.piece_codes);
        let placed = placed.filter(|(piece, _)| self.is_code(piece));
        let placed = placed.map(|(piece, code)| ((*code, piece.offset), piece.count));
        let unplaced = self.unplaced.iter().map(|(place, count)| (*place, *count));
        let mut counts = BTreeMap::<(CodeHash, u32), u64>::new();
        for ((code, offset), count) in placed.chain(unplaced) {
            if let Some(code) = self.codes[code] {
                *counts.entry((code, offset)).or_default() += count;
            }
        }
        let reached = counts.into_iter();
        let reached = reached.map(|((code, offset), count)| ReachedPiece {
            code,
            offset,
            count,
        });
        reached.collect()
    }

    /// Whether a piece stands for code that ran, and not for a frame itself or for what there was no room for.
    fn is_code(&self, piece: &ProfilePiece) -> bool {
        let is_function = matches!(self.stacks[piece.stack].site, ProfileSite::Function(_));
        is_function && piece.offset != ProfilePiece::REST
    }
}
