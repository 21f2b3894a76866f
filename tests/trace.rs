//! P8: what a trace says is what the receipt says: frames, gas to the last unit, events, outcomes; and it tells what receipts leave
//! out: arguments, results, refused calls, queries, data, messages, pages, places in the code.

mod fixtures;

#[path = "trace/positions.rs"]
mod positions;
#[path = "trace/raw.rs"]
mod raw;
#[cfg(feature = "inspect")]
#[path = "trace/rendered.rs"]
mod rendered;
