//! P5: what a warm start saves: the compiled form of code from the disk, from memory, and from the compiler.
//!
//! The code is the compiled one that comes nearest to the limit on code, and the bench contract. All figures are of deploying it, which besides
//! the module has to judge the code where that was not done before.

mod common;

use std::path::Path;

use common::{deploy, numbered};
use criterion::{BatchSize, BenchmarkId, Criterion};
use crostata::{ArtifactConfig, ArtifactDirectory, Config, SessionData, VM, contract_bytecode};
use crostata_proof::hash::code_hash;

/// Functions of the large code: as many as 2 MiB of code have room for.
const FUNCTIONS: usize = 1_900;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let large = large();
    let codes: [(&str, &[u8]); 2] = [("bench", contract_bytecode!("bench")), ("large", &large)];
    for (name, code) in codes {
        let directory = tempfile::tempdir().expect("a directory for temporary files");
        measure(&mut criterion, name, code, directory.path());
    }
    criterion.final_summary();
}

/// A VM that keeps artifacts there, and so many bytes of them in memory.
fn vm(directory: ArtifactDirectory, ram_bytes_max: u64) -> VM {
    let artifacts = ArtifactConfig {
        directory,
        ram_bytes_max,
        ..ArtifactConfig::default()
    };
    let config = Config {
        artifacts,
        ..Config::default()
    };
    VM::ephemeral_with_config(config).expect("the VM opens")
}

fn measure(criterion: &mut Criterion, name: &str, code: &[u8], directory: &Path) {
    let at = || ArtifactDirectory::At(directory.into());
    let mut group = criterion.benchmark_group("artifact");
    group.sample_size(10);
    let mut variant = |how: &str, vm: &VM| {
        group.bench_function(BenchmarkId::new(how, name), |bencher| {
            bencher.iter_batched(
                || vm.session(SessionData::builder()).expect("a session"),
                |mut session| deploy(&mut session, code, numbered(1)),
                BatchSize::PerIteration,
            );
        });
    };
    let compiling = vm(ArtifactDirectory::Nowhere, 0);
    variant("compile", &compiling);
    let loading = vm(at(), 0);
    variant("load", &loading);
    let keeping = vm(ArtifactDirectory::Nowhere, u64::MAX);
    variant("memory", &keeping);
    let stamp = code_hash(code).to_string();
    let files = std::fs::read_dir(directory).expect("the cache");
    let artifact = files
        .flatten()
        .find(|file| file.file_name().to_string_lossy().starts_with(&stamp));
    let bytes = artifact.and_then(|file| file.metadata().ok());
    let bytes = bytes.map_or(0, |metadata| metadata.len());
    println!("{name}: {} bytes of code, {bytes} of artifact", code.len());
}

/// Straight code with loads, stores and arithmetic, about 1 KiB per function.
fn large() -> Vec<u8> {
    let body = "(i64.store (local.get 0) (i64.mul (i64.load offset=8 (local.get 0)) (i64.const 0x1234567812345678)))
        (local.set 0 (i32.add (local.get 0) (i32.load offset=16 (local.get 0))))"
        .repeat(31);
    let functions: String = (0..FUNCTIONS)
        .map(|number| {
            format!("(func $f{number} (param i32) (result i32) {body} (i32.add (local.get 0) (i32.const {number})))")
        })
        .collect();
    let text = format!(
        "(module (memory (export \"memory\") 3) (global (export \"A\") i32 (i32.const 65536)) {functions} (export \"f\" (func $f7)))"
    );
    wat::parse_str(text).expect("the text is a module")
}
