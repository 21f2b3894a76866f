//! What Linux says about itself in `/proc` and `/sys`: texts in, facts out.

use std::fs;
use std::path::Path;

use super::facts::{Limits, Looked, NotLooked};

/// The text of a file of the kernel.
pub fn text(path: &str) -> Looked<String> {
    fs::read_to_string(path).map_err(|error| NotLooked {
        reason: format!("{path} can not be read: {error}"),
    })
}

/// The number that a file of the kernel has.
pub fn number(path: &str) -> Looked<u64> {
    let text = text(path)?;
    text.trim().parse().map_err(|_| NotLooked {
        reason: format!("{path} has no number"),
    })
}

/// The limits in the text of `/proc/self/limits`.
pub fn limits(text: &str) -> Looked<Limits> {
    Ok(Limits {
        address_space_bytes: limit(text, "Max address space")?,
        file_bytes: limit(text, "Max file size")?,
        open_files: limit(text, "Max open files")?,
        stack_bytes: limit(text, "Max stack size")?,
        threads: limit(text, "Max processes")?,
    })
}

/// The soft limit of a name; none if it is unlimited.
fn limit(text: &str, name: &str) -> Looked<Option<u64>> {
    let unknown = || NotLooked {
        reason: format!("the system does not say its limit `{name}`"),
    };
    let mut lines = text.lines();
    let rest = lines.find_map(|line| line.strip_prefix(name));
    let soft = rest.and_then(|rest| rest.split_whitespace().next());
    match soft.ok_or_else(unknown)? {
        "unlimited" => Ok(None),
        number => number.parse().map(Some).map_err(|_| unknown()),
    }
}

/// A number of bytes in the text of `/proc/meminfo`, which counts in KiB.
pub fn memory(text: &str, name: &str) -> Looked<u64> {
    let unknown = || NotLooked {
        reason: format!("the system does not say `{name}`"),
    };
    let mut lines = text.lines();
    let rest = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kibibytes = rest.and_then(|rest| rest.split_whitespace().next());
    let kibibytes: Option<u64> = kibibytes.and_then(|number| number.parse().ok());
    let bytes = kibibytes.and_then(|kibibytes| kibibytes.checked_mul(1024));
    bytes.ok_or_else(unknown)
}

/// What a choice of the kernel is, of a text such as `always [madvise] never`.
pub fn chosen(text: &str) -> &str {
    let chosen = text
        .split_once('[')
        .and_then(|(_, rest)| rest.split_once(']'));
    chosen.map_or(text.trim(), |(chosen, _)| chosen)
}

/// The least memory limit of the control groups that a process is in, by the text of `/proc/self/cgroup` and what is below a
/// directory, which is `/sys/fs/cgroup`. None if there is none.
pub fn group_memory(groups: &str, root: &Path) -> Option<u64> {
    let mut lines = groups.lines();
    let inside = lines.find_map(|line| line.strip_prefix("0::/"))?;
    // In a container the path is the host's, and what counts is at the root.
    let own = root.join(inside);
    let limits = own.ancestors().take_while(|path| path.starts_with(root));
    let limits = limits.filter_map(|path| fs::read_to_string(path.join("memory.max")).ok());
    limits.filter_map(|limit| limit.trim().parse().ok()).min()
}
