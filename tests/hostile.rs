//! P2, P3, P4, P6, P7: what a hostile contract, embedder, disk or proof giver tries does not work.

use crostata::{
    Backend, Config, ContractData, ContractId, Error, Protocol, Session, SessionData, VM,
};

const LIMIT: u64 = 100_000_000;

fn code(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

fn id(number: u8) -> ContractId {
    ContractId::from_bytes([number; 32])
}

fn with_id(number: u8) -> ContractData {
    ContractData::builder().contract_id(id(number)).build()
}

fn fresh(vm: &VM) -> Session {
    vm.session(SessionData::builder()).unwrap()
}

fn backends() -> [VM; 2] {
    let built = Backend::BUILT;
    [built[0], built[built.len() - 1]].map(|backend| {
        let config = Config {
            backend,
            ..Config::default()
        };
        VM::ephemeral_with_config(config).unwrap()
    })
}

/// A contract with one byte at address 0 that says which it is, and functions to see and change a page.
fn marked(mark: u8) -> Vec<u8> {
    code(&format!(
        r#"(module
          (memory (export "memory") 3)
          (global (export "A") i32 (i32.const 65536))
          (func (export "mark") (param i32) (result i32)
            (i32.store8 (i32.const 65536) (i32.const {mark})) (i32.const 1))
          (func (export "set") (param i32) (result i32)
            (i32.store8 (i32.const 8192) (i32.load8_u (i32.const 65536))) (i32.const 0))
          (func (export "put") (param i32) (result i32)
            (i32.store (i32.const 12288) (i32.load (i32.const 65536))) (i32.const 0))
          (func (export "get") (param i32) (result i32)
            (i32.store8 (i32.const 65536) (i32.load8_u (i32.const 8192))) (i32.const 1)))"#
    ))
}

fn set(session: &mut Session, contract: ContractId, value: u8) {
    session.call_raw(contract, "set", [value], LIMIT).unwrap();
}

fn byte(session: &mut Session, contract: ContractId, function: &str) -> u8 {
    session
        .call_raw(contract, function, [], LIMIT)
        .unwrap()
        .data[0]
}

/// Straight-line code, a growth by `pages`, and a loop of ten million rounds.
fn overdrawing(pages: &str) -> Vec<u8> {
    let work = "(drop (i64.load (i64.const 8)))".repeat(1_000);
    code(&format!(
        r#"(module
          (memory (export "memory") i64 3)
          (global (export "A") i64 (i64.const 65536))
          (func (export "run") (param i32) (result i32) (local i32)
            (i64.store (i64.const 0) (i64.const -1))
            (block {work})
            (drop (memory.grow {pages}))
            (loop
              (local.set 1 (i32.add (local.get 1) (i32.const 1)))
              (br_if 0 (i32.lt_u (local.get 1) (i32.const 10000000))))
            (i32.const 0)))"#
    ))
}

fn overdraw(pages: &str) {
    for vm in backends() {
        let mut session = fresh(&vm);
        let contract = session
            .deploy(overdrawing(pages), with_id(1), LIMIT)
            .unwrap();
        for limit in [21_000, 22_000, 23_000] {
            let receipt = session.call_raw(contract, "run", [], limit);
            let error = receipt.expect_err("ten million rounds do not fit the limit");
            assert_eq!(error.reverted().unwrap().receipt.gas_spent, limit);
        }
    }
}

/// P6: growing an overdrawn 64-bit memory by nearly 2^64 pages does not make the fuel counter wrap.
#[test]
fn an_overdrawn_growth_gives_no_gas() {
    overdraw("(i64.load (i64.const 0))");
}

/// P6: the same where the compiler knows the number of pages.
#[test]
fn an_overdrawn_constant_growth_gives_no_gas() {
    overdraw("(i64.const -1)");
}

/// P3, P4: a commit made inside a migration, and one after it, can be opened again.
#[test]
fn a_commit_inside_a_migration_reopens() {
    let directory = tempfile::tempdir().unwrap();
    let last = {
        let vm = VM::new(directory.path()).unwrap();
        let mut session = fresh(&vm);
        session.deploy(marked(1), with_id(1), LIMIT).unwrap();
        set(&mut session, id(1), 7);
        session.commit().unwrap();
        let migrated = session.migrate(id(1), marked(2), with_id(2), LIMIT, |new, session| {
            set(session, new, 9);
            // Refused or not, what follows must hold.
            let _ = session.commit();
            Ok(())
        });
        migrated.unwrap();
        session.commit().unwrap()
    };
    let vm = VM::new(directory.path()).unwrap();
    assert_eq!(vm.commits().last(), Some(&last));
}

