//! P6, P7: each rule has its rejection, at the byte that breaks it.

use super::super::{CodeLimits, Rejection, Reserved, prepare};
use super::{PARTS_32, contract, contract_64, rejected, wasm};

/// The rejection is the expected variant, its offset lies in the code, and its message says more
/// than the numbers.
macro_rules! assert_rejected {
    ($code:expr, $variant:ident $({ $($field:tt)* })?) => {{
        let code: Vec<u8> = $code;
        let rejection = rejected(&code);
        assert!(matches!(&rejection, Rejection::$variant { $($($field)*,)? .. }), "{rejection:?}");
        let offset = offset_of(&rejection);
        assert!(offset <= code.len() as u64, "{rejection:?}");
        assert!(rejection.to_string().len() > 30, "{rejection}");
        (rejection, code)
    }};
}

/// The offset as its debug form has it: every variant carries one.
fn offset_of(rejection: &Rejection) -> u64 {
    let text = format!("{rejection:?}");
    let (_, rest) = text
        .split_once("offset: ")
        .expect("every rejection has an offset");
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

/// Where the byte string first occurs.
fn find(code: &[u8], bytes: &[u8]) -> u64 {
    code.windows(bytes.len())
        .position(|window| window == bytes)
        .unwrap() as u64
}

#[test]
fn malformed_code() {
    assert_rejected!(Vec::new(), Invalid);
    assert_rejected!(b"\0asm".to_vec(), Invalid);
    assert_rejected!(b"not wasm at all".to_vec(), Invalid);
    assert_rejected!(b"\0asm\x0d\0\x01\0".to_vec(), Component { offset: 0 });
    let mut code = contract("");
    code.push(0xff);
    assert_rejected!(code, Invalid);
}

#[test]
fn features_outside_the_list_are_named() {
    let name = |code: Vec<u8>| match rejected(&code) {
        Rejection::Feature { feature, .. } => feature,
        other => panic!("{other:?}"),
    };
    let function = |text: &str| name(contract(text));
    assert_eq!(function("(func (drop (v128.const i64x2 0 0)))"), "SIMD");
    assert_eq!(
        function("(func (drop (i32x4.add (v128.const i64x2 0 0) (v128.const i64x2 0 0))))"),
        "SIMD"
    );
    assert_eq!(function("(func (atomic.fence))"), "THREADS");
    assert_eq!(function("(func $f (return_call $f))"), "TAIL_CALL");
    assert_eq!(function("(tag)"), "EXCEPTIONS");
    assert_eq!(function("(type (struct))"), "GC");
    assert_eq!(
        name(wasm(r#"(module (memory (export "memory") 3 4 shared))"#)),
        "THREADS"
    );
    assert_eq!(
        name(wasm(
            r#"(module (memory (export "memory") 3 (pagesize 1)))"#
        )),
        "CUSTOM_PAGE_SIZES"
    );
    assert_eq!(
        function(
            "(func (param i64 i64) (result i64 i64) (i64.add128 (local.get 0) (local.get 1) (local.get 0) (local.get 1)))"
        ),
        "WIDE_ARITHMETIC"
    );
}

#[test]
fn value_types_are_the_four_numbers() {
    for fields in [
        "(func (param funcref))",
        "(func (result externref) unreachable)",
        "(func (local funcref))",
        "(func (block (result funcref) unreachable) drop)",
        "(func (drop (select (result funcref) unreachable)))",
    ] {
        assert_rejected!(contract(fields), ValueType);
    }
}

#[test]
fn operators_on_tables_segments_and_references_are_refused() {
    for (operators, expected) in [
        ("(drop (table.get (i32.const 0)))", "table.get"),
        ("(drop (table.size))", "table.size"),
        (
            "(table.copy (i32.const 0) (i32.const 0) (i32.const 0))",
            "table.copy",
        ),
        ("(drop (ref.func $f))", "ref.func"),
        ("(drop (ref.null func))", "ref.null"),
        ("(unreachable) (table.fill)", "table.fill"),
        ("(unreachable) (drop (table.grow))", "table.grow"),
        ("(unreachable) (table.set)", "table.set"),
        ("(unreachable) (drop (ref.is_null))", "ref.is_null"),
    ] {
        let function = format!("(func $f {operators})");
        let rejection = rejected(&contract(&format!("(table 4 funcref) {function}")));
        let is_expected =
            matches!(rejection, Rejection::Operator { operator, .. } if operator == expected);
        assert!(is_expected, "{operators}: {rejection:?}");
    }
}

#[test]
fn segments_that_are_not_active() {
    assert_rejected!(contract(r#"(data "x")"#), PassiveData { segment: 0 });
    let passive = "(func $f (elem.drop $e)) (elem $e func $f)";
    assert_rejected!(contract(passive), InactiveElements { segment: 0 });
    assert_rejected!(
        contract("(func $f) (elem declare func $f)"),
        InactiveElements
    );
    let expressions = "(func $f) (table 4 funcref) (elem (i32.const 0) funcref (ref.func $f))";
    assert_rejected!(contract(expressions), ElementExpressions { segment: 0 });
    let memory_init =
        r#"(data $d "x") (func (memory.init $d (i32.const 0) (i32.const 0) (i32.const 0)))"#;
    assert!(matches!(
        rejected(&contract(memory_init)),
        Rejection::Operator {
            operator: "memory.init",
            ..
        }
    ));
    let data_drop = r#"(data $d "x") (func (data.drop $d))"#;
    assert!(matches!(
        rejected(&contract(data_drop)),
        Rejection::Operator {
            operator: "data.drop",
            ..
        }
    ));
}

#[test]
fn start_functions() {
    let (rejection, code) = assert_rejected!(contract("(func $s) (start $s)"), Start);
    assert_eq!(
        code[offset_of(&rejection) as usize - 2],
        8,
        "just behind the header of section 8"
    );
}

#[test]
fn memories() {
    assert_rejected!(wasm("(module)"), MemoryMissing);
    assert_rejected!(
        wasm(r#"(module (memory (export "memory") 1) (memory 1))"#),
        MemoryCount { found: 2 }
    );
    assert_rejected!(
        wasm(r#"(module (import "env" "memory" (memory 1)))"#),
        ImportKind { kind: "memory" }
    );
    assert_rejected!(wasm("(module (memory 1))"), MemoryNotExported);
    assert_rejected!(
        wasm(
            r#"(module (memory (export "m") (export "memory") 3) (global (export "A") i32 (i32.const 0)))"#
        ),
        ExportKind { kind: "memory" }
    );
    let large =
        r#"(module (memory (export "memory") 4097) (global (export "A") i32 (i32.const 0)))"#;
    assert_rejected!(
        wasm(large),
        Limit {
            limit: "memory_wasm_pages_max",
            found: 4097
        }
    );
}

#[test]
fn argument_buffers() {
    let with = |global: &str| {
        wasm(&format!(
            r#"(module (memory (export "memory") 3) {global})"#
        ))
    };
    assert_rejected!(with(""), ArgumentBufferMissing);
    assert_rejected!(with(r#"(func (export "A"))"#), ArgumentBufferMissing);
    assert_rejected!(
        with(r#"(global (export "A") i64 (i64.const 0))"#),
        ArgumentBufferType { expected: "i32" }
    );
    assert_rejected!(
        with(r#"(global (export "A") (mut i32) (i32.const 0))"#),
        ArgumentBufferType
    );
    let wide =
        r#"(module (memory (export "memory") i64 3) (global (export "A") i32 (i32.const 0)))"#;
    assert_rejected!(wasm(wide), ArgumentBufferType { expected: "i64" });
    let high = r#"(global (export "A") i32 (i32.const 131073))"#;
    assert_rejected!(
        with(high),
        ArgumentBufferOutOfBounds {
            start: 131_073,
            memory_bytes: 196_608
        }
    );
    assert_rejected!(
        with(r#"(global (export "A") i32 (i32.const -1))"#),
        ArgumentBufferOutOfBounds
    );
    let overflow =
        r#"(module (memory (export "memory") i64 3) (global (export "A") i64 (i64.const -1)))"#;
    assert_rejected!(
        wasm(overflow),
        ArgumentBufferOutOfBounds { start: u64::MAX }
    );
}

#[test]
fn imports() {
    let import = |text: &str| wasm(&format!("(module (import {text}) {PARTS_32})"));
    let (rejection, code) = assert_rejected!(import(r#""env" "sleep" (func)"#), UnknownImport);
    assert_eq!(offset_of(&rejection), find(&code, b"\x03env\x05sleep"));
    assert_rejected!(
        import(r#""wasi" "limit" (func (result i64))"#),
        UnknownImport
    );
    let (rejection, _) = assert_rejected!(
        import(r#""env" "limit" (func (result i32))"#),
        ImportSignature
    );
    let Rejection::ImportSignature {
        expected, found, ..
    } = rejection
    else {
        unreachable!()
    };
    assert_eq!(
        (expected.as_str(), found.as_str()),
        ("() -> (i64)", "() -> (i32)")
    );
    assert_rejected!(
        import(r#""env" "limit" (global i32)"#),
        ImportKind { kind: "global" }
    );
    assert_rejected!(
        import(r#""env" "limit" (table 1 funcref)"#),
        ImportKind { kind: "table" }
    );
    let narrow = r#"(module (import "env" "owner" (func (param i32) (result i32)))
        (memory (export "memory") i64 3) (global (export "A") i64 (i64.const 0)))"#;
    assert_rejected!(wasm(narrow), ImportSignature);
}

#[test]
fn exports() {
    let (rejection, code) = assert_rejected!(
        contract(r#"(func (export "add") (param i64))"#),
        ExportSignature
    );
    assert_eq!(offset_of(&rejection), find(&code, b"\x03add"));
    assert_rejected!(
        contract(r#"(table (export "t") 1 funcref)"#),
        ExportKind { kind: "table" }
    );
    assert_rejected!(
        contract(r#"(global (export "g") (mut i32) (i32.const 0))"#),
        MutableGlobalExported
    );
    assert_rejected!(
        contract(r#"(global (export "crostata.x") i32 (i32.const 0))"#),
        ReservedName
    );
    let import = r#"(module (import "env" "owner" (func $o (param i32) (result i32))) (export "o" (func $o))"#;
    assert_rejected!(wasm(&format!("{import} {PARTS_32})")), ImportExported);
    let long = format!(
        r#"(func (export "{}") (param i32) (result i32) (i32.const 0))"#,
        "n".repeat(256)
    );
    assert_rejected!(
        contract(&long),
        Limit {
            limit: "export_name_bytes_max",
            found: 256
        }
    );
}

#[test]
fn data_segments() {
    assert_rejected!(
        contract(r#"(data (i32.const 196607) "xy")"#),
        DataOutOfBounds {
            start: 196_607,
            len_bytes: 2
        }
    );
    assert_rejected!(contract(r#"(data (i32.const 196609) "")"#), DataOutOfBounds);
    assert_rejected!(
        contract_64(r#"(data (i64.const -1) "xy")"#),
        DataOutOfBounds
    );
    let low = r#"(data (i32.const 65535) "xy")"#;
    assert_rejected!(
        contract(low),
        DataOverlaps {
            reserved: Reserved::ArgumentBuffer
        }
    );
    assert_rejected!(
        contract(r#"(data (i32.const 8) "ok") (data (i32.const 131071) "x")"#),
        DataOverlaps { segment: 1 }
    );
    let stack = r#"(@custom "crostata.stack" "\10\00\00\00\00\00\00\00\10\00\00\00\00\00\00\00")"#;
    let code = contract(&format!(r#"{stack} (data (i32.const 31) "x")"#));
    assert_rejected!(
        code,
        DataOverlaps {
            reserved: Reserved::Stack
        }
    );
    for fits in [
        r#"(data (i32.const 15) "x")"#,
        r#"(data (i32.const 32) "x")"#,
        r#"(data (i32.const 20) "")"#,
    ] {
        prepare(
            &contract(&format!("{stack} {fits}")),
            &CodeLimits::default(),
        )
        .unwrap();
    }
    for fits in [
        r#"(data (i32.const 65535) "x")"#,
        r#"(data (i32.const 131072) "x")"#,
        r#"(data (i32.const 70000) "")"#,
    ] {
        prepare(&contract(fits), &CodeLimits::default()).unwrap();
    }
}

#[test]
fn tables() {
    assert_rejected!(
        contract("(table 1 funcref) (table 1 funcref)"),
        TableCount { found: 2 }
    );
    assert_rejected!(contract("(table 1 externref)"), TableType);
    assert_rejected!(
        contract("(func $f) (table 2 funcref) (elem (i32.const 1) $f $f)"),
        ElementsOutOfBounds {
            start: 1,
            count: 2,
            table_elements: 2
        }
    );
    assert_rejected!(
        contract("(table 8193 funcref)"),
        Limit {
            limit: "table_elements_max"
        }
    );
    let segments = "(elem (i32.const 0) $f)".repeat(257);
    assert_rejected!(
        contract(&format!("(func $f) (table 1 funcref) {segments}")),
        Limit {
            limit: "element_segments_max"
        }
    );
    let wide = format!("(elem (i32.const 0) {})", "$f ".repeat(5_000)).repeat(2);
    assert_rejected!(
        contract(&format!("(func $f) (table 5000 funcref) {wide}")),
        Limit {
            limit: "table_elements_max",
            found: 10_000
        }
    );
}

#[test]
fn reserved_sections() {
    let (rejection, code) =
        assert_rejected!(contract(r#"(@custom "crostata.else" "x")"#), UnknownSection);
    assert_eq!(offset_of(&rejection), find(&code, b"crostata.else") + 13);
    assert_rejected!(
        contract(r#"(@custom "crostata.layout" "x") (@custom "crostata.layout" "x")"#),
        DuplicateSection
    );
    assert_rejected!(
        contract(r#"(@custom "crostata.reentry" "\03")"#),
        MalformedSection
    );
    assert_rejected!(
        contract(r#"(@custom "crostata.reentry" "")"#),
        MalformedSection
    );
    assert_rejected!(
        contract(r#"(@custom "crostata.reentry" "\00\00")"#),
        MalformedSection
    );
    assert_rejected!(
        contract(r#"(@custom "crostata.stack" "0123456789abcde")"#),
        MalformedSection
    );
    assert_rejected!(
        contract(r#"(@custom "crostata.stack" "0123456789abcdefg")"#),
        MalformedSection
    );
    let stack = |bytes: &str| contract(&format!(r#"(@custom "crostata.stack" "{bytes}")"#));
    let zeros = r"\00\00\00\00\00";
    assert_rejected!(
        stack(&format!(r"\00\00\00{zeros}\01\00\10{zeros}")),
        Limit {
            limit: "stack_section_bytes_max"
        }
    );
    assert_rejected!(
        stack(&format!(r"\ff\ff\02{zeros}\02\00\00{zeros}")),
        StackOutOfBounds { start: 196_607 }
    );
    assert_rejected!(
        stack(&format!(r"\ff\ff\00{zeros}\02\00\00{zeros}")),
        StackOverlapsArgumentBuffer
    );
    assert_rejected!(
        stack(&(r"\ff".repeat(8) + r"\01\00\00" + zeros)),
        StackOutOfBounds
    );
}

/// The limit under test, and a function that needs `n` of it.
fn limited(limit: &'static str, max: u64, make: impl Fn(u64) -> String) {
    prepare(&contract(&make(max)), &CodeLimits::default()).unwrap();
    match rejected(&contract(&make(max + 1))) {
        Rejection::Limit {
            limit: found_limit,
            found,
            max: found_max,
            ..
        } => {
            assert_eq!(found_limit, limit);
            assert_eq!(found_max, max);
            assert!(found > max);
        }
        other => panic!("{limit}: {other:?}"),
    }
}

fn times(text: &str, count: u64) -> String {
    text.repeat(usize::try_from(count).unwrap())
}

#[test]
fn limits_hold_to_the_unit() {
    let defaults = CodeLimits::default();
    limited("nesting_max", defaults.nesting_max, |n| {
        format!("(func {} {})", times("block ", n), times("end ", n))
    });
    limited("br_table_max", defaults.br_table_max, |n| {
        format!("(func (br_table {} 0 (i32.const 0)))", times("0 ", n))
    });
    limited("locals_max", defaults.locals_max, |n| {
        format!("(func (param i32) (local {}))", times("i32 ", n - 1))
    });
    limited("params_max", defaults.params_max, |n| {
        format!("(func (param {}))", times("i32 ", n))
    });
    limited("results_max", defaults.results_max, |n| {
        format!("(func (result {}) unreachable)", times("i32 ", n))
    });
    limited("operands_max", defaults.operands_max, |n| {
        format!("(func {} {})", times("i32.const 0 ", n), times("drop ", n))
    });
    limited("exports_max", defaults.exports_max, |n| {
        // `memory` and `A` are two of them.
        (2..n)
            .map(|i| format!(r#"(global (export "g{i}") i32 (i32.const 0))"#))
            .collect()
    });
    limited("globals_max", defaults.globals_max, |n| {
        times("(global i32 (i32.const 0))", n - 1)
    });
    limited("mutable_globals_max", defaults.mutable_globals_max, |n| {
        times("(global (mut i32) (i32.const 0))", n)
    });
    limited("data_segments_max", defaults.data_segments_max, |n| {
        times(r#"(data (i32.const 0) "x")"#, n)
    });
    limited("types_max", defaults.types_max, |n| {
        times("(type (func))", n)
    });
    limited("functions_max", defaults.functions_max, |n| {
        times("(func)", n)
    });
    limited("blocks_max", defaults.blocks_max, |n| {
        format!("(func {})", times("block end ", n))
    });
    limited("loops_max", defaults.loops_max, |n| {
        format!("(func {})", times("loop end ", n))
    });
    limited("br_table_targets_max", defaults.br_table_targets_max, |n| {
        let full = format!("(br_table {} 0 (i32.const 0)) ", times("0 ", 1_022));
        format!(
            "(func {} (br_table {} 0 (i32.const 0)))",
            times(&full, 4),
            times("0 ", n - 4_093)
        )
    });
    // 1,024 locals and 1,024 blocks are the bound.
    limited("block_locals_max", defaults.block_locals_max, |n| {
        let blocks = times("block end ", 1_024 + n - defaults.block_locals_max);
        format!("(func (local {}) {blocks})", times("i32 ", 1_024))
    });
    // Depths 1 to 255 make 32,640 x 514 locals, 256 units below the bound, which a flat block has 514 of.
    limited("nested_locals_max", defaults.nested_locals_max, |n| {
        let nested = times("block ", 255) + &times("end ", 255);
        let flat = times("block end ", n - defaults.nested_locals_max);
        format!("(func (local {}) {nested} {flat})", times("i32 ", 514))
    });
    // The block is one of the places, each branch another.
    limited("places_max", defaults.places_max, |n| {
        format!("(func block {} end)", times("br 0 ", n - 1))
    });
    // 512 locals written in a block with 511 branches, and its end: the bound.
    limited("joins_max", defaults.joins_max, |n| {
        let written: String = (0..512)
            .map(|local| format!("(local.set {local} (i32.const 1)) "))
            .collect();
        let branches = times("br 0 ", 511 + n - defaults.joins_max);
        let locals = times("i32 ", 512);
        format!("(func (local {locals}) block {written} {branches} end)")
    });
    // 4,096 locals and 1,024 accesses are the bound.
    limited("access_locals_max", defaults.access_locals_max, |n| {
        let access = "(drop (i32.load (i32.const 0))) ";
        let accesses = times(access, 1_024 + n - defaults.access_locals_max);
        format!("(func (local {}) {accesses})", times("i32 ", 4_096))
    });
    // 256 loops of depth 1 x 64 locals are the bound.
    limited("loop_locals_max", defaults.loop_locals_max, |n| {
        let loops = times("loop end ", 256 + n - defaults.loop_locals_max);
        format!("(func (local {}) {loops})", times("i32 ", 64))
    });
}

#[test]
fn bodies_and_modules_have_a_length() {
    limited("body_bytes_max", 65_536, |n| {
        // A body of `nop`s: one byte for the locals, one for the end.
        format!("(func {})", times("nop ", n - 2))
    });
    let limits = CodeLimits {
        code_bytes_max: 100,
        ..CodeLimits::default()
    };
    let code = contract(&times("(func)", 100));
    let found = code.len() as u64;
    let rejection = prepare(&code, &limits).unwrap_err();
    assert_eq!(
        rejection,
        Rejection::Limit {
            offset: 0,
            limit: "code_bytes_max",
            found,
            max: 100
        }
    );
}

#[test]
fn loops_are_limited_over_the_whole_module() {
    let function = format!(
        "(func (local {}) {})",
        times("i32 ", 64),
        times("loop end ", 256)
    );
    let fits = contract(&times(&function, 64));
    prepare(&fits, &CodeLimits::default()).unwrap();
    let rejection = rejected(&contract(&times(&function, 65)));
    assert!(
        matches!(
            rejection,
            Rejection::Limit {
                limit: "loop_locals_total_max",
                ..
            }
        ),
        "{rejection:?}"
    );
}

#[test]
fn what_a_module_claims_is_not_believed() {
    // Sections that claim 2^32 - 1 entries, or more bytes than there are.
    for section in [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12] {
        let mut code = b"\0asm\x01\0\0\0".to_vec();
        code.extend([section, 5, 0xff, 0xff, 0xff, 0xff, 0x0f]);
        rejected(&code);
        let mut code = b"\0asm\x01\0\0\0".to_vec();
        code.extend([section, 0xff, 0xff, 0xff, 0xff, 0x0f, 1]);
        rejected(&code);
    }
    // A function with 2^32 - 1 locals.
    let code = contract("(func (local i32))");
    let at = find(&code, b"\x01\x01\x7f\x0b") as usize;
    let mut hostile = code[..at - 3].to_vec();
    hostile.extend([10, 1, 8, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x7f, 0x0b]);
    rejected(&hostile);
}

#[test]
fn nesting_is_limited_over_the_whole_module() {
    let nested = times("block ", 255) + &times("end ", 255);
    let function = format!("(func (local {}) {nested})", times("i32 ", 512));
    let fits = contract(&times(&function, 8));
    prepare(&fits, &CodeLimits::default()).unwrap();
    let rejection = rejected(&contract(&times(&function, 9)));
    assert!(
        matches!(
            rejection,
            Rejection::Limit {
                limit: "nested_locals_total_max",
                ..
            }
        ),
        "{rejection:?}"
    );
}

/// What is refused is told in a line, whatever the parser says.
#[test]
fn what_is_no_module_is_told_in_one_line() {
    let text = rejected(b"//! A contract's source.").to_string();
    assert!(text.contains("magic") && !text.contains('\n'), "{text}");
}
