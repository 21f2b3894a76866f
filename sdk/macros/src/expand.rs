//! The whole block: what is added behind it.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Ident, ImplItem, ImplItemFn, ItemImpl, Path, Result, Type};

use crate::lesson::lesson;
use crate::method::{Method, is_constructor, no_constructor};
use crate::output::{Marks, is_mark};
use crate::policy::{Attribute, Reentry};
use crate::{client, schema};

/// The block followed by its client and its exports, or the error that says why there are none.
pub fn contract(attribute: Attribute, mut item: ItemImpl) -> Result<TokenStream> {
    let name = contract_name(&item)?.clone();
    let Attribute {
        reentry,
        storage,
        library,
        events,
    } = attribute;
    let (methods, hidden) = methods(&item, reentry)?;
    strip_marks(&mut item);
    let contract = &*item.self_ty;
    let bytes = schema::bytes(contract, &name.to_string(), reentry, &methods, &events);
    let client = client::client(&name, &methods, &bytes);
    let exports = methods.iter().map(|method| method.export(contract));
    let state = state(contract, storage);
    let policy = policy(reentry);
    let described = described(&name);
    let declaration = declaration(contract, storage);
    let listed = listed(&events);
    let condition = match library {
        false => quote!(target_family = "wasm"),
        true => quote!(all(target_family = "wasm", not(feature = "client"))),
    };
    Ok(quote! {
        // There is nothing to default: a contract is made once, when it is deployed.
        #[allow(clippy::new_without_default)]
        #item

        // A constructor of another type is an error in native builds too.
        const _: fn() -> #contract = <#contract>::new;

        #declaration
        #listed
        #client

        const _: () = {
            #[allow(unused_imports)]
            use ::crostata_sdk::generated::Unknown as _;
            #(#hidden)*
        };

        #[cfg(#condition)]
        #[allow(unsafe_code, clippy::let_unit_value, clippy::unit_arg, unused_parens)]
        const _: () = {
            #state
            #policy
            #described
            #(#exports)*
        };
    })
}

fn contract_name(item: &ItemImpl) -> Result<&Ident> {
    let instead = "impl Token { .. }";
    if let Some((_, path, _)) = &item.trait_ {
        let reason = "a contract is an `impl` block of a struct, not of a trait for it: its functions are what the block has";
        return Err(lesson(path, reason, instead));
    }
    if !item.generics.params.is_empty() {
        let reason = "a contract can not be generic: its state is one value, of one type";
        return Err(lesson(&item.generics, reason, instead));
    }
    client::contract_name(&item.self_ty).ok_or_else(|| {
        let reason = "a contract is a struct that has a name: its client is called after it";
        lesson(&item.self_ty, reason, instead)
    })
}

/// The functions to export, and what stops those that hide a `Result`.
fn methods(item: &ItemImpl, reentry: Reentry) -> Result<(Vec<Method>, Vec<TokenStream>)> {
    let contract = &*item.self_ty;
    let mut has_constructor = false;
    let (mut methods, mut hidden) = (Vec::new(), Vec::new());
    for function in functions(item) {
        if is_constructor(function)? {
            has_constructor = true;
        } else if let Some(method) = Method::exported(function, contract, reentry)? {
            let returned = Marks::of(function)?.returned;
            hidden.extend(schema::refuse_hidden_result(&method, returned));
            methods.push(method);
        }
    }
    if !has_constructor {
        let reason = "a contract needs `pub const fn new() -> Self`: the state that it is deployed with, which is made when it is built";
        return Err(no_constructor(contract, reason));
    }
    Ok((methods, hidden))
}

/// Takes away the attributes that the compiler does not know.
fn strip_marks(item: &mut ItemImpl) {
    for item in &mut item.items {
        if let ImplItem::Fn(function) = item {
            function.attrs.retain(|attribute| !is_mark(attribute));
        }
    }
}

