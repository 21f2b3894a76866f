//! Errors that travel across calls with their values.
//!
//! A method that returns `Err` ends its call as a panic would: what it did is undone. The message of that panic is a text, and behind it the
//! value ([`crostata_abi::raised`]), which the client of the contract gives to its caller as what it was.

use core::convert::Infallible;

use crostata_abi::ContractError;
use crostata_abi::raised::{self, TRAILER_BYTES};
use crostata_abi::typed::{self, Decode};

use crate::boundary::buffer;
use crate::codec::{self, Encode};

/// An error that a contract's methods return. `#[crostata_sdk::error]` implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can not be an error of a contract's method",
    label = "the `Err` of a method undoes its call and goes to the caller: its type wants `#[crostata_sdk::error]`",
    note = "write `#[crostata_sdk::error]` above the definition of `{Self}`, or an enum of your own",
    note = "to return the `Result` as a value and undo nothing, write `#[returned]` above the method"
)]
pub trait Raise: Encode {
    /// The name of the type, which travels with the value.
    const NAME: &'static str;

    /// What it says to people.
    fn text(&self) -> &'static str;
}

/// An error that a client receives; every [`Raise`] type that can be decoded is one, and so is [`Infallible`], of which none comes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can not be an error of a contract's method",
    label = "the `Err` of a method undoes its call and goes to the caller: its type wants `#[crostata_sdk::error]`",
    note = "write `#[crostata_sdk::error]` above the definition of `{Self}`, or an enum of your own",
    note = "to return the `Result` as a value and undo nothing, write `#[returned]` above the method"
)]
pub trait Received: Sized {
    /// The error with this name and archive, if it is of this type.
    fn received(name: &[u8], archive: &[u8]) -> Option<Self>;
}

impl<E: Raise + Decode> Received for E {
    fn received(name: &[u8], archive: &[u8]) -> Option<Self> {
        match name == E::NAME.as_bytes() {
            true => typed::decode(archive).ok(),
            false => None,
        }
    }
}

impl Received for Infallible {
    fn received(_: &[u8], _: &[u8]) -> Option<Self> {
        None
    }
}

/// What a method gives, or the end of the call with its error.
pub fn settled<T, E: Raise>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => {
            let len = put(&error);
            crate::output::end(len)
        }
    }
}

/// Puts the message that carries the error into the argument buffer, and gives its length.
///
/// A value too long for a message is left out: the text remains.
fn put<E: Raise>(error: &E) -> u32 {
    let (text, name) = (error.text().as_bytes(), E::NAME.as_bytes());
    let archive_at = text.len() + name.len();
    let room = ContractError::MESSAGE_MAX_BYTES - TRAILER_BYTES;
    let end = codec::encode_at(archive_at, error).filter(|end| *end <= room);
    let is_written = buffer::write(0, text) && buffer::write(text.len(), name);
    match (end, u8::try_from(name.len()), is_written) {
        (Some(end), Ok(name_len), true) => {
            buffer::write(end, &raised::trailer(name_len, (end - archive_at) as u16));
            (end + TRAILER_BYTES) as u32
        }
        _ => text.len() as u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec;
    use crostata_abi::raised::Raised;

    #[crate::error]
    enum Shortage {
        /// There is too little.
        TooLittle {
            wanted: u64,
            had: u64,
        },
        NothingAtAll,
        Named(String),
    }

    fn message(error: &Shortage) -> vec::Vec<u8> {
        buffer::to_vec(put(error) as usize)
    }

    /// An error comes out as it went in, with a text in front that people read.
    #[test]
    fn errors_travel_with_their_values() {
        for (error, text) in [
            (
                Shortage::TooLittle { wanted: 5, had: 3 },
                "There is too little",
            ),
            (Shortage::NothingAtAll, "nothing at all"),
            (Shortage::Named("a name that lies apart".into()), "named"),
        ] {
            let message = message(&error);
            let raised = Raised::read(&message).unwrap();
            assert_eq!(raised.text, text.as_bytes());
            assert_eq!(Shortage::received(raised.name, raised.archive), Some(error));
            assert_eq!(Shortage::received(b"Other", raised.archive), None);
            assert!(Infallible::received(raised.name, raised.archive).is_none());
        }
    }

    #[test]
    fn a_value_too_long_for_a_message_leaves_its_text() {
        for len in [65_470, 65_520, 70_000] {
            let error = Shortage::Named(String::from_utf8(vec![b'x'; len]).unwrap());
            let message = message(&error);
            assert!(message.len() <= ContractError::MESSAGE_MAX_BYTES);
            assert!(message.starts_with(b"named"));
            assert_eq!(Raised::read(&message).is_some(), len == 65_470);
        }
    }
}
