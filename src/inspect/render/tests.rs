//! P7: any trace is rendered, whatever its contracts named and sent; nothing of it commands a terminal, and nothing goes on for ever.

use crostata_abi::ContractId;
use proptest::prelude::*;

use super::super::known::Known;
use super::super::level::{Level, Style};
use super::render;
use crate::engine::{Failure, GasSplit, Refusal};
use crate::session::{CallTrace, TraceStep, TracedFrame, TracedPages};
use crostata_proof::receipt::Outcome;

const LEVELS: [Level; 5] = [
    Level::Error,
    Level::Path,
    Level::Tree,
    Level::Details,
    Level::Everything,
];

fn frame(caller: Option<usize>, depth: usize, function: &str, fails: bool) -> TracedFrame {
    let contract = ContractId::from_bytes([depth as u8; 32]);
    let failure = Failure {
        code: Outcome::Panic,
        contract,
        function: function.to_owned(),
        message: function.as_bytes().to_vec(),
        backtrace: vec![function.to_owned()],
        positions: Vec::new(),
    };
    TracedFrame {
        contract,
        code: None,
        function: function.to_owned(),
        depth,
        caller,
        argument: function.as_bytes().to_vec().into(),
        result: match fails {
            true => Err(failure),
            false => Ok(function.as_bytes().to_vec().into()),
        },
        gas_limit: 10,
        gas_spent: 5,
        gas: GasSplit {
            instructions: 5,
            ..GasSplit::default()
        },
        reverted: fails,
        pages_read: TracedPages::default(),
        pages_written: TracedPages::default(),
    }
}

/// A trace of frames that end in some order, each with every kind of step; all texts are `text`.
fn trace(shape: &[u8], text: &str) -> CallTrace {
    let mut trace = CallTrace::default();
    let mut open: Vec<usize> = Vec::new();
    for byte in shape {
        if byte % 3 == 0 && open.len() > 1 {
            let ended = open.pop().unwrap();
            trace.order.push(TraceStep::Leave(ended));
            continue;
        }
        let at = trace.frames.len();
        let frame = frame(open.last().copied(), open.len(), text, byte % 2 == 0);
        let contract = frame.contract;
        trace.frames.push(frame);
        open.push(at);
        trace.order.push(TraceStep::Enter(at));
        trace.order.extend(steps(at, contract, text));
    }
    trace
}

fn steps(frame: usize, contract: ContractId, text: &str) -> Vec<TraceStep> {
    let name = text.to_owned();
    let bytes = || text.as_bytes().to_vec().into();
    vec![
        TraceStep::Event {
            frame,
            topic: name.clone(),
            data: bytes(),
        },
        TraceStep::Query {
            frame,
            name: name.clone(),
            argument: bytes(),
            price_gas: 1,
            answer: Err(name.clone()),
        },
        TraceStep::Datum {
            frame,
            name: name.clone(),
            bytes: Some(bytes()),
        },
        TraceStep::Debug {
            frame,
            message: bytes(),
        },
        TraceStep::Feed {
            frame,
            data: bytes(),
        },
        TraceStep::Refused {
            frame,
            contract,
            function: name.clone(),
            refusal: Refusal::Hook {
                contract,
                function: name.clone(),
                reason: name,
            },
        },
    ]
}

fn is_harmless(text: &str) -> bool {
    text.lines().all(|line| {
        !line
            .chars()
            .any(|character| character.is_control() || character == '\u{202e}')
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn hostile_texts_are_harmless(shape in proptest::collection::vec(any::<u8>(), 0..20), text in "\\PC{0,8}[\u{0}-\u{1f}\u{7f}-\u{9f}\u{202e}]{1,4}\\PC{0,300}") {
        let trace = trace(&shape, &text);
        let mut known = Known::new();
        known.add_contract(&text, ContractId::from_bytes([0; 32]));
        for level in LEVELS {
            let plain = render(&trace, &known, level, Style::Plain);
            prop_assert!(is_harmless(&plain), "{plain:?}");
            let ansi = render(&trace, &known, level, Style::Ansi);
            prop_assert_eq!(uncoloured(&ansi), plain);
        }
    }
}

/// Without what makes colours, which is all that a style may add.
fn uncoloured(text: &str) -> String {
    let mut parts = text.split('\x1b');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_once('m').unwrap();
        assert!(
            code.strip_prefix('[')
                .unwrap()
                .chars()
                .all(|one| one.is_ascii_digit() || one == ';')
        );
        plain.push_str(rest);
    }
    plain
}

/// Deep and wide trees are cut, and need no stack.
#[test]
fn large_traces_are_cut() {
    let known = Known::new();
    let mut deep = CallTrace::default();
    for depth in 0..20_000_usize {
        deep.frames
            .push(frame(depth.checked_sub(1), depth, "deeper", true));
        deep.order.push(TraceStep::Enter(depth));
    }
    let text = render(&deep, &known, Level::Tree, Style::Plain);
    assert!(text.lines().all(|line| line.chars().count() < 1_000));
    let mut wide = CallTrace::default();
    wide.frames.push(frame(None, 0, "call", false));
    wide.order.push(TraceStep::Enter(0));
    for nth in 1..5_000 {
        wide.frames.push(frame(Some(0), 1, "callee", false));
        wide.order
            .extend([TraceStep::Enter(nth), TraceStep::Leave(nth)]);
    }
    let text = render(&wide, &known, Level::Tree, Style::Plain);
    assert!(text.contains("4,799 steps more"), "{text}");
    assert!(text.lines().count() < 300);
    let all = render(&wide, &known, Level::Everything, Style::Plain);
    assert!(all.lines().count() > 5_000);
    assert_eq!(
        render(
            &CallTrace::default(),
            &known,
            Level::Everything,
            Style::Plain
        ),
        "nothing ran\n"
    );
}
