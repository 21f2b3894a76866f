//! The lines that ran, of contracts whose side files are there: as lcov, and as a page.

use std::path::{Component, Path, PathBuf};

use crostata::Profile;
use crostata::inspect::{self, Coverage};

use crate::view;

/// The files about the codes of a profile; none if no source line is known.
pub fn files<'a>(
    codes: impl Iterator<Item = &'a [u8]>,
    side_files: &[PathBuf],
    profile: &Profile,
    title: &str,
) -> Vec<(&'static str, String)> {
    let mut coverage = Coverage::new();
    let mut is_known = false;
    for code in codes {
        let Some(unstripped) = view::side_file(side_files, code) else {
            continue;
        };
        let fits = inspect::strip(&unstripped).is_ok_and(|stripped| stripped.code == code);
        is_known |= fits && coverage.add_code(&unstripped).is_ok();
    }
    if !is_known {
        return Vec::new();
    }
    coverage.add(profile);
    vec![
        ("coverage.lcov", coverage.lcov(str::to_owned)),
        ("coverage.html", coverage.page(title, source)),
    ]
}

/// A source file's text, if it is below this folder: paths in debug information are anybody's.
fn source(file: &str) -> Option<String> {
    let path = Path::new(file);
    let is_below = path
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    let path = path
        .strip_prefix(path.components().next()?.as_os_str())
        .ok()
        .into_iter()
        .chain([path]);
    let mut found = path
        .filter(|_| is_below)
        .filter_map(|path| std::fs::read_to_string(path).ok());
    found.next()
}
