//! P1, P5: what is accepted, the facts taken from it, and the canonical form of what is written.

use super::super::{ByteRange, DataSegment, Reentry, WordSize};
use super::{assert_valid, contract, contract_64, prepared, wasm};
use wasmparser::{Operator, Parser, Payload};

const ECHO: &str = r#"(func (export "echo") (param i32) (result i32) (local.get 0))"#;

fn operators(code: &[u8], is_wanted: fn(&Operator<'_>) -> bool) -> usize {
    let bodies = Parser::new(0)
        .parse_all(code)
        .filter_map(|payload| match payload.unwrap() {
            Payload::CodeSectionEntry(body) => Some(body),
            _ => None,
        });
    let operators = bodies.flat_map(|body| body.get_operators_reader().unwrap().into_iter());
    operators
        .filter(|operator| is_wanted(operator.as_ref().unwrap()))
        .count()
}

fn section_names(code: &[u8]) -> Vec<String> {
    let payloads = Parser::new(0).parse_all(code);
    payloads
        .filter_map(|payload| match payload.unwrap() {
            Payload::CustomSection(section) => Some(section.name().to_owned()),
            Payload::DataSection(_) => Some("data".to_owned()),
            Payload::DataCountSection { .. } => Some("data count".to_owned()),
            _ => None,
        })
        .collect()
}

#[test]
fn facts_of_a_small_contract() {
    let code = contract(
        r#"(global $n (mut i64) (i64.const 7)) (global $m (mut i32) (i32.const 1))
        (global (export "__heap_base") i32 (i32.const 5000))
        (data (i32.const 8) "abc") (data (i32.const 9) "")
        (func (export "z") (param i32) (result i32) (i32.const 1))
        (func (export "init") (param i32) (result i32) (i32.const 0))
        (func (export "a") (param i32) (result i32) (i32.const 2))"#,
    );
    let prepared = prepared(&code);
    assert_valid(&prepared.wasm);
    let facts = &prepared.facts;
    assert_eq!(facts.word_size, WordSize::W32);
    assert_eq!(facts.argument_buffer, 65_536);
    assert_eq!(facts.functions, ["a", "z"]);
    assert!(facts.has_init);
    assert_eq!(facts.globals, ["crostata.global.1", "crostata.global.2"]);
    assert_eq!(
        (
            facts.initial_memory_wasm_pages,
            facts.maximum_memory_wasm_pages
        ),
        (3, None)
    );
    assert_eq!(
        (facts.stack, &facts.layout, facts.reentry),
        (None, &None, Reentry::Allowed)
    );
    assert_eq!(facts.defined_functions, 3);
    assert_eq!(
        prepared.data,
        [DataSegment {
            offset: 8,
            bytes: b"abc".to_vec()
        }]
    );
    assert!(!section_names(&prepared.wasm).contains(&"data".to_owned()));
}

#[test]
fn facts_of_a_64_bit_contract() {
    let code = contract_64(ECHO);
    let prepared = prepared(&code);
    assert_valid(&prepared.wasm);
    assert_eq!(prepared.facts.word_size, WordSize::W64);
    assert_eq!(prepared.facts.argument_buffer, 65_536);
}

#[test]
fn a_contract_without_functions_is_accepted() {
    let prepared = prepared(&contract(""));
    assert_valid(&prepared.wasm);
    assert!(prepared.facts.functions.is_empty());
}

#[test]
fn declared_sections_are_read_and_dropped() {
    let code = contract(
        r#"(@custom "crostata.stack" "\10\00\00\00\00\00\00\00\00\80\00\00\00\00\00\00")
        (global (export "s") i32 (i32.const 0))
        (@custom "crostata.layout" "\01\01s\00\00") (@custom "crostata.reentry" "\02")
        (@custom "crostata.schema" "what people read")
        (@custom "producers" "somebody")"#,
    );
    let prepared = prepared(&code);
    assert_eq!(
        prepared.facts.stack,
        Some(ByteRange {
            start: 16,
            len_bytes: 32_768
        })
    );
    assert_eq!(prepared.facts.layout.as_deref(), Some(&[1, 0, 0][..]));
    assert_eq!(prepared.facts.reentry, Reentry::Never);
    assert!(section_names(&prepared.wasm).is_empty());
}

#[test]
fn function_names_survive_and_label_names_go() {
    let code = contract(
        r#"(func $named (export "f") (param i32) (result i32) (block $label) (local.get 0))"#,
    );
    let prepared = prepared(&code);
    let names = Parser::new(0)
        .parse_all(&prepared.wasm)
        .find_map(|payload| match payload.unwrap() {
            Payload::CustomSection(section) if section.name() == "name" => {
                Some(section.data().to_vec())
            }
            _ => None,
        });
    let names = names.unwrap();
    let holds = |text: &[u8]| names.windows(text.len()).any(|window| window == text);
    assert!(holds(b"named") && !holds(b"label"));
}

#[test]
fn nops_are_removed_and_price_the_width_of_64_bit_accesses() {
    let nops = |code: &[u8]| operators(code, |operator| matches!(operator, Operator::Nop));
    let narrow =
        r#"(func (export "f") (param i32) (result i32) nop nop (i32.load (local.get 0)) nop)"#;
    assert_eq!(nops(&prepared(&contract(narrow)).wasm), 0);
    let wide = r#"(func (export "f") (param i32) (result i32) nop
        (i64.store offset=8 (i64.const 0) (i64.const 1)) (i32.load8_u (i64.const 0)) nop)"#;
    assert_eq!(nops(&prepared(&contract_64(wide)).wasm), 2);
}

