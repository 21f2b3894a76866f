//! What a node's operator relies on: a file of settings means what it says, or everything that is wrong with it is said, with its line. P1: what
//! the chain decides is not in it but by fingerprint. P7: no text makes reading panic.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crostata::operate::{
    ProtocolProblem, ProtocolSource, Settings, SettingsError, SettingsProblem,
};
use crostata::serve::ServiceSettings;
use crostata::{AllowList, ArtifactDirectory, Backend, CodeHash, Config, LogConfig, Protocol};
use proptest::prelude::*;

fn problems(text: &str) -> Vec<SettingsProblem> {
    match Settings::parse(text) {
        Err(SettingsError::Invalid { problems }) => problems,
        other => panic!("{other:?}"),
    }
}

fn only(text: &str) -> SettingsProblem {
    let mut found = problems(text);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// The page that operators copy is what this build reads, and its values are the defaults. To write it anew:
/// `CROSTATA_WRITE_VECTORS=1`.
#[test]
fn the_example_is_the_default() {
    let example = Settings::example();
    assert_eq!(Settings::parse(&example).unwrap(), Settings::default());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/settings.toml");
    if std::env::var_os("CROSTATA_WRITE_VECTORS").is_some() {
        fs::write(&path, &example).unwrap();
    }
    assert_eq!(fs::read_to_string(path).unwrap(), example);
    // What the example only shows can be said too.
    let all: String = example
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.contains(" = ") || rest.starts_with("[[") => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let all = Settings::parse(&all).unwrap();
    assert!(all.store.binaries.is_some() && all.artifacts.directory.is_some());
    assert_eq!(all.protocols.len(), 1);
    assert!(all.protocols[0].file.is_some() && all.protocols[0].allow_list.is_some());
}

/// Settings that say nothing open the VM as no settings do.
#[test]
fn the_default_is_the_default_configuration() {
    let (made, usual) = (Settings::default().config().unwrap(), Config::default());
    assert_eq!(made.log, LogConfig::default());
    assert_eq!(made.backend, usual.backend);
    assert_eq!(made.image_cache_bytes, usual.image_cache_bytes);
    assert_eq!(
        format!("{:?}", made.artifacts),
        format!("{:?}", usual.artifacts)
    );
    assert!(
        made.protocols.is_empty(),
        "which means the default protocol"
    );
    let queries = Settings::default().queries.service();
    assert_eq!(queries, ServiceSettings::default());
}

/// Every setting reaches the VM that is opened with it.
#[test]
fn settings_reach_the_configuration() {
    let text = r#"
        [store]
        backend = "portable"
        image_cache_bytes = 0x100_000
        binaries = "code"
        [log]
        segment_bytes = "1 MiB"
        checkpoint_bytes = "2 MiB"
        checkpoint_entries = 3
        slack_bytes = "4 KiB"
        node_cache_bytes = "5 MiB"
        [queries]
        workers = 3
        queue_max = 4
        queue_per_client_max = 5
        wait_max_ms = 6
        timeout_ms = 7
        tick_ms = 8
        limit_gas_max = 9
        pages_max = 10
        result_bytes_max = 11
        proof_items_max = 12
        block_queue_max = 13
        [artifacts]
        directory = "/cache"
        disk_bytes_max = "6 MiB"
        ram_bytes_max = "7 MiB"
    "#;
    let settings = Settings::parse(text).unwrap();
    let config = settings.config().unwrap();
    assert_eq!(config.backend, Backend::Portable);
    assert_eq!(config.image_cache_bytes, 1 << 20);
    assert_eq!(config.binaries.directory, Some(PathBuf::from("code")));
    let log = LogConfig {
        segment_bytes: 1 << 20,
        checkpoint_bytes: 2 << 20,
        checkpoint_entries: 3,
        slack_bytes: 4 << 10,
        node_cache_bytes: 5 << 20,
    };
    assert_eq!(config.log, log);
    let service = ServiceSettings {
        workers: 3,
        queue_max: 4,
        queue_per_client_max: 5,
        wait_max: Duration::from_millis(6),
        timeout: Duration::from_millis(7),
        tick: Duration::from_millis(7),
        limit_gas_max: 9,
        pages_max: 10,
        result_bytes_max: 11,
        proof_items_max: 12,
        block_queue_max: 13,
    };
    assert_eq!(settings.queries.service(), service);
    assert_eq!(service.check(), Ok(()));
    let artifacts = config.artifacts;
    assert!(
        matches!(&artifacts.directory, ArtifactDirectory::At(path) if path == Path::new("/cache"))
    );
    assert_eq!(
        (artifacts.disk_bytes_max, artifacts.ram_bytes_max),
        (6 << 20, 7 << 20)
    );
    let nowhere = Settings::parse("artifacts.keep = false").unwrap();
    let nowhere = nowhere.config().unwrap().artifacts.directory;
    assert!(matches!(nowhere, ArtifactDirectory::Nowhere));
}

/// A key that is none is an error with its line, the key that may be meant, and those that there are.
#[test]
fn unknown_keys_are_refused() {
    let found = only("\n\n[log]\nsegment_bytes = \"1 MiB\"\nslack_byte = 1\n");
    let SettingsProblem::UnknownKey {
        line,
        key,
        meant,
        known,
    } = &found
    else {
        panic!("{found:?}");
    };
    assert_eq!(
        (*line, key.as_str(), *meant),
        (5, "log.slack_byte", Some("slack_bytes"))
    );
    assert_eq!(known.len(), 5);
    assert!(
        found.to_string().contains("is `slack_bytes` meant?"),
        "{found}"
    );

    let top = only("directory = \"x\"");
    assert!(matches!(
        top,
        SettingsProblem::UnknownKey {
            line: 1,
            meant: None,
            ..
        }
    ));
    // Prices are the chain's: a node's file has no word for them.
    let chain = only("[protocol]\ncall_base = 1");
    assert!(
        matches!(&chain, SettingsProblem::UnknownKey { key, meant: Some("protocols"), .. } if key == "protocol")
    );
    let long = only(&format!("[log]\n{} = 1", "x".repeat(100_000)));
    assert!(long.to_string().len() < 400);
}

/// A value of another type is an error that says which type and what is allowed.
#[test]
fn wrong_types_are_refused() {
    let texts = [
        ("[log]\nslack_bytes = true", "log.slack_bytes", "boolean"),
        ("[store]\n\ndirectory = 7", "store.directory", "integer"),
        ("[artifacts]\nkeep = \"yes\"", "artifacts.keep", "string"),
        (
            "[warm_up]\ncontracts = \"all\"",
            "warm_up.contracts",
            "string",
        ),
        ("store = 1", "store", "integer"),
        ("protocols = { }", "protocols", "table"),
        ("protocols = [1]", "protocols", "integer"),
    ];
    for (text, wanted, type_name) in texts {
        let found = only(text);
        let SettingsProblem::Type {
            line,
            key,
            found,
            allowed,
        } = &found
        else {
            panic!("{found:?}");
        };
        assert_eq!(*line, text.lines().count(), "{text}");
        assert_eq!((key.as_str(), *found), (wanted, type_name), "{text}");
        assert!(!allowed.is_empty());
    }
}

/// A value out of range is an error that says the range.
#[test]
fn values_out_of_range_are_refused() {
    let texts = [
        (
            "[log]\nsegment_bytes = 4096",
            "4096",
            "from 1 MiB to 16 GiB",
        ),
        (
            "[log]\nsegment_bytes = \"17 GiB\"",
            "17 GiB",
            "from 1 MiB to 16 GiB",
        ),
        ("[queries]\nqueue_max = 0", "0", "from 1 to 1_048_576"),
        ("[queries]\nqueue_max = -1", "-1", "from 1 to 1_048_576"),
        (
            "[store]\nbackend = \"jit\"",
            "jit",
            "\"native\" or \"portable\"",
        ),
        ("[store]\ndirectory = \"\"", "", "not empty"),
        (
            "[warm_up]\ncontracts = [\"12\"]",
            "12",
            "64 hexadecimal digits",
        ),
        ("[store]\nbackend = \"\\u001b[2J\"", " [2J", "native"),
    ];
    for (text, wanted, range) in texts {
        let problem = only(text);
        let SettingsProblem::Value {
            line,
            found,
            allowed,
            ..
        } = &problem
        else {
            panic!("{problem:?}");
        };
        assert_eq!((*line, found.as_str()), (2, wanted), "{text}");
        assert!(allowed.contains(range), "{allowed}");
    }
}

/// Everything that is wrong is said, in the order of lines.
#[test]
fn all_problems_are_said_at_once() {
    let text =
        "[store]\nbackend = 1\nx = 2\n\n[log]\nslack_bytes = \"9\"\n[[protocols]]\nfile = \"a\"\n";
    let lines: Vec<usize> = problems(text).iter().map(SettingsProblem::line).collect();
    assert_eq!(lines, [2, 3, 6, 7]);
    assert!(matches!(
        problems(text)[3],
        SettingsProblem::Missing {
            key: "fingerprint",
            ..
        }
    ));
    let syntax = only("[store]\ndirectory = \"x\n[log]\n");
    assert!(
        matches!(syntax, SettingsProblem::Syntax { line: 2, .. }),
        "{syntax:?}"
    );
    let twice = problems("[log]\nslack_bytes = 1\nslack_bytes = 2\n");
    assert!(
        matches!(twice[0], SettingsProblem::Syntax { line: 3, .. }),
        "{twice:?}"
    );
}

/// Relative paths begin where the file is, so that it means the same whatever directory the node is started in.
#[test]
fn paths_begin_at_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("node.toml");
    let text = "[store]\ndirectory = \"state\"\n[artifacts]\ndirectory = \"/cache\"\n[[protocols]]\nfingerprint = \
                \"0000000000000000000000000000000000000000000000000000000000000000\"\nfile = \"p\"\n";
    fs::write(&path, text).unwrap();
    let settings = Settings::read(&path).unwrap();
    assert_eq!(settings.store.directory, directory.path().join("state"));
    assert_eq!(settings.artifacts.directory, Some(PathBuf::from("/cache")));
    assert_eq!(settings.protocols[0].file, Some(directory.path().join("p")));
    assert_eq!(settings.store.binaries, None);
    let gone = Settings::read(directory.path().join("none.toml"));
    assert!(matches!(gone, Err(SettingsError::Read { .. })));
    fs::write(&path, vec![b'#'; (1 << 20) + 1]).unwrap();
    assert!(matches!(
        Settings::read(&path),
        Err(SettingsError::Read { .. })
    ));
}

