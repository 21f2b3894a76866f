//! One function of the block: whether it is exported, how, and what makes that impossible.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{
    Attribute, Error, FnArg, Ident, ImplItemFn, Pat, Result, ReturnType, Signature, Type,
    Visibility,
};

use crate::lesson::lesson;
use crate::output::{Access, Marks, Output};
use crate::policy::Reentry;
use crate::tokens::without_self;

/// How a function gets at the state.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Receiver {
    None,
    Shared,
    Exclusive,
}

/// A function to export.
pub struct Method {
    pub name: Ident,
    /// Its `cfg` attributes.
    pub conditions: Vec<Attribute>,
    /// Its documentation.
    pub docs: Vec<Attribute>,
    pub receiver: Receiver,
    pub arguments: Vec<Argument>,
    pub output: Output,
    pub access: Option<Access>,
}

/// An argument of an exported function.
pub struct Argument {
    pub name: Ident,
    pub value_type: TokenStream,
}

impl Method {
    /// The export that `function` asks for; `None` if it is not public.
    pub fn exported(
        function: &ImplItemFn,
        contract: &Type,
        reentry: Reentry,
    ) -> Result<Option<Self>> {
        let marks = Marks::of(function)?;
        if !matches!(function.vis, Visibility::Public(_)) {
            marks.refuse_any()?;
            return Ok(None);
        }
        let signature = &function.sig;
        refuse_modifiers(signature)?;
        refuse_reserved_names(&signature.ident)?;
        refuse_borrowed_result(&signature.output)?;
        let receiver = receiver(signature, reentry)?;
        marks.refuse_contradiction(receiver == Receiver::Exclusive)?;
        Ok(Some(Self {
            name: signature.ident.clone(),
            conditions: attributes(function, "cfg"),
            docs: attributes(function, "doc"),
            receiver,
            arguments: arguments(signature, contract)?,
            output: Output::of(signature, contract, marks.returned)?,
            access: marks.access,
        }))
    }

    /// The name of the export.
    pub fn text(&self) -> String {
        self.name.unraw().to_string()
    }

    /// The code of the export, for a contract of type `contract`.
    pub fn export(&self, contract: &Type) -> TokenStream {
        let Self {
            name, conditions, ..
        } = self;
        let text = self.text();
        let symbol = format_ident!("export_{}", name.unraw());
        let names: Vec<_> = (0..self.arguments.len())
            .map(|index| format_ident!("argument_{index}"))
            .collect();
        let (pattern, argument) = self.argument(&names);
        let state = self.state();
        let settled = self.settled();
        quote! {
            #(#conditions)*
            #[unsafe(export_name = #text)]
            extern "C" fn #symbol(len: u32) -> u32 {
                let #pattern: #argument = ::crostata_sdk::generated::argument(len, #text);
                let result = <#contract>::#name(#state #(#names),*);
                #settled
                ::crostata_sdk::generated::result(&result, #text)
            }
        }
    }

    /// Ends the call where the method's result is an error.
    fn settled(&self) -> Option<TokenStream> {
        let span = self.output.raised()?;
        Some(quote_spanned!(span=> let result = ::crostata_sdk::generated::settled(result);))
    }

