//! The attributes of `crostata-sdk`, and the derives of its storage.
//!
//! `#[contract]` leaves the `impl` block as it is and adds a typed client and, for Wasm targets only, the state's static, the schema and one
//! export per public function. Shapes that can not be exported are compile errors at the place in question, which say what to write instead.
#![cfg_attr(not(test), deny(clippy::unwrap_used))]

mod client;
mod data;
mod expand;
mod lesson;
mod method;
mod output;
mod policy;
mod schema;
mod storage;
mod tokens;

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
/// # Errors of functions
/// A function that returns `Result<T, E>` with an [`error`](macro@error) `E` undoes everything that its call did when it returns `Err`, as a panic
/// would, and the caller gets the `E` as it was. `#[returned]` above the function makes the `Result` an ordinary value: nothing is undone.
///
/// # Clients
/// The contract `Token` has a client `TokenClient`: `TokenClient::at(id).transfer(to, 5)?` in another contract, and
/// `TokenClient::over(&mut session, id).transfer(to, 5)?` elsewhere. `TokenClient::init(..)` makes the argument of a deployment.
///
/// A crate that others use for its client is a library, too, and its exports must not become theirs. `#[contract(library)]` leaves them out where the
/// cargo feature `client` is on:
///
/// ```toml
/// [lib]                                   # in the manifest of `token`
/// crate-type = ["cdylib", "rlib"]
/// [features]
/// client = []
///
/// [dependencies]                          # in the manifest of who calls it
/// token = { path = "../token", features = ["client"] }
/// ```
///
/// Cargo joins the features of all packages that it builds at once, so contracts are built one by one, as `contracts/build` does. A module with the
/// exports of two contracts is rejected when it is deployed.
///
/// # Access
/// The schema says of each function whether it changes the state. One that takes `&self` does not, unless the struct has cells.
/// `#[read_only]` and `#[changes]` above a function say otherwise, for instance of one that only calls contracts that change. Nothing enforces it.
///
/// # Events
/// `#[contract(events(Transfer, Approval))]` lists the types under [`macro@event`] that the contract emits, for its schema.
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

/// Makes a struct or enum a value that contracts take and give: `rkyv`'s traits, `Clone`, `Debug`, `PartialEq`, and a description for the schema.
///
/// Traits that the type derives itself are left alone. It has no parameters, and owns what is in it.
///
/// Where a crate denies `missing_docs`, a public enum whose variants have named fields lies in a module that allows it: `rkyv`'s derive makes a type of it
/// that has no documentation.
#[proc_macro_attribute]
pub fn data(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as DeriveInput);
    let code = data::no_arguments(attribute.into(), "data").and_then(|()| data::data(&item));
    code.unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes a struct or enum an event: a value as under [`macro@data`], with a topic and `emit`.
///
/// The topic is the name of the type, or what `#[event(topic = "..")]` says. The contract lists its events: `#[contract(events(Transfer))]`.
#[proc_macro_attribute]
pub fn event(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let topic = parse_macro_input!(attribute as data::Topic);
    let item = parse_macro_input!(item as DeriveInput);
    data::event(topic, &item)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Makes an enum or struct an error that a contract's functions return: a value as under [`macro@data`], with a text for people.
///
/// The text of a variant is the first line of its documentation, or its name in words; it is what `Display` writes, and what who does not know the
/// type sees.
///
/// `#[from]` above a variant with one field makes `?` work on a failed call: the called contract's error becomes this variant. Failures that are no error of
/// that contract become the variant `#[from] Call(ContractError)`, or, where there is none, a panic with their text.
#[proc_macro_attribute]
pub fn error(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as DeriveInput);
    let code = data::no_arguments(attribute.into(), "error").and_then(|()| data::error(item));
    code.unwrap_or_else(syn::Error::into_compile_error).into()
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
