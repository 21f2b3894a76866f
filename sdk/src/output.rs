//! What a contract tells the world: events, feeds, debug messages, and why it gave up.

use core::fmt;

use crate::boundary::{buffer, imports};
use crate::call::put;
use crate::codec::{self, Encode};

/// Emits an event. If the call fails, so does the event.
///
/// # Panics
/// If the archive of `value` does not fit into 65,536 bytes.
pub fn emit<T: Encode>(topic: &str, value: &T) {
    let len = codec::encode(value);
    imports::emit(topic, len);
}

/// Emits an event with these bytes as its data.
///
/// # Panics
/// If they are more than 65,536.
pub fn emit_raw(topic: &str, data: &[u8]) {
    let len = put(data);
    imports::emit(topic, len);
}

/// Streams a value to the embedder. Only a feeder call may; in any other, the call is aborted.
///
/// # Panics
/// If the archive of `value` does not fit into 65,536 bytes.
pub fn feed<T: Encode>(value: &T) {
    let len = codec::encode(value);
    imports::feed(len);
}

/// As [`feed`], plain bytes.
///
/// # Panics
/// If they are more than 65,536.
pub fn feed_raw(data: &[u8]) {
    let len = put(data);
    imports::feed(len);
}

/// Sends a debug message to the embedder, formatted as `format!` does.
///
/// It costs the same gas whether or not anybody listens, and has no other effect.
/// A message longer than 65,536 bytes is cut.
///
/// ```
/// crostata_sdk::debug!("{} of {}", 3, 4);
/// ```
#[macro_export]
macro_rules! debug {
    ($($argument:tt)*) => {
        $crate::generated::debug(::core::format_args!($($argument)*))
    };
}

#[doc(hidden)]
pub fn debug(message: fmt::Arguments<'_>) {
    let mut text = Text::default();
    text.push_arguments(message);
    imports::hdebug(text.len);
}

/// Ends the call with the message that `parts` make together.
#[cold]
pub fn abort(parts: &[&str]) -> ! {
    let mut text = Text::default();
    parts.iter().for_each(|part| text.push(part));
    text.abort()
}

/// Text that is put together in the argument buffer, and cut where that ends.
#[derive(Default)]
pub struct Text {
    len: u32,
}

impl Text {
    /// Appends as much of `part` as fits.
    pub fn push(&mut self, part: &str) {
        let room = crostata_abi::ARGBUF_LEN - self.len as usize;
        let part = &part.as_bytes()[..part.len().min(room)];
        buffer::write(self.len as usize, part);
        self.len += part.len() as u32;
    }

    /// Appends a number in decimal.
    #[cfg(any(target_family = "wasm", test))]
    pub fn push_number(&mut self, number: u32) {
        if number >= 10 {
            self.push_number(number / 10);
        }
        let digit = b'0' + (number % 10) as u8;
        self.push(core::str::from_utf8(&[digit]).unwrap_or_default());
    }

    /// Appends a formatted message; what its `Display` implementations fail to write is left out.
    pub fn push_arguments(&mut self, message: fmt::Arguments<'_>) {
        match message.as_str() {
            Some(message) => self.push(message),
            None => _ = fmt::write(self, message),
        }
    }

    /// Ends the call with this text as its message.
    pub fn abort(self) -> ! {
        end(self.len)
    }
}

/// Ends the call with the first `len` bytes of the argument buffer as its message.
pub fn end(len: u32) -> ! {
    #[cfg(target_family = "wasm")]
    imports::panic(len);
    #[cfg(not(target_family = "wasm"))]
    panic!(
        "{}",
        alloc::string::String::from_utf8_lossy(&buffer::to_vec(len as usize))
    );
}

impl fmt::Write for Text {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.push(part);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    fn shown(text: &Text) -> String {
        String::from_utf8(buffer::to_vec(text.len as usize)).unwrap()
    }

    #[test]
    fn text_is_put_together_and_cut() {
        let mut text = Text::default();
        text.push_number(4_294_967_295);
        text.push(":");
        text.push_number(0);
        text.push_arguments(format_args!(" {:?}", Some(1)));
        assert_eq!(shown(&text), "4294967295:0 Some(1)");
        for _ in 0..10_000 {
            text.push("0123456789");
        }
        assert_eq!(text.len as usize, crostata_abi::ARGBUF_LEN);
    }

    #[test]
    #[should_panic(expected = "gave up")]
    fn a_native_abort_panics() {
        abort(&["gave", " up"]);
    }
}