fn listed(events: &[Path]) -> TokenStream {
    quote!(#(impl ::crostata_sdk::generated::Listed for #events {})*)
}

/// The custom section that says what the contract's functions take and give.
fn described(contract: &Ident) -> TokenStream {
    let client = client::name(contract);
    quote! {
        #[allow(dead_code)]
        #[unsafe(link_section = "crostata.schema")]
        static SCHEMA: [u8; <#client>::SCHEMA.len()] = ::crostata_sdk::generated::copied(<#client>::SCHEMA);
    }
}

fn functions(item: &ItemImpl) -> impl Iterator<Item = &ImplItemFn> {
    item.items.iter().filter_map(|item| match item {
        ImplItem::Fn(function) => Some(function),
        _ => None,
    })
}

fn state(contract: &Type, storage: bool) -> TokenStream {
    let (export, section) = match storage {
        false => (None, None),
        true => (
            Some(quote!(#[unsafe(export_name = "crostata_state")])),
            Some(section(contract)),
        ),
    };
    quote! {
        #export
        static STATE: ::crostata_sdk::generated::State<#contract> =
            ::crostata_sdk::generated::State::new(<#contract>::new());
        #section
    }
}

/// The custom section that says what is where in the state.
fn section(contract: &Type) -> TokenStream {
    quote! {
        const STATE_TYPE: ::crostata_sdk::generated::Type =
            <#contract as ::crostata_sdk::generated::Declared>::TYPE;
        #[allow(dead_code)]
        #[unsafe(link_section = "crostata.layout")]
        static LAYOUT: [u8; ::crostata_sdk::generated::section_bytes(&STATE_TYPE)] =
            ::crostata_sdk::generated::section(&STATE_TYPE);
    }
}

/// Stops builds, native ones too, in which attribute and derive do not agree.
fn declaration(contract: &Type, storage: bool) -> TokenStream {
    let message = match storage {
        true => "`#[contract(storage)]` wants a struct that derives `Storage`",
        false => {
            "the struct derives `Storage`, but its fields are not declared: write `#[contract(storage)]`"
        }
    };
    quote! {
        const _: () = {
            #[allow(unused_imports)]
            use ::crostata_sdk::generated::Undeclared as _;
            assert!(<#contract>::DECLARES_STORAGE == #storage, #message);
        };
    }
}

fn policy(reentry: Reentry) -> TokenStream {
    let byte = reentry as u8;
    quote! {
        #[allow(dead_code)]
        #[unsafe(link_section = "crostata.reentry")]
        static REENTRY: [u8; 1] = [#byte];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(attribute: &str, block: &str) -> Result<String> {
        let attribute = syn::parse_str(attribute)?;
        contract(attribute, syn::parse_str(block)?).map(|tokens| tokens.to_string())
    }

    fn error(reentry: &str, function: &str) -> String {
        let block = format!("impl C {{ pub const fn new() -> Self {{ C }} {function} }}");
        expand(reentry, &block).unwrap_err().to_string()
    }

    #[test]
    fn public_functions_are_exported_and_others_not() {
        let code = expand(
            "",
            "impl C { pub const fn new() -> Self { C } pub fn read(&self) -> i64 { 1 } \
             pub fn add(&mut self, a: i64, b: i64) {} fn hidden(&self) {} \
             pub(crate) fn within(&self) {} pub fn r#move(mut a: u8) -> u8 { a } }",
        )
        .unwrap();
        for name in ["read", "add", "move"] {
            assert!(
                code.contains(&format!("export_name = \"{name}\"")),
                "{name}"
            );
        }
        for name in ["new", "hidden", "within"] {
            assert!(
                !code.contains(&format!("export_name = \"{name}\"")),
                "{name}"
            );
        }
    }

    #[test]
    fn shapes_that_can_not_be_exported_are_named() {
        for (function, expected) in [
            ("pub fn f<T>(&self) {}", "generic"),
            ("pub async fn f(&self) {}", "async"),
            ("pub unsafe fn f(&self) {}", "unsafe"),
            ("pub extern \"C\" fn f(&self) {}", "extern"),
            ("pub fn f(&self, (a, b): (u8, u8)) {}", "plain name"),
            ("pub fn f(&self, a: &str) {}", "owned"),
            ("pub fn f(&self, a: impl Copy) {}", "owned"),
            ("pub fn f(&self) -> &u8 { &0 }", "owned"),
            ("pub fn f(self) {}", "`&self` or `&mut self`"),
            ("pub fn f(self: &Self) {}", "`&self` or `&mut self`"),
            ("pub fn memory(&self) {}", "exports it already"),
            ("pub fn at(&self) {}", "clients"),
            ("#[read_only] pub fn f(&mut self) {}", "takes `&self`"),
            ("#[read_only] #[changes] pub fn f(&self) {}", "either"),
            ("#[changes] fn f(&self) {}", "not `pub`"),
            ("#[returned] pub fn f(&self) {}", "returns no `Result`"),
            ("pub fn new(a: u8) -> Self { C }", "const fn new"),
        ] {
            let message = error("", function);
            assert!(message.contains(expected), "{function}: {message}");
        }
    }

    #[test]
    fn a_contract_needs_a_constructor_and_a_plain_block() {
        for (block, expected) in [
            ("impl C { pub fn f(&self) {} }", "needs `pub const fn new"),
            ("impl T for C {}", "not of a trait"),
            ("impl [u8] {}", "has a name"),
            ("impl<T> C<T> {}", "generic"),
        ] {
            let message = expand("", block).unwrap_err().to_string();
            assert!(message.contains(expected), "{block}: {message}");
        }
    }

    #[test]
    fn storage_is_declared_where_it_is_asked_for() {
        for (attribute, declared) in [("", false), ("storage", true)] {
            let code = expand(attribute, "impl C { pub const fn new() -> C { C } }").unwrap();
            assert_eq!(code.contains("\"crostata_state\""), declared);
            assert_eq!(code.contains("\"crostata.layout\""), declared);
        }
    }

    #[test]
    fn re_entry_and_exclusive_state_exclude_each_other() {
        for policy in ["reentry = \"self\"", "reentry = \"allowed\""] {
            assert!(error(policy, "pub fn f(&mut self) {}").contains("twice"));
        }
        let code = expand(
            "reentry = \"allowed\"",
            "impl C { pub const fn new() -> C { C } pub fn f(&self) {} }",
        )
        .unwrap();
        assert!(code.contains("[0u8]"), "{code}");
    }
}
