//! What a panic of a contract does: it sends "message, file:line:column" to the caller and ends the call.
//!
//! Formatting code is linked only into contracts that have a message to format.

use core::panic::PanicInfo;

use crate::output::Text;

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    let mut text = Text::default();
    match info.message().as_str() {
        Some(message) => text.push(message),
        None => _ = core::fmt::write(&mut text, format_args!("{}", info.message())),
    }
    if let Some(place) = info.location() {
        text.push(", ");
        text.push(place.file());
        text.push(":");
        text.push_number(place.line());
        text.push(":");
        text.push_number(place.column());
    }
    text.abort()
}
