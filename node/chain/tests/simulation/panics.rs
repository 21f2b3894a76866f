//! What panics in a simulated validator. The runtime goes on when a task panics, as other machines do when one ends, so that somebody must look at what it was.

use std::cell::RefCell;
use std::panic::{self, PanicHookInfo};
use std::sync::Once;

thread_local! {
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Has panics noted from now on, each in its thread. Those of the engine are not printed: where one should not be it is told with what it was.
pub fn note() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            let text = text(panic);
            if !text.contains("commonware") && !of_a_disk(&text) {
                print(panic);
            }
            PANICS.with_borrow_mut(|panics| panics.push(text));
        }));
    });
    taken();
}

fn text(panic: &PanicHookInfo<'_>) -> String {
    let place = panic.location().map(ToString::to_string);
    let text = panic.payload_as_str().unwrap_or_default();
    format!("{}: {text}", place.unwrap_or_default())
}

/// What has panicked in this thread, and was not taken before.
pub fn taken() -> Vec<String> {
    PANICS.take()
}

/// Whether it says that a disk failed. Not all of the engine's do. The text has what [`FaultyFiles`](crostata::store::files::FaultyFiles) says.
fn of_a_disk(text: &str) -> bool {
    let said = ["injected", "the power", "StorageFull", "no storage space"];
    said.iter().any(|said| text.contains(said))
}
