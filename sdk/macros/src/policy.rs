//! The attribute's argument: who may re-enter the contract.

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

impl Parse for Reentry {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if input.is_empty() {
            return Ok(Self::Never);
        }
        let key: Ident = input.parse()?;
        if key != "reentry" {
            return Err(Error::new(key.span(), "the only argument is `reentry`"));
        }
        input.parse::<Token![=]>()?;
        let value: LitStr = input.parse()?;
        input.parse::<Option<Token![,]>>()?;
        Self::named(&value)
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

    #[test]
    fn policies_parse_and_others_are_errors() {
        let parse = syn::parse_str::<Reentry>;
        assert_eq!(parse("").unwrap(), Reentry::Never);
        assert_eq!(parse("reentry = \"self\"").unwrap(), Reentry::OnlySelf);
        assert_eq!(parse("reentry = \"allowed\",").unwrap(), Reentry::Allowed);
        for bad in [
            "reentry",
            "reentry = \"maybe\"",
            "entry = \"self\"",
            "reentry = 1",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
