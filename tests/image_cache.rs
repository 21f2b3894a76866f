//! P6: what the cache of committed memories holds. Alone in its process, whose memory files it looks at.

use crostata::{Config, ContractData, SessionData, VM};

const LIMIT: u64 = 1 << 40;

fn code(wat: &str) -> Vec<u8> {
    wat::parse_str(wat).unwrap()
}

/// Open memory files of this process, and the bytes of memory they hold.
fn images() -> (usize, u64) {
    use std::os::unix::fs::MetadataExt;
    let files: Vec<_> = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            std::fs::read_link(path)
                .is_ok_and(|target| target.to_string_lossy().contains("crostata-image"))
        })
        .filter_map(|path| std::fs::metadata(path).ok())
        .collect();
    (
        files.len(),
        files.iter().map(|file| file.blocks() * 512).sum(),
    )
}

/// P6: memory that reading zeros of an image takes is counted, or not taken.
#[test]
fn reading_zeros_does_not_fill_the_image_cache() {
    let config = Config {
        image_cache_bytes: 1 << 20,
        ..Config::default()
    };
    let vm = VM::ephemeral_with_config(config).unwrap();
    let mut session = vm.session(SessionData::builder()).unwrap();
    let contract = session
        .deploy(sparse(), ContractData::builder(), LIMIT)
        .unwrap();
    let base = session.commit().unwrap();
    drop(session);
    let mut session = vm.session(SessionData::builder().base(base)).unwrap();
    session.call_raw(contract, "run", [], LIMIT).unwrap();
    drop(session);
    let (_, bytes) = images();
    assert!(
        bytes <= 2 << 20,
        "{bytes} bytes are held by a cache of 1 MiB"
    );
}

fn sparse() -> Vec<u8> {
    code(
        r#"(module
          (memory (export "memory") 1000)
          (global (export "A") i32 (i32.const 65536))
          (data (i32.const 0) "a")
          (func (export "run") (param i32) (result i32)
            (loop
              (drop (i32.load8_u (local.get 0)))
              (local.set 0 (i32.add (local.get 0) (i32.const 4096)))
              (br_if 0 (i32.lt_u (local.get 0) (i32.const 65536000))))
            (i32.const 0)))"#,
    )
}
