//! P7: a log that lies with checksums that hold gives typed errors. The fuzzer's bytes say what is changed in a log of our own.
#![no_main]

use std::sync::OnceLock;

use crostata_fuzz::CELLS;
use crostata_fuzz::forge::Log;
use crostata_fuzz::scene::{branches, importing, open_and_use};
use libfuzzer_sys::fuzz_target;

fn logs() -> &'static [Log; 2] {
    static LOGS: OnceLock<[Log; 2]> = OnceLock::new();
    LOGS.get_or_init(|| [branches(CELLS), importing(CELLS)].map(|files| Log::parse(&files)))
}

fuzz_target!(|data: &[u8]| {
    let Some((first, mut rest)) = data.split_first() else {
        return;
    };
    let mut log = logs()[usize::from(first & 1)].clone();
    let mut choose = |end: u64| {
        let (head, tail) = rest.split_at(rest.len().min(2));
        rest = tail;
        let low = head
            .iter()
            .rev()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        low % end.max(1)
    };
    for _ in 0..1 + first / 2 % 4 {
        log.lie(&mut choose);
    }
    // Compiling contracts takes most of the time; the store is what is looked at.
    open_and_use(&log.encode(), first / 8 % 16 == 0);
});
