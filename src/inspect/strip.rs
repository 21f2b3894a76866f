//! What is deployed of a module, and what stays with the author.

use crostata_proof::{CodeHash, hash};
use crostata_schema::NotWasm;

/// A module, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stripped {
    /// What is deployed.
    pub code: Vec<u8>,
    /// The side file: the module as it was, from which what is deployed can be made again.
    pub debug: Vec<u8>,
}

impl Stripped {
    /// The hash of what is deployed.
    pub fn code_hash(&self) -> CodeHash {
        hash::code_hash(&self.code)
    }

    /// The name of the side file: the hash of what is deployed, `.debug.wasm`.
    pub fn file_name(&self) -> String {
        file_name(&self.code_hash())
    }
}

/// The name of the side file of a code.
pub(super) fn file_name(code: &CodeHash) -> String {
    format!("{code}.debug.wasm")
}

/// Takes names and debug information out of a module.
///
/// ```
/// let module = b"\0asm\x01\0\0\0\x00\x05\x04name";
/// assert_eq!(crostata::inspect::strip(module)?.code, b"\0asm\x01\0\0\0");
/// # Ok::<(), crostata::inspect::NotWasm>(())
/// ```
///
/// # Errors
/// [`NotWasm`] for bytes whose sections can not be told apart. What is in the sections is not looked at.
pub fn strip(wasm: &[u8]) -> Result<Stripped, NotWasm> {
    Ok(Stripped {
        code: crostata_schema::strip(wasm)?,
        debug: wasm.to_vec(),
    })
}
