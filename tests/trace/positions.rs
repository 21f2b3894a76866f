//! Failures in located sessions tell the operators of the deployed code, of the failed frame and of those below it.

use crostata::{CodePosition, ContractId, Failure, Session, SessionData, code_hash};
use wasmparser::{Operator, Parser, Payload};

use crate::fixtures::{BACKENDS, LIMIT, WIDTHS, Width, deploy, ephemeral, id, module, reverted};

/// Calls what its argument names (an id, then what that is called with) and traps if that fails; with no argument it traps below a function.
/// Loads and stores are around, for which the rewriting puts checks in.
const CHAIN: &str = r#"
  (data (PTR.const 1024) "runfail")
  (func $deep (param i32)
    (i32.store (call $at (i32.const 200000)) (local.get 0))
    (nop)
    (if (i32.eqz (i32.load (call $at (i32.const 200008)))) (then (unreachable))))
  (func $callee (param $len i32) (result i32)
    (memory.copy (PTR.const 131072) (PTR.const 65536) (call $at (local.get $len)))
    (memory.copy (PTR.const 65536) (PTR.const 131104) (call $at (i32.sub (local.get $len) (i32.const 32))))
    (call $c (PTR.const 131072) (PTR.const 1024) (i32.const 3) (i32.sub (local.get $len) (i32.const 32)) (i64.const 0)))
  (func (export "run") (param $len i32) (result i32)
    (if (i32.eqz (local.get $len)) (then (call $deep (i32.const 7))))
    (if (i32.lt_s (call $callee (local.get $len)) (i32.const 0)) (then (unreachable)))
    (i32.const 0))
  (func (export "fail") (param $len i32) (result i32)
    (i32.store (PTR.const 65536) (i32.const 42))
    (call $panic (i32.const 4))
    (i32.const 0))
  (func (export "beyond") (param $len i32) (result i32)
    (i32.store (PTR.const 65536) (i32.const 42))
    (i32.load (call $at (i32.const -8))))
  (func (export "spin") (param $len i32) (result i32)
    (loop (br 0)) (unreachable))"#;

/// What stands at a place: the function's index and the operator.
fn operator(code: &[u8], position: &CodePosition) -> (u32, String) {
    let (mut imports, mut nth) = (0, 0);
    for payload in Parser::new(0).parse_all(code) {
        match payload.unwrap() {
            Payload::ImportSection(section) => imports = section.count(),
            Payload::CodeSectionEntry(body) => {
                for read in body
                    .get_operators_reader()
                    .unwrap()
                    .into_iter_with_offsets()
                {
                    let (operator, offset) = read.unwrap();
                    if offset as u64 == position.offset {
                        return (imports + nth, name(&operator));
                    }
                }
                nth += 1;
            }
            _ => {}
        }
    }
    panic!("no operator at {position:?}");
}

fn name(operator: &Operator<'_>) -> String {
    let text = format!("{operator:?}");
    let end = text.find([' ', '{', '(']).unwrap_or(text.len());
    text[..end].to_owned()
}

/// The contract and the operator of each place; the function's index is held against the code.
fn told(code: &[u8], failure: &Failure) -> Vec<(ContractId, String)> {
    let positions = failure.positions.iter();
    let told = positions.map(|position| {
        assert_eq!(position.code, code_hash(code));
        let (function, operator) = operator(code, position);
        assert_eq!(function, position.function_index);
        (position.contract, operator)
    });
    told.collect()
}

fn fails(session: &mut Session, number: u8, function: &str, path: &[u8]) -> Vec<Failure> {
    let argument: Vec<u8> = path
        .iter()
        .flat_map(|number| id(*number).to_bytes())
        .collect();
    session.watch();
    let reverted = reverted(session.call_raw(id(number), function, argument, 20_000_000));
    let trace = session.take_trace().unwrap();
    let failures = trace
        .frames
        .into_iter()
        .map(|frame| frame.result.unwrap_err());
    let failures: Vec<_> = failures.collect();
    assert_eq!(failures[0], reverted.failure);
    failures
}

fn scene(test: impl Fn(&mut Session, &[u8])) {
    // Places do not depend on how width and backend go together.
    for (backend, width) in BACKENDS.into_iter().zip(WIDTHS) {
        let vm = ephemeral(backend);
        let code = module(width, CHAIN);
        let mut session = vm.session(SessionData::builder().located()).unwrap();
        for number in 0..4 {
            deploy(&mut session, number, &code);
        }
        test(&mut session, &code);
        // Committed code is found as well.
        let commit = session.commit().unwrap();
        let data = SessionData::builder().base(commit).located();
        test(&mut vm.session(data).unwrap(), &code);
    }
}

fn at(number: u8, operator: &str) -> (ContractId, String) {
    (id(number), operator.to_owned())
}

/// A trap's own operator, then the calls that led there.
#[test]
fn a_trap_tells_its_operator_and_the_calls() {
    scene(|session, code| {
        let failures = fails(session, 0, "run", &[]);
        assert_eq!(
            told(code, &failures[0]),
            [at(0, "Unreachable"), at(0, "Call")]
        );
        let failures = fails(session, 1, "fail", &[]);
        assert_eq!(told(code, &failures[0]), [at(1, "Call")]);
        let failures = fails(session, 1, "beyond", &[]);
        assert_eq!(told(code, &failures[0]), [at(1, "I32Load")]);
        let failures = fails(session, 2, "spin", &[]);
        assert_eq!(told(code, &failures[0]), [at(2, "Loop")]);
    });
}

/// The frames below are told with their contracts, though all have the same code, also where a contract is entered again.
#[test]
fn callers_are_told_apart() {
    let caller = |number| [at(number, "Call"), at(number, "Call")];
    scene(|session, code| {
        for path in [[1, 2, 3], [1, 0, 1], [0, 0, 0]] {
            let failures = fails(session, 0, "run", &path);
            let frames = [0, path[0], path[1], path[2]];
            for (depth, failure) in failures.iter().enumerate() {
                let mut expected = match depth {
                    3 => vec![at(frames[3], "Unreachable"), at(frames[3], "Call")],
                    depth => vec![at(frames[depth], "Unreachable")],
                };
                expected.extend(
                    frames[..depth]
                        .iter()
                        .rev()
                        .flat_map(|number| caller(*number)),
                );
                assert_eq!(told(code, failure), expected, "{path:?}, depth {depth}");
            }
        }
    });
}

/// P8: places are told to who asked for them. Everything else of a failure is the same.
#[test]
fn without_asking_there_are_no_places() {
    for backend in BACKENDS {
        let vm = ephemeral(backend);
        let code = module(Width::Narrow, CHAIN);
        let run = |data| {
            let mut session = vm.session(data).unwrap();
            deploy(&mut session, 0, &code);
            reverted(session.call_raw(id(0), "run", [], LIMIT))
        };
        let plain = run(SessionData::builder());
        let mut located = run(SessionData::builder().located());
        assert!(plain.failure.positions.is_empty() && located.failure.positions.len() == 2);
        assert_eq!(plain.failure.to_string(), located.failure.to_string());
        located.failure.positions.clear();
        assert_eq!(plain.failure, located.failure);
        assert_eq!(plain.receipt.digest, located.receipt.digest);
    }
}
