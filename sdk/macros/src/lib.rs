//! The `#[contract]` attribute of `crostata-sdk`, and the derives of its storage.
//!
//! The attribute leaves the `impl` block as it is and adds, for Wasm targets only, the state's static and one export per
//! public function. Shapes it can not export are compile errors at the place in question.
#![cfg_attr(not(test), deny(clippy::unwrap_used))]

mod expand;
mod method;
mod policy;
mod storage;

use proc_macro::TokenStream;
use syn::{DeriveInput, ItemImpl, parse_macro_input};

/// Makes a contract of an `impl` block.
///
/// * `pub const fn new() -> Self` is required: the state that a contract is deployed with.
/// * Every other `pub fn` is exported under its name. One argument is sent as its own archive, several as
///   that of their tuple, none as that of `()`. Arguments and results are owned values.
/// * `pub fn init`, if there, runs once, when the contract is deployed, and can not be called afterwards.
/// * Functions that are not `pub` (or only `pub(crate)`) are not exported.
/// * A function without `self` is exported too; it does not touch the state.
///
/// # Re-entry
/// A contract that calls another may be called by it in turn, while its own function is still running. Two
/// `&mut self` to one state must not exist, so the attribute says who may re-enter, and the VM enforces it:
///
/// | attribute | who may call the contract while it runs | receivers |
/// |---|---|---|
/// | `#[contract]`, `#[contract(reentry = "never")]` | nobody: such a call fails | `&self`, `&mut self` |
/// | `#[contract(reentry = "self")]` | the contract itself | `&self` only |
/// | `#[contract(reentry = "allowed")]` | anybody | `&self` only |
///
/// With `&self` only, state that changes is in `Cell` and `RefCell` fields. A `RefCell` that is
/// still borrowed when the contract is re-entered panics in the re-entering frame, and only there.
///
/// # Declared storage
/// `#[contract(storage)]` declares the fields of a struct that derives [`macro@Storage`]: their values can then be proven
/// by name. It adds an export, the address of the state, and the custom section `crostata.layout`.
#[proc_macro_attribute]
pub fn contract(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let attribute = parse_macro_input!(attribute as policy::Attribute);
    let item = parse_macro_input!(item as ItemImpl);
    expand::contract(attribute, item)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Declares the fields of a contract's state, or of a struct within it.
///
/// Each has a type that is `Declared`: a value of fixed size, a `Map`, `Set`, `Vector` or `Queue` of such, or a struct of these that derives `Storage` too.
/// `#[storage(skip)]` leaves a field out. `#[contract(storage)]` puts what is declared into the contract.
#[proc_macro_derive(Storage, attributes(storage))]
pub fn derive_storage(item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as DeriveInput);
    storage::declared(&item)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Makes a struct of values a value itself, for fields of the declared state, and for keys and values of maps.
///
/// Every field is `Stored`. As a key, it is ordered by its fields, as deriving `Ord` does.
#[proc_macro_derive(Stored, attributes(storage))]
pub fn derive_stored(item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as DeriveInput);
    storage::stored(&item)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