/// P2, P4: a migration that fails after a commit inside it leaves a session whose root binds what it holds.
#[test]
fn a_failed_migration_with_a_commit_inside_leaves_a_true_root() {
    let vm = VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    session.deploy(marked(1), with_id(1), LIMIT).unwrap();
    set(&mut session, id(1), 5);
    let base = session.commit().unwrap();
    let mut session = vm.session(SessionData::builder().base(base)).unwrap();
    assert_eq!(byte(&mut session, id(1), "get"), 5);
    let failed = session.migrate(id(1), marked(2), with_id(2), LIMIT, |_, session| {
        set(session, id(1), 7);
        let _ = session.commit();
        session.call_raw(id(9), "nothing", [], LIMIT).map(|_| ())
    });
    assert!(failed.is_err());
    let seen = byte(&mut session, id(1), "get");
    let commit = session.commit().unwrap();
    let mut reopened = vm.session(SessionData::builder().base(commit)).unwrap();
    assert_eq!(byte(&mut reopened, id(1), "get"), seen);
}

/// P2: a migration that fails undoes a migration that succeeded inside it.
#[test]
fn a_failed_migration_undoes_one_inside() {
    let vm = VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    session.deploy(marked(1), with_id(1), LIMIT).unwrap();
    session.deploy(marked(3), with_id(3), LIMIT).unwrap();
    set(&mut session, id(3), 5);
    let before = session.root().unwrap();
    let failed = session.migrate(id(1), marked(2), with_id(2), LIMIT, |_, session| {
        session.migrate(id(3), marked(4), with_id(4), LIMIT, |_, _| Ok(()))?;
        session.call_raw(id(9), "nothing", [], LIMIT).map(|_| ())
    });
    assert!(failed.is_err());
    assert_eq!(byte(&mut session, id(3), "mark"), 3);
    assert_eq!(byte(&mut session, id(3), "get"), 5);
    assert_eq!(session.root().unwrap(), before);
}

/// A short mangled name whose demangled form ends only at the demangler's limit of a megabyte.
fn name_bomb() -> String {
    const DIGITS: &[u8; 62] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut symbol = String::from("IC1a");
    let mut level = "ThhhhhhhhhhhhhhhhE".to_owned();
    for _ in 0..6 {
        let at = symbol.len();
        symbol.push_str(&level);
        let (high, low) = ((at - 1) / 62, (at - 1) % 62);
        let mut back = String::from("B");
        if high > 0 {
            back.push(DIGITS[high] as char);
        }
        back.push(DIGITS[low] as char);
        back.push('_');
        level = format!("T{}E", back.repeat(16));
    }
    symbol.push_str(&level);
    format!("_R{symbol}E")
}

fn failing_deep(name: &str) -> Vec<u8> {
    code(&format!(
        r#"(module
          (memory (export "memory") 2)
          (global (export "A") i32 (i32.const 65536))
          (func $"{name}" (param i32)
            (if (i32.eqz (local.get 0)) (then (unreachable)))
            (call $"{name}" (i32.sub (local.get 0) (i32.const 1))))
          (func (export "fail") (param i32) (result i32)
            (call $"{name}" (i32.const 30)) (i32.const 0)))"#
    ))
}

fn backtrace_bytes(name: &str) -> usize {
    let vm = VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    let contract = session
        .deploy(failing_deep(name), with_id(1), LIMIT)
        .unwrap();
    let error = session.call_raw(contract, "fail", [], 30_000).unwrap_err();
    let failure = &error.reverted().unwrap().failure;
    failure.backtrace.iter().map(String::len).sum()
}

/// P6: the backtrace of a cheap failing call is small, whatever the functions are called.
#[test]
fn long_names_do_not_blow_up_backtraces() {
    let bytes = backtrace_bytes(&"x".repeat(500_000));
    assert!(bytes <= 65_536, "{bytes} bytes of backtrace");
}

/// P6: the same for names that are short only as long as they are mangled.
#[test]
fn mangled_names_do_not_blow_up_backtraces() {
    let bytes = backtrace_bytes(&name_bomb());
    assert!(bytes <= 65_536, "{bytes} bytes of backtrace");
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

/// P6, P7: a chain of commits, each used once, does not use up the process's file descriptors.
#[test]
fn images_do_not_use_up_descriptors() {
    let vm = VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    session.deploy(marked(1), with_id(1), LIMIT).unwrap();
    let mut tip = session.commit().unwrap();
    for round in 0..1_200_u32 {
        let mut session = vm.session(SessionData::builder().base(tip)).unwrap();
        session
            .call_raw(id(1), "put", round.to_le_bytes(), LIMIT)
            .unwrap();
        tip = session.commit().unwrap();
    }
    drop(session);
    let (open, _) = images();
    assert!(open < 600, "{open} descriptors are held by the image cache");
}

/// P1: a commit's protocol does not depend on what was committed first.
#[test]
fn a_commit_says_its_own_protocol() {
    let mut dear = Protocol::default();
    dear.schedule.import_base += 1;
    let config = Config {
        protocols: vec![Protocol::default(), dear.clone()],
        ..Config::default()
    };
    let directory = tempfile::tempdir().unwrap();
    let vm = VM::with_config(directory.path(), config).unwrap();
    let mut base = fresh(&vm);
    base.deploy(calling(), with_id(1), LIMIT).unwrap();
    let base = base.commit().unwrap();
    let commit = |protocol: &Protocol| {
        let data = SessionData::builder().base(base).protocol(protocol.clone());
        vm.session(data).unwrap().commit()
    };
    let gas = |commit| {
        let mut session = vm.session(SessionData::builder().base(commit)).unwrap();
        session.call_raw(id(1), "run", [], LIMIT).unwrap().gas_spent
    };
    let cheap = commit(&Protocol::default()).unwrap();
    // Refusing the second is as good as telling it from the first.
    if let Ok(dear) = commit(&dear) {
        assert_eq!(gas(dear), gas(cheap) + 1);
    }
}

fn calling() -> Vec<u8> {
    code(
        r#"(module
          (import "env" "self_id" (func $self_id))
          (memory (export "memory") 3)
          (global (export "A") i32 (i32.const 65536))
          (func (export "run") (param i32) (result i32) (call $self_id) (i32.const 0)))"#,
    )
}

