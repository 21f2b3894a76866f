//! What a function gives: a value, or a `Result` whose error undoes the call; and the marks that say otherwise.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{
    Attribute, GenericArgument, ImplItemFn, Path, PathArguments, Result, ReturnType, Signature,
    Type,
};

use crate::lesson::lesson;
use crate::method::plain;
use crate::tokens::without_self;

/// What a function gives.
pub enum Output {
    /// This value.
    Value(TokenStream, Span),
    /// This value, or this error, which undoes the call.
    Raising(TokenStream, TokenStream, Span),
}

/// What an author says of access to the state.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Access {
    ReadOnly,
    Changes,
}

/// The attributes of a function that are ours.
pub struct Marks<'a> {
    pub returned: bool,
    pub access: Option<Access>,
    last: Option<&'a Path>,
    function: &'a Signature,
}

/// Whether an attribute of a function is for `#[contract]`, and not for the compiler.
pub fn is_mark(attribute: &Attribute) -> bool {
    ["returned", "read_only", "changes"]
        .iter()
        .any(|name| attribute.path().is_ident(name))
}

impl<'a> Marks<'a> {
    pub fn of(function: &'a ImplItemFn) -> Result<Self> {
        let mut marks = Self {
            returned: false,
            access: None,
            last: None,
            function: &function.sig,
        };
        for attribute in function.attrs.iter().filter(|attribute| is_mark(attribute)) {
            attribute.meta.require_path_only()?;
            marks.last = Some(attribute.path());
            if attribute.path().is_ident("returned") {
                marks.returned = true;
                continue;
            }
            let access = match attribute.path().is_ident("read_only") {
                true => Access::ReadOnly,
                false => Access::Changes,
            };
            if marks.access.replace(access).is_some() {
                return Err(lesson(
                    attribute.path(),
                    "a function either only reads the state or changes it: one of the two marks stands there",
                    "#[read_only]",
                ));
            }
        }
        Ok(marks)
    }

    /// Stops marks on functions that are not exported.
    pub fn refuse_any(&self) -> Result<()> {
        match self.last {
            None => Ok(()),
            Some(mark) => Err(lesson(
                mark,
                "only exported functions have such a mark: this one is not `pub`, so nobody outside can call it",
                &plain(self.function),
            )),
        }
    }

    /// Stops `#[read_only]` on a function that can change what it likes.
    pub fn refuse_contradiction(&self, exclusive: bool) -> Result<()> {
        match (self.last, self.access, exclusive) {
            (Some(mark), Some(Access::ReadOnly), true) => Err(lesson(
                mark,
                "a function that takes `&mut self` is there to change the state: one that only reads takes `&self`",
                &plain(self.function),
            )),
            _ => Ok(()),
        }
    }
}

impl Output {
    pub fn of(function: &Signature, contract: &Type, returned: bool) -> Result<Self> {
        let ReturnType::Type(_, value) = &function.output else {
            return match returned {
                false => Ok(Self::Value(quote!(()), Span::call_site())),
                true => Err(lesson(
                    &function.ident,
                    "`#[returned]` stands above a function that returns no `Result`: there is nothing that it changes",
                    &plain(function),
                )),
            };
        };
        let tokens = without_self(value, contract);
        let span = value.span();
        if returned || !is_result(value) {
            return Ok(Self::Value(tokens, span));
        }
        Ok(match two_arguments(value) {
            Some((value, error)) => Self::Raising(
                without_self(value, contract),
                without_self(error, contract),
                error.span(),
            ),
            None => Self::Raising(
                quote_spanned!(span=> <#tokens as ::crostata_sdk::generated::Outcome>::Value),
                quote_spanned!(span=> <#tokens as ::crostata_sdk::generated::Outcome>::Error),
                span,
            ),
        })
    }

    /// Where the error is, or the value.
    pub const fn span(&self) -> Span {
        match self {
            Self::Value(_, span) | Self::Raising(_, _, span) => *span,
        }
    }

    /// Where the error is, if the function raises one.
    pub const fn raised(&self) -> Option<Span> {
        match self {
            Self::Value(..) => None,
            Self::Raising(_, _, span) => Some(*span),
        }
    }
}

/// The `Result` by its name; one under another name is found by its type, in the generated code.
fn is_result(value: &Type) -> bool {
    matches!(value, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Result"))
}

fn two_arguments(value: &Type) -> Option<(&Type, &Type)> {
    let Type::Path(path) = value else {
        return None;
    };
    let PathArguments::AngleBracketed(arguments) = &path.path.segments.last()?.arguments else {
        return None;
    };
    let mut types = arguments.args.iter().map(|argument| match argument {
        GenericArgument::Type(one) => Some(one),
        _ => None,
    });
    Some((types.next()??, types.next()??))
}
