//! The attribute's arguments: who may re-enter the contract, what it declares, and whether its crate is a library as well.

use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Ident, LitStr, Path, Result, Token, parenthesized};

use crate::lesson::lesson;

/// Who may call the contract while one of its functions runs.
///
/// The discriminant is the byte of the custom section `crostata.reentry`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reentry {
    Allowed = 0,
    OnlySelf = 1,
    Never = 2,
}

/// What stands in the parentheses of `#[contract(..)]`.
pub struct Attribute {
    pub reentry: Reentry,
    pub storage: bool,
    /// Whether the cargo feature `client` leaves the exports out.
    pub library: bool,
    pub events: Vec<Path>,
}

impl Parse for Attribute {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let (mut reentry, mut events) = (None, None);
        let (mut storage, mut library) = (false, false);
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            if key == "reentry" && reentry.is_none() {
                input.parse::<Token![=]>()?;
                reentry = Some(Reentry::named(&input.parse()?)?);
            } else if key == "events" && events.is_none() {
                let content;
                parenthesized!(content in input);
                events = Some(Punctuated::<Path, Token![,]>::parse_terminated(&content)?);
            } else if key == "storage" && !storage {
                storage = true;
            } else if key == "library" && !library {
                library = true;
            } else {
                return Err(unknown(&key));
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(Self {
            reentry: reentry.unwrap_or(Reentry::Never),
            storage,
            library,
            events: events.into_iter().flatten().collect(),
        })
    }
}

fn unknown(key: &Ident) -> syn::Error {
    lesson(
        key,
        &format!(
            "`{key}` is no argument of `#[contract]`, or stands there twice: each of four is known, once"
        ),
        "#[crostata_sdk::contract(reentry = \"self\", storage, events(Transfer), library)]",
    )
}

impl Reentry {
    fn named(value: &LitStr) -> Result<Self> {
        match value.value().as_str() {
            "allowed" => Ok(Self::Allowed),
            "self" => Ok(Self::OnlySelf),
            "never" => Ok(Self::Never),
            other => Err(lesson(
                value,
                &format!(
                    "\"{other}\" says not who may call the contract while it runs: nobody (\"never\"), itself (\"self\") or anybody (\"allowed\")"
                ),
                "#[crostata_sdk::contract(reentry = \"never\")]",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(Reentry, bool)> {
        let attribute = syn::parse_str::<Attribute>(text)?;
        Ok((attribute.reentry, attribute.storage))
    }

    #[test]
    fn arguments_parse_and_others_are_errors() {
        for (text, reentry, storage) in [
            ("", Reentry::Never, false),
            ("storage", Reentry::Never, true),
            ("reentry = \"self\"", Reentry::OnlySelf, false),
            ("reentry = \"allowed\",", Reentry::Allowed, false),
            ("storage, reentry = \"self\"", Reentry::OnlySelf, true),
            ("events(A, b::B), library", Reentry::Never, false),
        ] {
            assert_eq!(parse(text).unwrap(), (reentry, storage), "{text}");
        }
        for bad in [
            "reentry",
            "reentry = \"maybe\"",
            "entry = \"self\"",
            "reentry = 1",
            "storage storage",
            "storage, storage",
            "reentry = \"self\", reentry = \"self\"",
            "events",
            "events(A), events(B)",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
