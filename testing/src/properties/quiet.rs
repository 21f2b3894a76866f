//! Panics that are expected, by the hundreds while a sequence is made short: caught, with their messages, and printed by nobody.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs `code`: what it gives, or the message and place of its panic.
pub fn quietly<T>(code: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                before(panic);
            } else if let Some(place) = panic.location() {
                PLACE.replace(format!("{}:{}", place.file(), place.line()));
            }
        }));
    });
    let was_quiet = QUIET.replace(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(code));
    QUIET.set(was_quiet);
    outcome.map_err(|payload| format!("{}\n    at {}", text(&*payload), PLACE.take()))
}

/// Whether panics of this thread are expected now.
pub fn is_quiet() -> bool {
    QUIET.get()
}

fn text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without a message")
}
