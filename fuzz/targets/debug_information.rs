//! P7: whatever a module says of its names and source lines, what is shown of it is one harmless line each, and few of them.
#![no_main]

use crostata::inspect::{Coverage, DebugInfo, Known, SizeReport, SourceLine, regions, strip};
use crostata_fuzz::{LINES, changed};
use libfuzzer_sys::fuzz_target;

/// Offsets whose lines are looked up.
const OFFSETS: u64 = 400;

/// Characters of a name or path that anything shows, generously.
const SHOWN_MAX: usize = 400;

fn check(text: &str) {
    assert!(!text.chars().any(char::is_control), "{text:?}");
    // What is escaped takes eight characters for one.
    assert!(text.chars().count() <= 8 * SHOWN_MAX, "{text:?}");
}

fn check_line(line: &SourceLine) {
    check(&line.to_string());
    line.function.iter().for_each(|name| check(name));
}

fuzz_target!(|data: &[u8]| {
    let module = match data.starts_with(b"\0asm") {
        true => data.to_vec(),
        false => changed(LINES.to_vec(), data),
    };
    let Ok(debug) = DebugInfo::of(&module) else {
        return;
    };
    let stripped = strip(&module).unwrap();
    assert_eq!(debug.code(), stripped.code_hash());
    assert_eq!(strip(&stripped.code).unwrap().code, stripped.code);
    for offset in 0..OFFSETS {
        let lines = debug.lines(&debug.code(), offset);
        assert!(lines.len() <= 64);
        lines.iter().for_each(check_line);
        debug.line(offset).iter().for_each(check_line);
    }
    for index in 0..64 {
        debug.function(index).into_iter().for_each(check);
    }
    if let Ok(sizes) = SizeReport::of(&module) {
        sizes.sections.iter().for_each(|one| check(&one.name));
        let _ = sizes.to_string();
    }
    let mut coverage = Coverage::new();
    if coverage.add_code(&module).is_ok() {
        coverage.files().keys().for_each(|path| check(path));
        let _ = coverage.lcov(str::to_owned);
        let _ = coverage.page("fuzz", |_| None);
    }
    let _ = regions(&module, 1 << 20);
    let _ = Known::new().add_code(&module);
});
