//! The typed client of a contract.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{Ident, Type};

use crate::method::Method;
use crate::output::Output;

/// The name of a contract's struct.
pub fn contract_name(contract: &Type) -> Option<&Ident> {
    match contract {
        Type::Path(path) => path.path.segments.last().map(|last| &last.ident),
        _ => None,
    }
}

/// The name of a contract's client.
pub fn name(contract: &Ident) -> Ident {
    format_ident!("{contract}Client")
}

/// The client, whose constant `SCHEMA` is `schema`.
pub fn client(contract: &Ident, methods: &[Method], schema: &TokenStream) -> TokenStream {
    let name = name(contract);
    let calls = methods
        .iter()
        .filter(|method| method.name != "init")
        .map(call);
    let init = methods
        .iter()
        .find(|method| method.name == "init")
        .map(init);
    let doc = format!("Calls a deployed [`{contract}`].");
    quote! {
        #[doc = #doc]
        ///
        /// In a contract it is made by `at`, elsewhere by `over` something that can call contracts.
        #[derive(Debug, Clone, Copy)]
        #[allow(dead_code)]
        pub struct #name<C = ::crostata_sdk::client::Contracts> {
            contract: ::crostata_sdk::ContractId,
            channel: C,
        }

        #[allow(dead_code, private_interfaces, clippy::all)]
        impl #name {
            /// The schema of the contract: the content of its section `crostata.schema`.
            pub const SCHEMA: &'static [u8] = #schema;

            /// Calls the contract with this id, from another contract.
            pub const fn at(contract: ::crostata_sdk::ContractId) -> Self {
                Self { contract, channel: ::crostata_sdk::client::Contracts { limit_gas: 0 } }
            }

            /// The same, with at most so much gas for each call; zero means the default share of what remains.
            pub const fn with_gas(self, limit_gas: u64) -> Self {
                Self { contract: self.contract, channel: ::crostata_sdk::client::Contracts { limit_gas } }
            }

            #init
        }

        #[allow(dead_code)]
        impl<T: ::crostata_sdk::Transport> #name<::crostata_sdk::client::Outside<T>> {
            /// Calls the contract with this id, from outside.
            pub const fn over(transport: T, contract: ::crostata_sdk::ContractId) -> Self {
                Self { contract, channel: ::crostata_sdk::client::Outside(transport) }
            }
        }

        #[allow(dead_code, private_interfaces, clippy::all)]
        impl<C: ::crostata_sdk::client::Channel> #name<C> {
            #(#calls)*
        }
    }
}

fn call(method: &Method) -> TokenStream {
    let Method {
        name,
        conditions,
        docs,
        ..
    } = method;
    let text = method.text();
    let (names, types) = arguments(method);
    let argument = argument(&names);
    let never = quote!(::core::convert::Infallible);
    let (value, error) = match &method.output {
        Output::Value(value, _) => (value, &never),
        Output::Raising(value, error, _) => (value, error),
    };
    let docs = documented(docs, &text);
    // What is wrong with the types is told where they are.
    let span = Span::call_site().located_at(method.output.span());
    quote_spanned! {span=>
        #(#conditions)*
        #docs
        pub fn #name(&mut self, #(#names: #types),*) -> ::core::result::Result<#value, ::crostata_sdk::CallError<#error, C::Failure>> {
            ::crostata_sdk::client::Channel::call(&mut self.channel, self.contract, #text, &#argument)
        }
    }
}

fn documented(docs: &[syn::Attribute], text: &str) -> TokenStream {
    match docs {
        [] => {
            let line = format!("Calls `{text}`.");
            quote!(#[doc = #line])
        }
        docs => quote!(#(#docs)*),
    }
}

/// A function that makes the argument with which a contract is deployed.
fn init(method: &Method) -> TokenStream {
    let (conditions, docs) = (&method.conditions, &method.docs);
    let (names, types) = arguments(method);
    let argument = argument(&names);
    let value_type = match types.as_slice() {
        [only] => quote!(#only),
        all => quote!((#(#all),*)),
    };
    quote! {
        #(#conditions)*
        /// What `init` takes, for a deployment:
        ///
        #(#docs)*
        pub fn init(#(#names: #types),*) -> #value_type {
            #argument
        }
    }
}

fn arguments(method: &Method) -> (Vec<&Ident>, Vec<&TokenStream>) {
    let names = method.arguments.iter().map(|argument| &argument.name);
    (names.collect(), method.types().collect())
}

fn argument(names: &[&Ident]) -> TokenStream {
    match names {
        [only] => quote!(#only),
        all => quote!((#(#all),*)),
    }
}