/// P4: a session whose host code panicked has no root to show.
#[test]
fn a_panic_of_a_hook_does_not_give_the_root_of_nothing() {
    let vm = VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    session.deploy(marked(1), with_id(1), LIMIT).unwrap();
    session.root().unwrap();
    session.set_call_hook(|_: &crostata::FrameStart<'_>| -> Option<String> { panic!("hook") });
    let call = std::panic::AssertUnwindSafe(|| session.call_raw(id(1), "get", [], LIMIT));
    if let Ok(result) = std::panic::catch_unwind(call) {
        assert!(matches!(result, Err(Error::Fatal(_))));
    }
    assert!(matches!(session.root(), Err(Error::Fatal(_))));
}

/// A recursive function whose compiled frames hold thousands of values that its operand stack never holds:
/// each product is needed before and after the recursive call, so the compiler keeps it across.
fn fat_frames() -> Vec<u8> {
    let products: String = (0..1_500_u64)
        .map(|at| {
            let factor = (at + 3) * 1_000_003;
            format!("(local.set 1 (i64.xor (i64.rotl (local.get 1) (i64.const 1)) (i64.mul (local.get 0) (i64.const {factor}))))")
        })
        .collect();
    code(&format!(
        r#"(module
          (memory (export "memory") 2)
          (global (export "A") i32 (i32.const 65536))
          (func $recurse (param i64) (result i64) (local i64)
            {products}
            (local.set 1 (i64.add (local.get 1) (call $recurse (i64.add (local.get 0) (i64.const 1)))))
            {products}
            (local.get 1))
          (func (export "run") (param i32) (result i32)
            (i64.store (i32.const 0) (call $recurse (i64.extend_i32_u (local.get 0))))
            (i32.const 0)))"#
    ))
}

/// P1, P7: the stack counter ends a recursion before the native stack does, whatever compiled frames hold.
#[test]
fn fat_frames_exhaust_the_counter_first() {
    let ended = backends().map(|vm| {
        let mut session = fresh(&vm);
        let contract = session.deploy(fat_frames(), with_id(1), LIMIT).unwrap();
        let error = session.call_raw(contract, "run", [], LIMIT).unwrap_err();
        error.reverted().map(|reverted| reverted.failure.code)
    });
    assert_eq!(ended, [Some(crostata::Outcome::StackExhausted); 2]);
}

/// P7: a closure that puts another session in the place of the migrating one gets an error.
#[test]
fn a_closure_can_not_swap_the_session() {
    let vm = VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    session.deploy(marked(1), with_id(1), LIMIT).unwrap();
    let swapped = session.migrate(id(1), marked(2), with_id(2), LIMIT, |_, session| {
        *session = fresh(&vm);
        Ok(())
    });
    assert!(swapped.is_err());
}

/// Tens of thousands of calls with many results each.
fn many_results(calls: usize) -> Vec<u8> {
    let types = "i64 ".repeat(16);
    let values = "(i64.load (i32.const 8))".repeat(16);
    let calls = "call $wide ".repeat(calls);
    let drops = "drop ".repeat(16);
    code(&format!(
        r#"(module
          (memory (export "memory") 2)
          (global (export "A") i32 (i32.const 65536))
          (func $wide (param {types}) (result {types})
            local.get 15 local.get 14 local.get 13 local.get 12 local.get 11 local.get 10 local.get 9 local.get 8
            local.get 7 local.get 6 local.get 5 local.get 4 local.get 3 local.get 2 local.get 1 local.get 0)
          (func (export "run") (param i32) (result i32)
            {values} {calls} {drops} (i32.const 0)))"#
    ))
}

/// P7: code that the rules accept compiles.
#[test]
fn accepted_code_compiles() {
    for vm in backends() {
        let deployed = fresh(&vm).deploy(many_results(5_000), with_id(1), LIMIT);
        assert!(!matches!(deployed, Err(Error::Fatal(_))), "{deployed:?}");
    }
}
