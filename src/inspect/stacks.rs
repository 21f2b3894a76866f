//! Profiles as trees of names: what pictures and tables of stacks are drawn of.
//!
//! A function that calls itself stands there once, and what lies deeper than [`DEPTH_MAX`], or is too little to be seen, is added to what called it. All gas
//! stays in the tree.

use std::collections::HashMap;

use crostata_abi::ContractId;
use crostata_proof::CodeHash;

use super::known::Known;
use super::safe;
use crate::engine::{Profile, ProfileGas, ProfileSite};

/// Names on top of each other.
const DEPTH_MAX: usize = 120;

/// Characters of a name.
const NAME_MAX: usize = 160;

/// A tree of names with gas. The first node is the root, which has no name.
#[derive(Debug, Clone)]
pub struct Stacks {
    nodes: Vec<Node>,
}

/// A name on others.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it is called.
    pub name: String,
    /// The contract whose frame it stands in.
    pub contract: Option<ContractId>,
    /// What it stands on.
    pub caller: usize,
    /// Names below it: 0 for the root.
    pub depth: usize,
    /// How often it was called.
    pub calls: u64,
    /// What it spent itself.
    pub gas: ProfileGas,
    /// What it gave up in traps.
    pub given_up_gas: u64,
    /// What it and all that stands on it spent.
    pub total_gas: u64,
}

impl Node {
    fn own_gas(&self) -> u64 {
        self.gas.total().saturating_add(self.given_up_gas)
    }
}

impl Stacks {
    /// The tree of a profile.
    pub fn new(profile: &Profile, known: &Known) -> Self {
        let mut builder = Builder {
            profile,
            known,
            nodes: vec![root()],
            places: vec![0; profile.stacks.len()],
            found: HashMap::new(),
        };
        for stack in 0..profile.stacks.len() {
            builder.add(stack);
        }
        for piece in &profile.pieces {
            builder.spend(piece.stack, &piece.gas);
        }
        let mut stacks = Self {
            nodes: builder.nodes,
        };
        stacks.sum();
        stacks
    }

    /// The nodes: callers before those that they call.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// What all spent.
    pub fn total_gas(&self) -> u64 {
        self.nodes[0].total_gas
    }

    fn sum(&mut self) {
        for node in &mut self.nodes {
            node.total_gas = node.own_gas();
        }
        for at in (1..self.nodes.len()).rev() {
            let (caller, gas) = (self.nodes[at].caller, self.nodes[at].total_gas);
            let total = &mut self.nodes[caller].total_gas;
            *total = total.saturating_add(gas);
        }
    }

    /// The tree without nodes that spent less than this, all together: what they spent is their callers'.
    #[must_use]
    pub fn without_less_than(self, gas: u64) -> Self {
        let (mut kept, mut places) = (Vec::new(), vec![0; self.nodes.len()]);
        for (at, node) in self.nodes.into_iter().enumerate() {
            if at > 0 && node.total_gas < gas {
                let place = places[node.caller];
                places[at] = place;
                merge(&mut kept[place], &node);
                continue;
            }
            places[at] = kept.len();
            let caller = places[node.caller];
            kept.push(Node { caller, ..node });
        }
        let mut stacks = Self { nodes: kept };
        stacks.sum();
        stacks
    }
}

/// The gas of a node that goes is another's.
fn merge(node: &mut Node, gone: &Node) {
    add(&mut node.gas, &gone.gas);
    node.given_up_gas = node.given_up_gas.saturating_add(gone.given_up_gas);
}

fn add(sum: &mut ProfileGas, gas: &ProfileGas) {
    sum.instructions = sum.instructions.saturating_add(gas.instructions);
    sum.host = sum.host.saturating_add(gas.host);
    sum.memory = sum.memory.saturating_add(gas.memory);
}

fn root() -> Node {
    Node {
        name: String::new(),
        contract: None,
        caller: 0,
        depth: 0,
        calls: 0,
        gas: ProfileGas::default(),
        given_up_gas: 0,
        total_gas: 0,
    }
}

struct Builder<'a> {
    profile: &'a Profile,
    known: &'a Known,
    nodes: Vec<Node>,
    /// The nodes of the profile's stacks.
    places: Vec<usize>,
    found: HashMap<(usize, String), usize>,
}

impl Builder<'_> {
    fn add(&mut self, stack: usize) {
        let site = &self.profile.stacks[stack];
        // A profile of somebody else's making may name what comes later.
        let caller = site.caller.filter(|caller| *caller < stack);
        let caller = caller.map_or(0, |caller| self.places[caller]);
        let (name, contract) = self.name(stack);
        let node = &self.nodes[caller];
        let place = match node.name == name || node.depth >= DEPTH_MAX {
            true => caller,
            false => self.node(caller, name, contract),
        };
        self.places[stack] = place;
        let node = &mut self.nodes[place];
        node.calls = node.calls.saturating_add(site.calls);
        node.given_up_gas = node.given_up_gas.saturating_add(site.given_up_gas);
    }

    fn node(&mut self, caller: usize, name: String, contract: Option<ContractId>) -> usize {
        let depth = self.nodes[caller].depth + 1;
        let next = self.nodes.len();
        let place = *self.found.entry((caller, name.clone())).or_insert(next);
        if place == next {
            self.nodes.push(Node {
                name,
                contract,
                caller,
                depth,
                ..root()
            });
        }
        place
    }

    fn spend(&mut self, stack: usize, gas: &ProfileGas) {
        if let Some(place) = self.places.get(stack) {
            add(&mut self.nodes[*place].gas, gas);
        }
    }

    fn name(&self, stack: usize) -> (String, Option<ContractId>) {
        let frame = self.profile.frame_of(stack).map(|frame| &frame.site);
        let (contract, code) = match frame {
            Some(ProfileSite::Frame { contract, code, .. }) => (Some(*contract), *code),
            _ => (None, None),
        };
        let name = match &self.profile.stacks[stack].site {
            ProfileSite::Frame {
                contract, function, ..
            } => format!("{}::{function}", self.known.name(contract)),
            ProfileSite::Function(index) => function_name(self.known, code, *index),
            ProfileSite::Other => "other stacks".to_owned(),
        };
        (safe::cut(&name, NAME_MAX), contract)
    }
}

/// What a function of some code is called.
pub fn function_name(known: &Known, code: Option<CodeHash>, index: u32) -> String {
    let debug = code.and_then(|code| known.debug(&code));
    let name = debug.and_then(|debug| debug.function(index));
    name.map_or_else(|| format!("function {index}"), str::to_owned)
}
