//! Tokens of types, for use outside of the block that they stand in.

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::Type;

/// A type with `Self` written out.
pub fn without_self(value_type: &Type, contract: &Type) -> TokenStream {
    replaced(value_type.to_token_stream(), &quote!(<#contract>))
}

fn replaced(tokens: TokenStream, contract: &TokenStream) -> TokenStream {
    let replace = |token| match token {
        TokenTree::Ident(name) if name == "Self" => contract.clone(),
        TokenTree::Group(group) => {
            let content = replaced(group.stream(), contract);
            let mut with = Group::new(group.delimiter(), content);
            with.set_span(group.span());
            TokenTree::Group(with).into()
        }
        other => other.into(),
    };
    tokens.into_iter().flat_map(replace).collect()
}

/// A type as people write it, without the spaces between tokens.
pub fn text(tokens: &TokenStream) -> String {
    let text = tokens.to_string().replace(' ', "");
    text.replace(',', ", ").replace(';', "; ")
}