#[test]
fn preparing_is_deterministic_and_canonical() {
    let text = r#"(func (result i32 i64) (i32.const 1) (i64.const 2))
        (func (result i64 i32) (i64.const 1) (i32.const 2))
        (func (result i32 i64) (i32.const 1) (i64.const 2))"#;
    let code = contract(text);
    assert_eq!(prepared(&code), prepared(&code));
    // Added are the three of the imports. Types of blocks are shared where they have no parameters: none is added here.
    let types = |code: &[u8]| {
        Parser::new(0)
            .parse_all(code)
            .find_map(|payload| match payload.unwrap() {
                Payload::TypeSection(section) => Some(section.count()),
                _ => None,
            })
            .unwrap()
    };
    assert_eq!((types(&code), types(&prepared(&code).wasm)), (2, 5));
    let with_parameters =
        contract("(func (param i32) (result i32 i64) (i32.const 1) (i64.const 2))");
    assert_eq!(types(&prepared(&with_parameters).wasm), 5);
}

#[test]
fn every_import_of_the_abi_is_accepted() {
    use crostata_abi::imports::{IMPORTS, Type};
    for (parts, pointer) in [(super::PARTS_32, "i32"), (super::PARTS_64, "i64")] {
        let name = |ty: &Type| match ty {
            Type::I32 => "i32",
            Type::I64 => "i64",
            Type::Pointer => pointer,
        };
        let list = |types: &[Type]| types.iter().map(name).collect::<Vec<_>>().join(" ");
        let imports: String = IMPORTS
            .iter()
            .map(|import| {
                let (params, results) = (list(import.params), list(import.results));
                format!(
                    r#"(import "env" "{}" (func (param {params}) (result {results})))"#,
                    import.name
                )
            })
            .collect();
        let code = wasm(&format!("(module {imports} {parts} {ECHO})"));
        assert_valid(&prepared(&code).wasm);
    }
}

#[test]
fn constants_are_folded() {
    let code = wasm(
        r#"(module (memory (export "memory") 3)
        (global (export "A") i32 (i32.add (i32.const 60000) (i32.mul (i32.const 2) (i32.sub (i32.const 3000) (i32.const 232)))))
        (data (i32.sub (i32.const 10) (i32.const 2)) "x"))"#,
    );
    let prepared = prepared(&code);
    assert_eq!(prepared.facts.argument_buffer, 65_536);
    assert_eq!(prepared.data[0].offset, 8);
    let additions = Parser::new(0)
        .parse_all(&prepared.wasm)
        .filter_map(|payload| match payload.unwrap() {
            Payload::GlobalSection(section) => Some(section),
            _ => None,
        });
    let operators = additions.flat_map(|section| {
        section.into_iter().map(|global| {
            global
                .unwrap()
                .init_expr
                .get_operators_reader()
                .into_iter()
                .count()
        })
    });
    assert!(
        operators.into_iter().all(|count| count == 2),
        "one constant and its end"
    );
}
