//! The attribute's arguments: who may re-enter the contract, and whether it declares its storage.

use syn::parse::{Parse, ParseStream};
use syn::{Error, Ident, LitStr, Result, Token};

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
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attribute {
    pub reentry: Reentry,
    pub storage: bool,
}

impl Parse for Attribute {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let (mut reentry, mut storage) = (None, false);
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            if key == "reentry" && reentry.is_none() {
                input.parse::<Token![=]>()?;
                reentry = Some(Reentry::named(&input.parse()?)?);
            } else if key == "storage" && !storage {
                storage = true;
            } else {
                let message = "the arguments are `reentry` and `storage`, each once";
                return Err(Error::new(key.span(), message));
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        let reentry = reentry.unwrap_or(Reentry::Never);
        Ok(Self { reentry, storage })
    }
}

impl Reentry {
    fn named(value: &LitStr) -> Result<Self> {
        match value.value().as_str() {
            "allowed" => Ok(Self::Allowed),
            "self" => Ok(Self::OnlySelf),
            "never" => Ok(Self::Never),
            _ => Err(Error::new(
                value.span(),
                "`reentry` is \"allowed\", \"self\" or \"never\"",
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
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
