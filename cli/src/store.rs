//! Opening a store, and finding the commit that is meant.

use crostata::{Commit, Config, Protocol, SessionData, SessionDataBuilder, VM};

use crate::arguments::{RulesArguments, SessionArguments, StoreArguments};
use crate::error::CliError;
use crate::hex;

/// The store in a directory, which must be there.
pub fn open(arguments: &StoreArguments) -> Result<VM, CliError> {
    let path = &arguments.store;
    let mut entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let is_log = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(b"log-");
    match entries.any(|entry| is_log(&entry.file_name())) {
        true => open_or_make(arguments),
        false => Err(CliError::NoStore { path: path.into() }),
    }
}

/// How a VM is opened: it knows the rules that are asked for, which come first, and this build's.
pub fn config(rules: &RulesArguments) -> Result<Config, CliError> {
    let mut config = Config::default();
    if let Some(protocol) = protocol(rules)? {
        config.protocols.retain(|known| *known != protocol);
        config.protocols.insert(0, protocol);
    }
    Ok(config)
}

/// The rules in the file, if one is named.
pub fn protocol(rules: &RulesArguments) -> Result<Option<Protocol>, CliError> {
    let Some(path) = &rules.protocol else {
        return Ok(None);
    };
    let text = String::from_utf8(crate::commands::read(path)?);
    let text = text.map_err(|error| error.to_string());
    let read = text.and_then(|text| Protocol::from_text(&text).map_err(|error| error.to_string()));
    let read = read.map_err(|problem| {
        CliError::input(
            format!("{} holds no rules that contracts can run under: {problem}", path.display()),
            "`crostata inspect protocol` prints this build's; change the values, and leave no line out",
        )
    });
    read.map(Some)
}

/// The store in a directory, which is made if it is not there.
pub fn open_or_make(arguments: &StoreArguments) -> Result<VM, CliError> {
    let path = &arguments.store;
    let opened = VM::with_config(path, config(&arguments.rules)?);
    opened.map_err(|error| CliError::OpenStore {
        path: path.into(),
        source: Box::new(error),
    })
}

/// The commit that a name means.
pub fn commit(vm: &VM, name: &str) -> Result<Commit, CliError> {
    find(vm, name)?.ok_or_else(|| CliError::Commit {
        what: "the store has no commit yet".into(),
    })
}

/// The commit that a name means, if the store has any.
pub fn find(vm: &VM, name: &str) -> Result<Option<Commit>, CliError> {
    let commits = vm.commits();
    match name {
        "newest" => Ok(commits.last().copied()),
        "final" => vm.finalized().map(Some).ok_or_else(|| CliError::Commit {
            what: "no commit is final yet".into(),
        }),
        digits => by_digits(&commits, digits).map(Some),
    }
}

/// The one commit whose id or root begins so.
fn by_digits(commits: &[Commit], name: &str) -> Result<Commit, CliError> {
    let digits = hex::without_mark(name).to_ascii_lowercase();
    let is_hex = digits.len() >= 4 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    if !is_hex {
        return Err(CliError::input(
            format!("`{name}` names no commit"),
            "write `newest`, `final`, or four or more of the first hex digits of an id or root",
        ));
    }
    let by = |text: String| text.starts_with(&digits);
    let by_id = commits.iter().filter(|commit| by(commit.id.to_string()));
    let by_root = commits.iter().filter(|commit| by(commit.root.to_string()));
    let found: Vec<&Commit> = by_id.chain(by_root).collect();
    match found[..] {
        [commit] => Ok(*commit),
        [] => Err(CliError::Commit {
            what: format!("no retained commit has an id or root that begins with {name}"),
        }),
        _ => Err(CliError::Commit {
            what: format!(
                "{} commits have an id or root that begins with {name}",
                found.len()
            ),
        }),
    }
}

/// What a session over a commit is opened with.
pub fn session_data(
    base: Option<Commit>,
    arguments: &SessionArguments,
    rules: &RulesArguments,
) -> Result<SessionDataBuilder, CliError> {
    // So that failures tell their lines of source.
    let mut data = SessionData::builder().located();
    if let Some(base) = base {
        data = data.base(base);
    }
    if let Some(protocol) = protocol(rules)? {
        data = data.protocol(protocol);
    }
    for datum in &arguments.data {
        data = with_datum(data, datum)?;
    }
    Ok(data)
}

fn with_datum(data: SessionDataBuilder, datum: &str) -> Result<SessionDataBuilder, CliError> {
    let wrong = || {
        CliError::input(
            format!("`{datum}` is no session datum"),
            "write NAME=NUMBER or NAME=0x… for bytes, like --datum block_height=7",
        )
    };
    let named = datum.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = named.ok_or_else(wrong)?;
    Ok(match value.strip_prefix("0x") {
        Some(digits) => data.insert_raw(name, hex::bytes(digits)?)?,
        None => data.insert(name, &value.parse::<u64>().map_err(|_| wrong())?)?,
    })
}