/// P1: the rules that a node runs have the fingerprint that the file names, or it does not start.
#[test]
fn protocols_are_held_to_their_fingerprints() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let code = CodeHash::from_bytes([7; 32]);
    let mut listed = Protocol::default();
    listed.limits.call_depth_max -= 1;
    listed.allowed = Some(AllowList::new([code]));
    fs::write(at("rules"), listed.text()).unwrap();
    fs::write(at("list"), format!("{code}\n")).unwrap();
    let source = ProtocolSource {
        fingerprint: listed.fingerprint(),
        file: Some(at("rules")),
        allow_list: Some(at("list")),
    };
    assert_eq!(source.protocol().unwrap(), listed);

    let problem = |source: ProtocolSource| match source.protocol() {
        Err(SettingsError::Protocol { problem, .. }) => *problem,
        other => panic!("{other:?}"),
    };
    let without_list = ProtocolSource {
        allow_list: None,
        ..source.clone()
    };
    assert!(matches!(
        problem(without_list),
        ProtocolProblem::Fingerprint { .. }
    ));
    fs::write(
        at("list"),
        format!("{code}\n{}\n", CodeHash::from_bytes([8; 32])),
    )
    .unwrap();
    assert!(matches!(
        problem(source.clone()),
        ProtocolProblem::Fingerprint { .. }
    ));
    fs::write(at("list"), "zz").unwrap();
    assert!(matches!(
        problem(source.clone()),
        ProtocolProblem::AllowList { .. }
    ));
    fs::write(at("rules"), listed.text().replace("limit.", "limits.")).unwrap();
    assert!(matches!(
        problem(source.clone()),
        ProtocolProblem::Text { .. }
    ));
    fs::remove_file(at("rules")).unwrap();
    assert!(matches!(problem(source), ProtocolProblem::Read { .. }));

    let own = ProtocolSource {
        fingerprint: Protocol::default().fingerprint(),
        file: None,
        allow_list: None,
    };
    assert_eq!(own.protocol().unwrap(), Protocol::default());
    let mut settings = Settings::default();
    settings.protocols.push(own);
    assert_eq!(settings.config().unwrap().protocols, [Protocol::default()]);
}

