//! One function of the block: whether it is exported, how, and what makes that impossible.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, FnArg, Ident, ImplItemFn, Pat, Result, ReturnType, Signature, Type,
    Visibility,
};

use crate::policy::Reentry;

/// How a function gets at the state.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Receiver {
    None,
    Shared,
    Exclusive,
}

/// A function to export.
pub struct Method {
    name: Ident,
    conditions: Vec<Attribute>,
    receiver: Receiver,
    arguments: Vec<Type>,
}

impl Method {
    /// The export that `function` asks for; `None` if it is not public.
    pub fn exported(function: &ImplItemFn, reentry: Reentry) -> Result<Option<Self>> {
        if !matches!(function.vis, Visibility::Public(_)) {
            return Ok(None);
        }
        let signature = &function.sig;
        refuse_modifiers(signature)?;
        refuse_reserved_names(&signature.ident)?;
        refuse_borrowed_result(&signature.output)?;
        let conditions = function.attrs.iter();
        Ok(Some(Self {
            name: signature.ident.clone(),
            conditions: conditions
                .filter(|attribute| attribute.path().is_ident("cfg"))
                .cloned()
                .collect(),
            receiver: receiver(signature, reentry)?,
            arguments: arguments(signature)?,
        }))
    }

    /// The code of the export, for a contract of type `contract`.
    pub fn export(&self, contract: &Type) -> TokenStream {
        let Self {
            name, conditions, ..
        } = self;
        let text = name.unraw().to_string();
        let symbol = format_ident!("export_{}", name.unraw());
        let names: Vec<_> = (0..self.arguments.len())
            .map(|index| format_ident!("argument_{index}"))
            .collect();
        let (pattern, argument) = self.argument(&names);
        let state = self.state();
        quote! {
            #(#conditions)*
            #[unsafe(export_name = #text)]
            extern "C" fn #symbol(len: u32) -> u32 {
                let #pattern: #argument = ::crostata_sdk::generated::argument(len, #text);
                let result = <#contract>::#name(#state #(#names),*);
                ::crostata_sdk::generated::result(&result, #text)
            }
        }
    }

    /// The pattern and type of what is decoded: nothing, the argument, or the tuple of them.
    fn argument(&self, names: &[Ident]) -> (TokenStream, TokenStream) {
        let types = &self.arguments;
        match (names, types.as_slice()) {
            ([name], [argument]) => (quote!(#name), quote!(#argument)),
            _ => (quote!((#(#names),*)), quote!((#(#types),*))),
        }
    }

    fn state(&self) -> Option<TokenStream> {
        match self.receiver {
            Receiver::None => None,
            // SAFETY, in the generated code: a contract with `&mut self` functions is never re-entered, so this
            // frame's reference is the only one; without such functions there are shared ones only.
            Receiver::Shared => Some(quote!(unsafe { STATE.shared() },)),
            Receiver::Exclusive => Some(quote!(unsafe { STATE.exclusive() },)),
        }
    }
}

fn refuse_modifiers(signature: &Signature) -> Result<()> {
    let refused = [
        (
            signature.asyncness.map(|token| token.span()),
            "a contract function can not be async",
        ),
        (
            signature.unsafety.map(|token| token.span()),
            "a contract function can not be unsafe",
        ),
        (
            signature.abi.as_ref().map(Spanned::span),
            "the attribute makes the export: leave `extern` out",
        ),
        (
            signature.variadic.as_ref().map(Spanned::span),
            "a contract function can not be variadic",
        ),
        (
            generics(signature),
            "a contract function can not be generic",
        ),
    ];
    match refused
        .into_iter()
        .find_map(|(span, message)| span.map(|span| (span, message)))
    {
        Some((span, message)) => Err(Error::new(span, message)),
        None => Ok(()),
    }
}

fn generics(signature: &Signature) -> Option<proc_macro2::Span> {
    let generics = &signature.generics;
    let has_any = !generics.params.is_empty() || generics.where_clause.is_some();
    has_any.then(|| signature.ident.span())
}

fn refuse_reserved_names(name: &Ident) -> Result<()> {
    if name == "A" || name == "memory" {
        let message = format!("`{name}` is exported by every contract: choose another name");
        return Err(Error::new(name.span(), message));
    }
    Ok(())
}

fn refuse_borrowed_result(output: &ReturnType) -> Result<()> {
    match output {
        ReturnType::Type(_, result) => owned(result, "a contract function returns an owned value"),
        ReturnType::Default => Ok(()),
    }
}

fn owned(checked: &Type, message: &str) -> Result<()> {
    match checked {
        Type::Reference(_) | Type::Ptr(_) | Type::ImplTrait(_) => {
            Err(Error::new(checked.span(), message))
        }
        _ => Ok(()),
    }
}

fn receiver(signature: &Signature, reentry: Reentry) -> Result<Receiver> {
    let Some(receiver) = signature.receiver() else {
        return Ok(Receiver::None);
    };
    if receiver.reference.is_none() || receiver.colon_token.is_some() {
        let message = "a contract function takes `&self` or `&mut self`: the state stays in place";
        return Err(Error::new(receiver.span(), message));
    }
    match (receiver.mutability, reentry) {
        (None, _) => Ok(Receiver::Shared),
        (Some(_), Reentry::Never) => Ok(Receiver::Exclusive),
        (Some(_), _) => Err(Error::new(
            receiver.span(),
            "a contract that may be re-entered would hold `&mut self` twice: take `&self`, \
             and keep what changes in `Cell` or `RefCell` fields",
        )),
    }
}

fn arguments(signature: &Signature) -> Result<Vec<Type>> {
    let typed = signature.inputs.iter().filter_map(|input| match input {
        FnArg::Receiver(_) => None,
        FnArg::Typed(typed) => Some(typed),
    });
    typed
        .map(|argument| {
            match &*argument.pat {
                Pat::Ident(name) if name.by_ref.is_none() && name.subpat.is_none() => {}
                other => {
                    return Err(Error::new(
                        other.span(),
                        "an argument has a plain name: take it apart in the body",
                    ));
                }
            }
            owned(
                &argument.ty,
                "an argument is an owned value: it comes out of an archive",
            )?;
            Ok((*argument.ty).clone())
        })
        .collect()
}

/// Whether `function` is the constructor: `const fn new() -> Self`.
pub fn is_constructor(function: &ImplItemFn) -> Result<bool> {
    let signature = &function.sig;
    if signature.ident != "new" {
        return Ok(false);
    }
    let has_result = matches!(signature.output, ReturnType::Type(..));
    if signature.constness.is_none() || !signature.inputs.is_empty() || !has_result {
        return Err(Error::new(
            signature.ident.span(),
            "`new` makes the state a contract is deployed with: `pub const fn new() -> Self`",
        ));
    }
    Ok(true)
}
