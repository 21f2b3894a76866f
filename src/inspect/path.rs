//! Source paths as people want them: from the crate on, without anybody's home directory.

/// Where source code comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The author's own workspace.
    Own,
    /// A dependency from a registry or repository.
    Dependency,
    /// Rust's standard library.
    Standard,
}

/// Folders under which crates keep their sources.
const SOURCE_FOLDERS: [&str; 4] = ["src", "tests", "examples", "benches"];

/// The SDK and what it needs, where a contract depends on them by path.
const OURS: [&str; 3] = ["sdk/src/", "abi/src/", "sdk/macros/src/"];

/// Characters of a path that are shown, the last ones.
const PATH_MAX: usize = 120;

/// A path from its crate on.
pub fn shorten(path: &str) -> (String, Origin) {
    let path = path.replace('\\', "/");
    let (short, origin) = match library(&path) {
        Some((short, origin)) => (short.to_owned(), origin),
        None => {
            let short = own(&path);
            let is_ours = OURS.iter().any(|ours| short.starts_with(ours));
            let origin = if is_ours {
                Origin::Dependency
            } else {
                Origin::Own
            };
            (short, origin)
        }
    };
    let cut = short.char_indices().rev().nth(PATH_MAX - 1);
    let short = match cut {
        Some((start, _)) if start > 0 => format!("…{}", &short[start..]),
        _ => short,
    };
    (short, origin)
}

/// A path in the standard library or a dependency, from the crate on.
fn library(path: &str) -> Option<(&str, Origin)> {
    for root in ["/rustc/", "/rust/", "/rustlib/src/"] {
        if let Some((_, rest)) = path.split_once(root)
            && let Some((_, inside)) = rest.split_once("library/")
        {
            return Some((inside, Origin::Standard));
        }
    }
    if let Some((_, rest)) = path.split_once("/registry/src/") {
        // The registry's own folder.
        let inside = rest.split_once('/').map_or(rest, |(_, inside)| inside);
        return Some((inside, Origin::Dependency));
    }
    if let Some((_, rest)) = path.split_once("/git/checkouts/") {
        // The repository's folder, and the revision's.
        let inside = rest.splitn(3, '/').nth(2).unwrap_or(rest);
        return Some((inside, Origin::Dependency));
    }
    // As `contracts/build` has it.
    let inside = path.strip_prefix("/registry/")?;
    Some((inside, Origin::Dependency))
}

/// The folder before the last `src`, and what follows; the last two names if there is none.
fn own(path: &str) -> String {
    let names: Vec<&str> = path
        .split('/')
        .filter(|name| !matches!(*name, "" | "."))
        .collect();
    let source = names
        .iter()
        .rposition(|name| SOURCE_FOLDERS.contains(name))
        .unwrap_or(names.len().saturating_sub(1));
    names[source.saturating_sub(1)..].join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nobody's folders are shown, and the origin is told.
    #[test]
    fn paths_begin_with_the_crate() {
        use Origin::{Dependency, Own, Standard};
        let cases = [
            ("/home/ada/work/token/src/lib.rs", "token/src/lib.rs", Own),
            ("contracts/token/src/a/b.rs", "token/src/a/b.rs", Own),
            ("src/lib.rs", "src/lib.rs", Own),
            (
                "/opt/crostata/sdk/src/call.rs",
                "sdk/src/call.rs",
                Dependency,
            ),
            (
                "C:\\Users\\ada\\token\\src\\lib.rs",
                "token/src/lib.rs",
                Own,
            ),
            ("/home/ada/token/build/out.rs", "build/out.rs", Own),
            ("lib.rs", "lib.rs", Own),
            ("", "", Own),
            (
                "/rustc/59807616e1fa2540/library/core/src/panicking.rs",
                "core/src/panicking.rs",
                Standard,
            ),
            (
                "/home/ada/.rustup/toolchains/stable/lib/rustlib/src/rust/library/alloc/src/vec.rs",
                "alloc/src/vec.rs",
                Standard,
            ),
            ("/rust/library/core/src/x.rs", "core/src/x.rs", Standard),
            (
                "/home/ada/.cargo/registry/src/index.crates.io-1949/rkyv-0.8.1/src/ser.rs",
                "rkyv-0.8.1/src/ser.rs",
                Dependency,
            ),
            (
                "/registry/rkyv-0.8.1/src/a.rs",
                "rkyv-0.8.1/src/a.rs",
                Dependency,
            ),
            (
                "/home/ada/.cargo/git/checkouts/thing-12ab/34cd/thing/src/lib.rs",
                "thing/src/lib.rs",
                Dependency,
            ),
        ];
        for (path, short, origin) in cases {
            assert_eq!(shorten(path), (short.to_owned(), origin), "{path}");
        }
        let long = format!("/a/{}/src/lib.rs", "é".repeat(500));
        assert_eq!(shorten(&long).0.chars().count(), PATH_MAX + 1);
    }
}