    /// The pattern and type of what is decoded: nothing, the argument, or the tuple of them.
    fn argument(&self, names: &[Ident]) -> (TokenStream, TokenStream) {
        let types: Vec<_> = self.types().collect();
        match (names, types.as_slice()) {
            ([name], [argument]) => (quote!(#name), quote!(#argument)),
            _ => (quote!((#(#names),*)), quote!((#(#types),*))),
        }
    }

    /// The types of the arguments.
    pub fn types(&self) -> impl Iterator<Item = &TokenStream> {
        self.arguments.iter().map(|argument| &argument.value_type)
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

fn attributes(function: &ImplItemFn, name: &str) -> Vec<Attribute> {
    let found = function.attrs.iter();
    let found = found.filter(|attribute| attribute.path().is_ident(name));
    found.cloned().collect()
}

fn refuse_modifiers(signature: &Signature) -> Result<()> {
    let refused: [(Option<&dyn ToTokens>, _); 5] = [
        (
            signature.asyncness.as_ref().map(|token| token as _),
            "a contract's function can not be async: a call runs to its end, and nobody would poll it",
        ),
        (
            signature.unsafety.as_ref().map(|token| token as _),
            "a contract's function can not be unsafe: the world calls it, and promises nothing",
        ),
        (
            signature.abi.as_ref().map(|abi| abi as _),
            "a contract's function is not `extern`: the attribute makes the export, which decodes the arguments",
        ),
        (
            signature.variadic.as_ref().map(|token| token as _),
            "a contract's function can not be variadic: its arguments are decoded by their types",
        ),
        (
            is_generic(signature).then_some(&signature.ident as _),
            "a contract's function can not be generic: its arguments are decoded by types that are known when the contract is built",
        ),
    ];
    for (at, reason) in refused {
        if let Some(at) = at {
            return Err(lesson(at, reason, &plain(signature)));
        }
    }
    Ok(())
}

/// The function with nothing special about it.
pub fn plain(signature: &Signature) -> String {
    let (name, output) = (&signature.ident, &signature.output);
    let output = match output {
        ReturnType::Default => String::new(),
        ReturnType::Type(_, value) => format!(" -> {}", crate::tokens::text(&quote!(#value))),
    };
    let dots = if signature.inputs.len() > 1 {
        ", .."
    } else {
        ""
    };
    format!("pub fn {name}(&self{dots}){output}")
}

fn is_generic(signature: &Signature) -> bool {
    let generics = &signature.generics;
    !generics.params.is_empty() || generics.where_clause.is_some()
}

fn refuse_reserved_names(name: &Ident) -> Result<()> {
    let why = match name.to_string().as_str() {
        "A" | "memory" => "every contract exports it already",
        "at" | "over" | "with_gas" => {
            "its clients have a function of that name, with which they are made"
        }
        _ => return Ok(()),
    };
    let reason = format!("a contract's function can not be called `{name}`: {why}");
    Err(lesson(name, &reason, &format!("pub fn {name}_of(..)")))
}

fn refuse_borrowed_result(output: &ReturnType) -> Result<()> {
    match output {
        ReturnType::Type(_, result) => owned(
            result,
            "a contract's function returns an owned value: what it points to would stay behind",
            "Vec<u8>, String, or a struct under #[crostata_sdk::data]",
        ),
        ReturnType::Default => Ok(()),
    }
}

fn owned(checked: &Type, reason: &str, instead: &str) -> Result<()> {
    match checked {
        Type::Reference(_) | Type::Ptr(_) | Type::ImplTrait(_) => {
            Err(lesson(checked, reason, instead))
        }
        _ => Ok(()),
    }
}

fn receiver(signature: &Signature, reentry: Reentry) -> Result<Receiver> {
    let Some(receiver) = signature.receiver() else {
        return Ok(Receiver::None);
    };
    let name = &signature.ident;
    if receiver.reference.is_none() || receiver.colon_token.is_some() {
        return Err(lesson(
            receiver,
            "a contract's function takes `&self` or `&mut self`: the state stays in place between calls",
            &format!("pub fn {name}(&mut self)"),
        ));
    }
    match (receiver.mutability, reentry) {
        (None, _) => Ok(Receiver::Shared),
        (Some(_), Reentry::Never) => Ok(Receiver::Exclusive),
        (Some(_), _) => Err(lesson(
            receiver,
            "a contract that may be re-entered would hold `&mut self` twice: its functions take `&self`, and what \
             changes is in `Cell` or `RefCell` fields",
            &plain(signature),
        )),
    }
}

fn arguments(signature: &Signature, contract: &Type) -> Result<Vec<Argument>> {
    let typed = signature.inputs.iter().filter_map(|input| match input {
        FnArg::Receiver(_) => None,
        FnArg::Typed(typed) => Some(typed),
    });
    typed
        .map(|argument| {
            let name = argument_name(&argument.pat)?;
            owned(
                &argument.ty,
                "an argument is an owned value: it comes out of an archive, and nobody else keeps it",
                &format!("{name}: Vec<u8>, {name}: String, or a struct under #[crostata_sdk::data]"),
            )?;
            let value_type = without_self(&argument.ty, contract);
            Ok(Argument { name, value_type })
        })
        .collect()
}

fn argument_name(pattern: &Pat) -> Result<Ident> {
    match pattern {
        Pat::Ident(name) if name.by_ref.is_none() && name.subpat.is_none() => {
            Ok(name.ident.clone())
        }
        other => Err(lesson(
            other,
            "an argument has a plain name, by which people call it: the body takes it apart",
            "pair: (u8, u8)",
        )),
    }
}

/// Whether `function` is the constructor: `const fn new() -> Self`.
pub fn is_constructor(function: &ImplItemFn) -> Result<bool> {
    let signature = &function.sig;
    if signature.ident != "new" {
        return Ok(false);
    }
    let has_result = matches!(signature.output, ReturnType::Type(..));
    if signature.constness.is_none() || !signature.inputs.is_empty() || !has_result {
        return Err(no_constructor(
            &signature.ident,
            "`new` makes the state that a contract is deployed with, when it is built: it is `const` and takes nothing. What is only known \
             when it is deployed goes to `pub fn init`",
        ));
    }
    Ok(true)
}

/// The error that asks for a constructor.
pub fn no_constructor(at: impl ToTokens, reason: &str) -> Error {
    lesson(at, reason, "pub const fn new() -> Self { Self { .. } }")
}
