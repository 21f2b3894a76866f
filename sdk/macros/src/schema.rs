//! The contract's schema, as a constant that the compiler makes a section of.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Attribute, Expr, Lit, Meta, Path, Type};

use crate::method::{Method, Receiver};
use crate::output::{Access, Output};
use crate::policy::Reentry;
use crate::tokens;

/// Longest first line of documentation that goes into a schema.
const DOCS_BYTES_MAX: usize = 120;

/// The expression of the bytes of the section.
pub fn bytes(
    contract: &Type,
    name: &str,
    reentry: Reentry,
    methods: &[Method],
    events: &[Path],
) -> TokenStream {
    let reentry = reentry as u8;
    let methods = methods.iter().map(|one| method(contract, one));
    let events = events.iter().map(event);
    quote! {{
        #[allow(unused_imports)]
        use ::crostata_sdk::generated::Unknown as _;
        const CONTRACT: ::crostata_sdk::schema::Contract = ::crostata_sdk::schema::Contract {
            name: #name,
            reentry: #reentry,
            methods: &[#(#methods),*],
            events: &[#(#events),*],
        };
        const LEN: usize = ::crostata_sdk::schema::section_bytes(&CONTRACT);
        const BYTES: [u8; LEN] = ::crostata_sdk::schema::section(&CONTRACT);
        &BYTES
    }}
}

fn method(contract: &Type, method: &Method) -> TokenStream {
    let conditions = &method.conditions;
    let (name, docs) = (method.text(), first_line(&method.docs));
    let changes = changes(contract, method);
    let arguments = method.arguments.iter().map(|argument| {
        let name = argument.name.unraw().to_string();
        let value_type = value_type(&argument.value_type);
        quote!(::crostata_sdk::schema::Field { name: #name, value_type: #value_type })
    });
    let (result, error) = match &method.output {
        Output::Value(value, _) => (value_type(value), quote!(::core::option::Option::None)),
        Output::Raising(value, error, _) => {
            let error = value_type(error);
            (
                value_type(value),
                quote!(::core::option::Option::Some(#error)),
            )
        }
    };
    quote! {
        #(#conditions)*
        ::crostata_sdk::schema::Method {
            name: #name,
            docs: #docs,
            changes: #changes,
            arguments: &[#(#arguments),*],
            result: #result,
            error: #error,
        }
    }
}

fn changes(contract: &Type, method: &Method) -> TokenStream {
    match (method.access, method.receiver) {
        _ if method.name == "init" => quote!(true),
        (Some(access), _) => {
            let changes = access == Access::Changes;
            quote!(#changes)
        }
        (None, Receiver::None) => quote!(false),
        (None, Receiver::Exclusive) => quote!(true),
        (None, Receiver::Shared) => {
            quote!(::crostata_sdk::generated::Probe::<#contract>::HAS_CELLS)
        }
    }
}

fn event(event: &Path) -> TokenStream {
    let data = value_type(&quote!(#event));
    quote! {
        ::crostata_sdk::schema::Event {
            topic: <#event as ::crostata_sdk::Event>::TOPIC,
            data: #data,
        }
    }
}

/// A reference to a type in the schema, whatever the type is.
pub fn value_type(tokens: &TokenStream) -> TokenStream {
    let name = tokens::text(tokens);
    quote! {
        &const {
            ::crostata_sdk::generated::or_opaque(
                ::crostata_sdk::generated::Probe::<#tokens>::TYPE,
                #name,
                ::core::mem::size_of::<<#tokens as ::crostata_sdk::rkyv::Archive>::Archived>(),
            )
        }
    }
}

/// Stops a `Result` under another name, which would be returned where its author thinks that it undoes the call.
pub fn refuse_hidden_result(method: &Method, returned: bool) -> Option<TokenStream> {
    let Output::Value(value, span) = &method.output else {
        return None;
    };
    let conditions = &method.conditions;
    let message = "this type is a `Result` under another name. An `Err` of a method undoes its call: write `Result<..>` for that, or \
                   `#[returned]` above the method to return it as a value and undo nothing";
    (!returned).then(|| {
        quote_spanned! {*span=>
            #(#conditions)*
            const _: () = assert!(!::crostata_sdk::generated::Probe::<#value>::IS_RESULT, #message);
        }
    })
}

/// The first line of documentation, cut where it is long.
pub fn first_line(docs: &[Attribute]) -> String {
    let lines = docs.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) => match &pair.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(text.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    });
    let text = lines
        .map(|line| line.trim().to_owned())
        .find(|line| !line.is_empty());
    let mut text = text.unwrap_or_default();
    let end = (0..=DOCS_BYTES_MAX)
        .rev()
        .find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or_default());
    text
}
