//! Numbers: NaNs have one pattern wherever they were made, and arithmetic is the same on both backends.

use crostata::{Outcome, Session};
use proptest::prelude::*;

use crate::fixtures::{
    BACKENDS, LIMIT, Narrow, Wide, deploy, ephemeral, fresh, id, module, reverted,
};

/// Operators of two operands of each type; operands are at the buffer's start and 8 behind it.
const BINARY: &[(&str, &[&str])] = &[
    (
        "f32",
        &["add", "sub", "mul", "div", "min", "max", "copysign"],
    ),
    (
        "f64",
        &["add", "sub", "mul", "div", "min", "max", "copysign"],
    ),
    (
        "i32",
        &[
            "add", "sub", "mul", "div_s", "div_u", "rem_s", "rem_u", "shl", "shr_s", "shr_u",
            "rotl", "rotr",
        ],
    ),
    (
        "i64",
        &[
            "add", "sub", "mul", "div_s", "div_u", "rem_s", "rem_u", "shl", "shr_s", "shr_u",
            "rotl", "rotr",
        ],
    ),
];

/// Operators of one operand: its type, the result's, and the operator.
const UNARY: &[(&str, &str, &str)] = &[
    ("f32", "f32", "f32.sqrt"),
    ("f32", "f32", "f32.ceil"),
    ("f32", "f32", "f32.floor"),
    ("f32", "f32", "f32.trunc"),
    ("f32", "f32", "f32.nearest"),
    ("f32", "f32", "f32.neg"),
    ("f32", "f32", "f32.abs"),
    ("f32", "f64", "f64.promote_f32"),
    ("f64", "f64", "f64.sqrt"),
    ("f64", "f64", "f64.ceil"),
    ("f64", "f64", "f64.floor"),
    ("f64", "f64", "f64.trunc"),
    ("f64", "f64", "f64.nearest"),
    ("f64", "f64", "f64.neg"),
    ("f64", "f64", "f64.abs"),
    ("f64", "f32", "f32.demote_f64"),
    ("f64", "i32", "i32.trunc_f64_s"),
    ("f64", "i32", "i32.trunc_f64_u"),
    ("f64", "i64", "i64.trunc_f64_s"),
    ("f64", "i64", "i64.trunc_f64_u"),
    ("f32", "i64", "i64.trunc_f32_s"),
    ("f64", "i32", "i32.trunc_sat_f64_s"),
    ("f64", "i64", "i64.trunc_sat_f64_u"),
    ("f32", "i32", "i32.trunc_sat_f32_u"),
    ("i64", "f64", "f64.convert_i64_s"),
    ("i64", "f32", "f32.convert_i64_u"),
    ("i32", "f32", "f32.convert_i32_u"),
    ("i64", "i64", "i64.clz"),
    ("i64", "i64", "i64.ctz"),
    ("i64", "i64", "i64.popcnt"),
    ("i32", "i32", "i32.extend8_s"),
    ("i64", "i64", "i64.extend32_s"),
];

/// The names of all functions of the contract [`calculator`].
fn functions() -> Vec<String> {
    let binary = BINARY
        .iter()
        .flat_map(|(of, names)| names.iter().map(move |name| format!("{of}.{name}")));
    let unary = UNARY.iter().map(|(_, _, name)| (*name).to_owned());
    binary.chain(unary).collect()
}

/// A function: computes from what is in the buffer, stores the result's bits there and also in the cells, so that
/// the root sees them.
fn function(name: &str, result: &str, compute: &str) -> String {
    format!(
        "(func (export \"{name}\") (param i32) (result i32)
           (i64.store (PTR.const 196608) (i64.const 0))
           ({result}.store (PTR.const 196608) ({compute}))
           (i64.store (PTR.const 65536) (i64.load (PTR.const 196608)))
           (i32.const 8))\n"
    )
}

