//! Makes a case on which somebody disagrees smaller: calls and instructions go as long as the disagreement stays.

use wasm_encoder::Instruction as I;

use super::case::Case;
use super::module::Module;
use super::operators::{TYPES, constant};

/// Cases that are tried.
const TRIES_MAX: u32 = 6_000;

/// The smallest case found that still `disagrees`.
pub fn shrink(case: &Case, disagrees: impl Fn(&Case) -> bool) -> Case {
    let mut shrinking = Shrinking {
        best: case.clone(),
        disagrees,
        tries: 0,
    };
    shrinking.shrink_calls();
    loop {
        let before = shrinking.best.wasm.len();
        for chunk in [128, 32, 12, 5, 3, 2, 1] {
            shrinking.shrink_code(chunk);
        }
        if shrinking.best.wasm.len() == before || shrinking.tries >= TRIES_MAX {
            return shrinking.best;
        }
    }
}

struct Shrinking<F> {
    best: Case,
    disagrees: F,
    tries: u32,
}

impl<F: Fn(&Case) -> bool> Shrinking<F> {
    /// Keeps a case if it disagrees, too.
    fn offer(&mut self, case: Case) -> bool {
        self.tries += 1;
        let is_better = self.tries < TRIES_MAX && (self.disagrees)(&case);
        if is_better {
            self.best = case;
        }
        is_better
    }

    fn shrink_calls(&mut self) {
        for at in (0..self.best.calls.len()).rev() {
            let mut case = self.best.clone();
            case.calls.remove(at);
            self.offer(case);
        }
        for at in 0..self.best.calls.len() {
            let mut case = self.best.clone();
            case.calls[at].probed = false;
            self.offer(case);
        }
    }

    /// Takes out so many instructions at a time, or puts a constant in their place.
    fn shrink_code(&mut self, chunk: usize) {
        let functions = Module::parse(&self.best.wasm).functions.len();
        for function in 0..functions {
            let mut at = 0;
            while at + chunk
                < Module::parse(&self.best.wasm).functions[function]
                    .code
                    .len()
            {
                if !self.cut(function, at, chunk) {
                    at += chunk.div_ceil(2);
                }
            }
        }
    }

    fn cut(&mut self, function: usize, at: usize, chunk: usize) -> bool {
        let constants = TYPES.map(|ty| vec![constant(ty, 0)]);
        let instead = [vec![], vec![I::Drop], vec![I::Drop, I::Drop]];
        instead.into_iter().chain(constants).any(|instead| {
            if instead.len() >= chunk && chunk > 1 || self.tries >= TRIES_MAX {
                return false;
            }
            let best = self.best.clone();
            let mut module = Module::parse(&best.wasm);
            let code = &mut module.functions[function].code;
            if instead.first().is_some_and(|first| {
                chunk == 1 && format!("{first:?}") == format!("{:?}", code[at])
            }) {
                return false;
            }
            code.splice(at..at + chunk, instead.clone());
            let wasm = module.encode();
            // Cutting one instruction for two makes nothing smaller.
            if wasm.len() >= best.wasm.len() || wasmparser::validate(&wasm).is_err() {
                return false;
            }
            self.offer(Case {
                wasm,
                ..best.clone()
            })
        })
    }
}
