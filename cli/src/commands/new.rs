//! `new`: a contract that is built and tested by this command.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::{Done, write};
use crate::error::CliError;
use crate::screen::Screen;

/// Makes a folder with a contract, tests that call it on a chain, and a README.
///
/// The crates that it depends on are not published yet: it names them by the path of the repository that this command was built from, or of `--sdk`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  crostata new hello
  cd hello && crostata test
  crostata new hello --sdk ~/crostata")]
pub struct New {
    /// The folder to make, whose last part is the contract's name.
    #[arg(value_name = "NAME")]
    path: PathBuf,
    /// The folder of crostata's repository.
    #[arg(long, value_name = "PATH")]
    sdk: Option<PathBuf>,
}

const FILES: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("../../template/Cargo.toml.in")),
    ("src/lib.rs", include_str!("../../template/lib.rs.in")),
    ("tests/calls.rs", include_str!("../../template/calls.rs.in")),
    ("README.md", include_str!("../../template/README.md.in")),
    (".gitignore", include_str!("../../template/gitignore.in")),
];

/// The versions that the crates were tested with.
const LOCK: &str = "Cargo.lock";

impl New {
    /// Exit code 2 for a name that is none, or is taken.
    pub fn run(&self, screen: &mut Screen) -> Result<Done, CliError> {
        let name = self.name()?;
        let sdk = self.repository()?;
        if self.path.exists() {
            return Err(CliError::input(
                format!("{} exists already", self.path.display()),
                "choose another name, or remove it",
            ));
        }
        for (file, template) in FILES {
            put(
                &self.path.join(file),
                filled(template, name, &sdk).as_bytes(),
            )?;
        }
        // Without it cargo looks for the newest versions, which takes a network.
        if let Ok(lock) = std::fs::read(sdk.join(LOCK)) {
            put(&self.path.join(LOCK), &lock)?;
        }
        let (path, sdk) = (self.path.display(), sdk.display());
        if screen.is_json() {
            let value = json!({"name": name, "path": path.to_string(), "sdk": sdk.to_string()});
            screen.value(&value)?;
        } else {
            screen.line(path.to_string())?;
            screen.note(format!(
                "It depends on crostata's crates by path, in {sdk}."
            ));
            screen.note(format!("next: cd {path} && crostata test"));
        }
        Ok(Done::Well)
    }

    fn name(&self) -> Result<&str, CliError> {
        let name = self.path.file_name().and_then(|name| name.to_str());
        let name = name.unwrap_or_default();
        let is_first = name.starts_with(|first: char| first.is_ascii_lowercase());
        let is_rest = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if is_first && name.len() <= 40 && name.bytes().all(is_rest) && !is_taken(name) {
            return Ok(name);
        }
        Err(CliError::input(
            format!("`{name}` can be no contract's name"),
            "use up to 40 lower-case letters, digits and `_`, a letter first, and no word of Rust",
        ))
    }

    fn repository(&self) -> Result<PathBuf, CliError> {
        let built_from = Path::new(env!("CARGO_MANIFEST_DIR"));
        let own = built_from.parent().unwrap_or(built_from);
        let path = self.sdk.as_deref().unwrap_or(own);
        let path = std::path::absolute(path).unwrap_or_else(|_| path.into());
        match path.join("sdk/Cargo.toml").is_file() && path.join("testing/Cargo.toml").is_file() {
            true => Ok(path),
            false => Err(CliError::input(
                format!(
                    "{} is not crostata's repository: it has no sdk/ and testing/",
                    path.display()
                ),
                "name the folder of the repository with `--sdk PATH`",
            )),
        }
    }
}

/// Words that a crate or a type can not be called, and the types of the template.
fn is_taken(name: &str) -> bool {
    const TAKEN: &[&str] = &[
        "added", "storage", "abstract", "as", "async", "await", "become", "box", "break", "const",
        "continue", "core", "crate", "do", "dyn", "else", "enum", "extern", "false", "final", "fn",
        "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod", "move", "mut",
        "override", "priv", "pub", "ref", "return", "self", "static", "std", "struct", "super",
        "test", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use", "virtual",
        "where", "while", "yield",
    ];
    TAKEN.contains(&name) || name.starts_with("crostata")
}

fn filled(template: &str, name: &str, sdk: &Path) -> String {
    let sdk = sdk.display().to_string();
    // As TOML writes a string.
    let sdk = sdk.replace('\\', "\\\\").replace('"', "\\\"");
    let filled = template
        .replace("{type}", &type_name(name))
        .replace("{name}", name);
    filled.replace("{sdk}", &sdk)
}

/// `my_token` is `MyToken`.
fn type_name(name: &str) -> String {
    let words = name.split('_');
    let words = words.map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + rest
    });
    words.collect()
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|source| CliError::Write {
        path: folder.into(),
        source,
    })?;
    write(path, bytes)
}