/// A contract with every operator as a function.
fn calculator(width: crate::fixtures::Width) -> Vec<u8> {
    let load = |of: &str, at: u32| format!("({of}.load (PTR.const {at}))");
    let mut body = String::new();
    for (of, names) in BINARY {
        for name in *names {
            let compute = format!("{of}.{name} {} {}", load(of, 65_536), load(of, 65_544));
            body += &function(&format!("{of}.{name}"), of, &compute);
        }
    }
    for (of, result, name) in UNARY {
        body += &function(name, result, &format!("{name} {}", load(of, 65_536)));
    }
    module(width, &body)
}

/// Sessions with a calculator on each backend.
fn sessions() -> [Session; 2] {
    BACKENDS.map(|backend| {
        let mut session = fresh(&ephemeral(backend));
        deploy(&mut session, 1, &calculator(Narrow));
        session
    })
}

/// What a computation gave: the bits or the code, the gas, and the root.
fn compute(
    session: &mut Session,
    function: &str,
    left: u64,
    right: u64,
) -> (Result<u64, Outcome>, u64, crostata::Root) {
    let argument = [left.to_le_bytes(), right.to_le_bytes()].concat();
    let called = session.call_raw(id(1), function, argument, LIMIT);
    let root = session.root().unwrap();
    match called {
        Ok(receipt) => {
            let bits = u64::from_le_bytes(receipt.data.try_into().unwrap());
            (Ok(bits), receipt.gas_spent, root)
        }
        Err(error) => {
            let failed = reverted::<()>(Err(error));
            (Err(failed.failure.code), failed.receipt.gas_spent, root)
        }
    }
}

/// Patterns that make trouble, as 64 bits; the low half is an `f32` or `i32`.
const EDGES: [u64; 22] = [
    0,
    1,
    u64::MAX,
    1 << 63,
    (1 << 63) - 1,
    0x8000_0000_8000_0000,
    0x7ff8_0000_0000_0000,
    0xfff8_0000_0000_0000,
    0x7ff0_0000_0000_0001,
    0x7ff4_dead_beef_0001,
    0xffff_ffff_ffff_ffff,
    0x7ff0_0000_0000_0000,
    0xfff0_0000_0000_0000,
    0x7fc0_0000,
    0xffc0_0000,
    0x7fa0_1234,
    0x7f80_0001,
    0x7f80_0000,
    0xff80_0000,
    0x3ff0_0000_3f80_0000,
    0x43e0_0000_0000_0000,
    0x0000_0001_ffff_ffff,
];

/// Both backends compute the same bits, gas and roots for every operator and every pair of edges.
#[test]
fn backends_agree_on_edges() {
    let mut sessions = sessions();
    for function in functions() {
        let [native, portable] = sessions.each_mut().map(|session| {
            let pairs = EDGES.iter().enumerate().flat_map(|(at, left)| {
                // Each edge against itself and four others.
                (0..5).map(move |step| (*left, EDGES[(at + step * 5) % EDGES.len()]))
            });
            pairs
                .map(|(left, right)| (left, right, compute(session, &function, left, right)))
                .collect::<Vec<_>>()
        });
        assert_eq!(native, portable, "{function}");
    }
}