proptest! {
    /// P7: no text makes reading panic, and whatever is read is written and read as the same.
    #[test]
    fn texts_are_read_or_refused(cuts in proptest::collection::vec((any::<usize>(), "[\\[\\]=\"a-z0-9_. \\n{}\\\\é#-]{0,6}"), 0..4)) {
        let mut text = Settings::example();
        for (at, put) in cuts {
            let mut at = at % (text.len() + 1);
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            let end = (at + put.len() / 2).min(text.len());
            let end = (end..=text.len()).find(|end| text.is_char_boundary(*end)).unwrap();
            text.replace_range(at..end, &put);
        }
        match Settings::parse(&text) {
            Ok(settings) => prop_assert_eq!(Settings::parse(&settings.to_toml()).unwrap(), settings),
            Err(SettingsError::Invalid { problems }) => {
                let lines = text.lines().count() + 1;
                prop_assert!(!problems.is_empty());
                prop_assert!(problems.iter().all(|one| (1..=lines).contains(&one.line())));
            }
            Err(other) => prop_assert!(false, "{other:?}"),
        }
    }

    /// Settings that are written are read as the same.
    #[test]
    fn what_is_written_is_read(segment in 20..34u32, count in 1..1_000_000u64, flag: bool, path in "[^\\x00]{1,20}", id: [u8; 32]) {
        let mut settings = Settings::default();
        settings.log.segment_bytes = 1 << segment;
        settings.queries.queue_max = count;
        settings.telemetry.call_spans = flag;
        settings.store.directory = path.clone().into();
        settings.artifacts.directory = flag.then(|| path.clone().into());
        settings.warm_up.contracts = vec![crostata::ContractId::from_bytes(id); 2];
        settings.protocols.push(ProtocolSource {
            fingerprint: crostata::Fingerprint(id),
            file: flag.then(|| path.into()),
            allow_list: None,
        });
        prop_assert_eq!(Settings::parse(&settings.to_toml()).unwrap(), settings);
    }
}

/// P7: whatever a file of the greatest length is filled with, reading it ends in an error of bounded length that names lines, not in a panic
/// or an exhausted stack.
#[test]
fn long_files_of_anything_are_refused() {
    let pieces = [
        "[",
        "{",
        "a.",
        "[a]\n",
        "[[protocols]]\n",
        "a=1\n",
        "a={a=",
        "=\n",
        "[a.a]\n",
        "\0",
        "9",
    ];
    for piece in pieces {
        let fill = piece.repeat((1 << 18) / piece.len());
        for text in [format!("a = {fill}"), fill] {
            let error = Settings::parse(&text).unwrap_err().to_string();
            assert!(error.contains("line 1"), "{piece:?}");
            assert!(error.len() < 100_000, "{piece:?} {}", error.len());
        }
    }
}