/// A NaN made by an operator has the canonical bits, whatever payload and sign the operands had.
#[test]
fn computed_nans_are_canonical() {
    let nan_32: [u32; 5] = [
        0x7fc0_0000,
        0xffc0_0000,
        0x7fa0_1234,
        0xff80_0001,
        0x7fff_ffff,
    ];
    let nan_64: [u64; 4] = [
        0x7ff8_0000_0000_0000,
        0xfff8_0000_0000_dead,
        0x7ff4_dead_beef_0001,
        0xfff0_0000_0000_0001,
    ];
    for mut session in sessions() {
        for name in ["add", "sub", "mul", "div", "min", "max"] {
            for nan in nan_32.map(u64::from) {
                for (left, right) in [(nan, 0x3f80_0000), (0x3f80_0000, nan), (nan, nan)] {
                    let (bits, _, _) = compute(&mut session, &format!("f32.{name}"), left, right);
                    assert_eq!(bits, Ok(0x7fc0_0000), "f32.{name} {left:x} {right:x}");
                }
            }
            let one = 1f64.to_bits();
            for nan in nan_64 {
                for (left, right) in [(nan, one), (one, nan), (nan, nan)] {
                    let (bits, _, _) = compute(&mut session, &format!("f64.{name}"), left, right);
                    assert_eq!(bits, Ok(0x7ff8 << 48), "f64.{name} {left:x} {right:x}");
                }
            }
        }
        for name in ["sqrt", "ceil", "floor", "trunc", "nearest"] {
            let (bits, _, _) = compute(&mut session, &format!("f64.{name}"), nan_64[2], 0);
            assert_eq!(bits, Ok(0x7ff8 << 48), "f64.{name}");
        }
        let made_of_none = compute(&mut session, "f64.sub", 0x7ff0 << 48, 0x7ff0 << 48);
        assert_eq!(made_of_none.0, Ok(0x7ff8 << 48));
        let demoted = compute(&mut session, "f32.demote_f64", nan_64[1], 0);
        assert_eq!(demoted.0, Ok(0x7fc0_0000));
        let promoted = compute(&mut session, "f64.promote_f32", 0xffa0_1234, 0);
        assert_eq!(promoted.0, Ok(0x7ff8 << 48));
    }
}

/// What only moves bits keeps a NaN's payload and changes at most its sign: loads, stores, negation, `abs`, `copysign`.
#[test]
fn moved_nans_keep_their_bits() {
    let nan = 0x7ff4_dead_beef_0001u64;
    let sign = 1 << 63;
    for mut session in sessions() {
        let mut bits = |name: &str, left, right| compute(&mut session, name, left, right).0;
        assert_eq!(bits("f64.neg", nan, 0), Ok(nan | sign));
        assert_eq!(bits("f64.abs", nan | sign, 0), Ok(nan));
        assert_eq!(bits("f64.copysign", nan, sign), Ok(nan | sign));
    }
}

/// Division by zero and overflow trap with their codes and the whole limit; remainder of the least by -1 is 0.
#[test]
fn division() {
    for mut session in sessions() {
        let mut outcome = |name: &str, left: i64, right: i64| {
            let (result, gas, _) = compute(&mut session, name, left as u64, right as u64);
            assert_eq!(gas == LIMIT, result.is_err());
            result
        };
        for name in ["i64.div_s", "i64.div_u", "i64.rem_s", "i64.rem_u"] {
            assert_eq!(outcome(name, 5, 0), Err(Outcome::DivideByZero));
        }
        assert_eq!(
            outcome("i64.div_s", i64::MIN, -1),
            Err(Outcome::IntegerOverflow)
        );
        assert_eq!(outcome("i64.rem_s", i64::MIN, -1), Ok(0));
        assert_eq!(outcome("i64.div_s", -7, 2), Ok(-3i64 as u64));
        assert_eq!(outcome("i64.rem_s", -7, 2), Ok(-1i64 as u64));
        assert_eq!(outcome("i64.div_u", -1, 2), Ok(u64::MAX / 2));
    }
}

/// Random operands: both backends agree; the widths agree on all but gas.
#[test]
fn backends_and_widths_agree_on_random_operands() {
    let [native, portable] = sessions();
    let mut wide = fresh(&ephemeral(BACKENDS[0]));
    deploy(&mut wide, 1, &calculator(Wide));
    let sessions = std::cell::RefCell::new([native, portable, wide]);
    let functions = functions();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let operands = (0..functions.len(), any::<u64>(), any::<u64>());
    let checked = runner.run(&operands, |(function, left, right)| {
        let function = &functions[function];
        let mut sessions = sessions.borrow_mut();
        let results = sessions
            .each_mut()
            .map(|session| compute(session, function, left, right));
        prop_assert_eq!(&results[0], &results[1]);
        prop_assert_eq!(results[0].0, results[2].0);
        Ok(())
    });
    checked.unwrap();
}
