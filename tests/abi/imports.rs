//! The imports, one by one, through the probe.

use std::sync::{Arc, Mutex};

use crostata::{Outcome, PricedQuery, QueryError, SessionData, VM};

use crate::fixtures::{
    BUFFER, LIMIT, Probe, Used, WIDTHS, Width, deploy, fresh, id, owner, peek, poke, probe,
    reverted, use_argument, used,
};

/// An address near the end of the probe's memory of four pages, and the end itself.
const END: i64 = 4 << 16;

/// Runs a test for both widths, each over a VM of its own.
fn both(test: impl Fn(VM, Width)) {
    for width in WIDTHS {
        println!("{width:?}");
        test(VM::ephemeral().unwrap(), width);
    }
}

/// Two probes, of the given width and of the other one: calls cross widths.
fn pair(vm: &VM, width: Width) -> Probe {
    let mut caller = Probe::new(vm, width);
    let other = WIDTHS.into_iter().find(|other| *other != width).unwrap();
    deploy(&mut caller.session, 2, &probe(other));
    caller.poke(1000, id(2).as_bytes());
    caller
}

impl Probe {
    /// `c` to the contract whose id was poked at 1000; gives the code, and the beginning of the buffer.
    fn calls(&mut self, function: &str, argument: &[u8], gas: i64, len_back: u32) -> Used {
        self.poke(2000, function.as_bytes());
        let name_len = function.len() as i64;
        let parameters = [1000, 2000, name_len, argument.len() as i64, gas];
        self.used("c", &parameters, argument, len_back)
    }
}

/// `c` gives the length of the result, and the result in the buffer; the argument arrives as it was.
#[test]
fn c_succeeds() {
    both(|vm, width| {
        let mut caller = pair(&vm, width);
        let echoed = caller.calls("echo", b"over and back", 0, 16);
        assert_eq!(echoed.result, 13);
        assert_eq!(&echoed.buffer[..13], b"over and back");
        assert_eq!(caller.calls("echo", b"", 0, 0).result, 0);
    });
}

/// Results and arguments as long as the buffer pass; the whole of them.
#[test]
fn c_passes_full_buffers() {
    both(|vm, width| {
        let mut caller = pair(&vm, width);
        let filled = caller.calls("fill", b"", 0, 65_528);
        assert_eq!(filled.result, 65_536);
        assert!(filled.buffer.iter().all(|byte| *byte == 0xab));
        caller.poke(2000, b"echo");
        let parameters = [1000, 2000, 4, 65_536, 0];
        let echoed = caller.used("c", &parameters, &[7; 65_488], 65_528);
        assert_eq!(echoed.result, 65_536);
        assert!(echoed.buffer[..65_488].iter().all(|byte| *byte == 7));
    });
}

/// -1 for a panic, with a `u32` and the message in the buffer; bytes that are not UTF-8 are kept.
#[test]
fn c_reports_a_panic_with_its_bytes() {
    both(|vm, width| {
        let mut caller = pair(&vm, width);
        for message in [&b"no funds"[..], b"", b"\xff\xfe\0\x80"] {
            let argument = use_argument(&[message.len() as i64], message, 0);
            let failed = caller.calls("use_panic", &argument, 0, 16);
            assert_eq!(failed.result, -1);
            let len = message.len();
            assert_eq!(failed.buffer[..4], (len as u32).to_le_bytes());
            assert_eq!(&failed.buffer[4..4 + len], message);
        }
    });
}

/// A panic message of 65,536 bytes reaches the caller cut to 65,532, and the buffer is full then.
#[test]
fn c_cuts_a_long_panic_message() {
    both(|vm, width| {
        let mut caller = pair(&vm, width);
        let failed = caller.calls("long_panic", b"", 0, 65_528);
        assert_eq!(failed.result, -1);
        assert_eq!(failed.buffer[..4], 65_532u32.to_le_bytes());
        assert!(failed.buffer[4..].iter().all(|byte| *byte == 0xcd));
        let top = reverted(caller.session.call_raw(id(2), "long_panic", [], LIMIT));
        assert_eq!(top.failure.message, [0xcd; 65_532]);
    });
}

/// -2 for out of gas, -3 for no contract, the least `i32` for everything else.
#[test]
fn c_reports_other_failures_by_code() {
    both(|vm, width| {
        let mut caller = pair(&vm, width);
        let code =
            |caller: &mut Probe, function: &str, gas| caller.calls(function, b"", gas, 0).result;
        assert_eq!(code(&mut caller, "spin", 1_000_000), -2);
        assert_eq!(code(&mut caller, "trap", 0), i64::from(i32::MIN));
        for absent in ["nothing", "init", "", "memory", "A", "use_c "] {
            assert_eq!(
                code(&mut caller, absent, 0),
                i64::from(i32::MIN),
                "{absent}"
            );
        }
        caller.poke(1000, &[9; 32]);
        assert_eq!(code(&mut caller, "echo", 0), -3);
    });
}

/// A failure other than a panic leaves the caller's buffer alone.
#[test]
fn c_leaves_the_buffer_alone_without_a_message() {
    both(|vm, width| {
        let mut caller = pair(&vm, width);
        for function in ["trap", "nothing"] {
            assert_eq!(caller.calls(function, b"mine", 0, 4).buffer, b"mine");
        }
    });
}

/// A bad pointer, length or name given to `c` is its own error and not a trap.
#[test]
fn c_reports_its_own_bad_pointers_and_lengths() {
    both(|vm, width| {
        let mut caller = pair(&vm, width);
        caller.poke(2000, b"echo");
        caller.poke(3000, b"\xff\xff");
        let bad: &[[i64; 5]] = &[
            [END - 31, 2000, 4, 0, 0],
            [-1, 2000, 4, 0, 0],
            [-32, 2000, 4, 0, 0],
            [1000, END - 3, 4, 0, 0],
            [1000, -1, 4, 0, 0],
            [1000, 2000, -1, 0, 0],
            [1000, 2000, 256, 0, 0],
            [1000, 2000, i64::from(i32::MIN), 0, 0],
            [1000, 2000, 4, -1, 0],
            [1000, 2000, 4, 65_537, 0],
            [1000, 3000, 2, 0, 0],
            [END, END, 0, 0, 0],
        ];
        for parameters in bad {
            let used = caller.used("c", parameters, b"", 0);
            assert_eq!(used.result, i64::from(i32::MIN), "{parameters:?}");
        }
        // At the very end of the memory it is no error.
        caller.poke(END as u32 - 36, &[id(2).as_bytes(), &b"echo"[..]].concat());
        let used = caller.used("c", &[END - 36, END - 4, 4, 3, 0], b"end", 3);
        assert_eq!((used.result, &used.buffer[..]), (3, &b"end"[..]));
    });
}

/// An address above 4 GiB in a 64-bit contract is not cut to 32 bits.
#[test]
fn wide_pointers_are_not_cut() {
    let mut caller = pair(&VM::ephemeral().unwrap(), Width::Wide);
    caller.poke(2000, b"echo");
    let above = 1 << 32;
    for parameters in [[1000 + above, 2000, 4, 0, 0], [1000, 2000 + above, 4, 0, 0]] {
        let used = caller.used("c", &parameters, b"", 0);
        assert_eq!(used.result, i64::from(i32::MIN));
    }
    let misused = caller.misused("owner", &[1000 + above], b"");
    assert_eq!(misused, Outcome::HostFunctionMisuse);
}

/// A VM with queries: `reverse`, `refuses`, `long` (65,536 bytes).
fn vm_with_queries() -> VM {
    let mut vm = VM::ephemeral().unwrap();
    let reverse = |argument: &[u8]| Ok(argument.iter().rev().copied().collect());
    vm.register_host_query("reverse", PricedQuery::new(1_000, reverse));
    let refuses = |_: &[u8]| Err(QueryError("no".to_owned()));
    vm.register_host_query("refuses", PricedQuery::new(0, refuses));
    vm.register_host_query("long", PricedQuery::new(0, |_: &[u8]| Ok(vec![3; 65_536])));
    vm
}

impl Probe {
    /// An import whose first parameters are a name, which is poked at 2000.
    fn named(&mut self, import: &str, name: &str, buffer: &[u8], len_back: u32) -> Used {
        self.poke(2000, name.as_bytes());
        let parameters = [2000, name.len() as i64, buffer.len() as i64];
        self.used(import, &parameters, buffer, len_back)
    }
}

/// `hq` answers by name, over any length, and what the query costs is paid.
#[test]
fn hq_answers_and_is_paid() {
    for width in WIDTHS {
        let vm = vm_with_queries();
        let mut asker = Probe::new(&vm, width);
        let answer = asker.named("hq", "reverse", b"stressed", 8);
        assert_eq!((answer.result, &answer.buffer[..]), (8, &b"desserts"[..]));
        let long = asker.named("hq", "long", b"", 65_528);
        assert_eq!(long.result, 65_536);
        assert!(long.buffer.iter().all(|byte| *byte == 3));
        let cost = |asker: &mut Probe, buffer: &[u8]| {
            let parameters = [2000, 7, buffer.len() as i64];
            asker.poke(2000, b"reverse");
            let receipt = asker.uses("hq", &parameters, buffer, 0).unwrap();
            receipt.gas_spent
        };
        assert!(cost(&mut asker, b"") > 1_000);
        // Sixteen bytes more: into the call, out of the buffer and back into it.
        assert_eq!(cost(&mut asker, &[1; 16]) - cost(&mut asker, b""), 48);
    }
}

/// A query that does not exist, is excluded from the session, or refuses is a trap.
#[test]
fn hq_traps_without_an_answer() {
    for width in WIDTHS {
        let vm = vm_with_queries();
        let data = SessionData::builder().exclude_hq("long");
        let mut asker = Probe::with(&vm, width, data);
        for name in ["absent", "refuses", "long", ""] {
            asker.poke(2000, name.as_bytes());
            let misused = asker.misused("hq", &[2000, name.len() as i64, 0], b"");
            assert_eq!(misused, Outcome::HostFunctionMisuse, "{name}");
        }
    }
}

/// `hd` gives session data by name, 0 for none.
#[test]
fn hd_gives_session_data() {
    both(|vm, width| {
        let data = SessionData::builder()
            .insert_raw("here", b"data".to_vec())
            .and_then(|data| data.insert_raw("long", vec![5; 65_536]))
            .unwrap();
        let mut reader = Probe::with(&vm, width, data);
        let here = reader.named("hd", "here", b"", 6);
        assert_eq!((here.result, &here.buffer[..4]), (4, &b"data"[..]));
        assert_eq!(reader.named("hd", "long", b"", 0).result, 65_536);
        for none in ["absent", "her", "here\0", ""] {
            let none = reader.named("hd", none, b"", 0);
            assert_eq!(none.result, 0);
        }
    });
}

/// `emit` records source, topic and data, in order; an empty topic and empty data are fine.
#[test]
fn emit_records_events() {
    both(|vm, width| {
        let mut emitter = Probe::new(&vm, width);
        emitter.poke(2000, "tópic".as_bytes());
        let events = |receipt: crostata::CallReceipt<Vec<u8>>| {
            let events = receipt.events.into_iter();
            events
                .map(|event| (event.source, event.topic, event.data, event.reverted))
                .collect::<Vec<_>>()
        };
        let one = emitter.uses("emit", &[2000, 6, 4], b"data", 0).unwrap();
        let expected = (id(1), "tópic".to_owned(), b"data".to_vec(), false);
        assert_eq!(events(one), [expected]);
        let none = emitter.uses("emit", &[2000, 0, 0], b"data", 0).unwrap();
        assert_eq!(events(none), [(id(1), String::new(), vec![], false)]);
        let long = emitter.uses("emit", &[2000, 6, 65_536], b"", 0).unwrap();
        assert_eq!(long.events[0].data.len(), 65_536);
    });
}

/// A byte of an event costs what the schedule says.
#[test]
fn emit_is_paid_by_the_byte() {
    let mut emitter = Probe::new(&VM::ephemeral().unwrap(), Width::Narrow);
    let mut cost = |data_len: i64| emitter.uses("emit", &[2000, 4, data_len], b"", 0);
    let (short, long) = (cost(0).unwrap().gas_spent, cost(1_000).unwrap().gas_spent);
    assert_eq!(long - short, 1_000 * (8 + 1));
}

/// `feed` streams during a feeder call, and traps in any other.
#[test]
fn feed_streams_in_feeder_calls_only() {
    both(|vm, width| {
        let mut probe = Probe::new(&vm, width);
        let (sender, receiver) = std::sync::mpsc::channel();
        let argument = use_argument(&[4], b"data", 0);
        let session = &mut probe.session;
        session
            .feeder_call_raw(id(1), "use_feed", &argument, LIMIT, sender)
            .unwrap();
        assert_eq!(receiver.iter().collect::<Vec<_>>(), [b"data"]);
        let refused = probe.misused("feed", &[4], b"data");
        assert_eq!(refused, Outcome::FeedOutsideFeeder);
    });
}

/// `caller` is 0 for a call by the host and leaves the buffer; else it is 1 and the id.
#[test]
fn caller_is_the_immediate_caller() {
    both(|vm, width| {
        let mut caller = pair(&vm, width);
        let by_host = caller.used("caller", &[], b"mine", 4);
        assert_eq!((by_host.result, &by_host.buffer[..]), (0, &b"mine"[..]));
        let argument = use_argument(&[], b"", 32);
        let seen = used(&caller.calls("use_caller", &argument, 0, 40).buffer);
        assert_eq!((seen.result, &seen.buffer[..]), (1, &id(1).as_bytes()[..]));
    });
}

/// What the argument buffer must hold for the probe to call `function` of the contract whose id is at 1000, whose name is
/// at 2000.
fn relay(name_len: i64, inner: &[u8]) -> Vec<u8> {
    use_argument(&[1000, 2000, name_len, inner.len() as i64, 0], inner, 1_000)
}

/// `callstack` lists the immediate caller first, without the contract itself; re-entered contracts appear for each frame.
#[test]
fn callstack_is_innermost_first() {
    both(|vm, width| {
        let mut caller = pair(&vm, width);
        assert_eq!(caller.used("callstack", &[], b"", 0).result, 0);
        let session = &mut caller.session;
        deploy(session, 3, &probe(width));
        // Contract 1 calls 2, which calls 3, which calls 1.
        for (from, to) in [(1, 2), (2, 3), (3, 1)] {
            poke(session, id(from), 1000, id(to).as_bytes());
        }
        for from in [2, 3] {
            poke(session, id(from), 2000, b"use_c");
        }
        poke(session, id(3), 2000, b"use_callstack");
        poke(session, id(1), 2000, b"use_c");
        let innermost = use_argument(&[], b"", 96);
        let argument = relay(5, &relay(5, &relay(13, &innermost)));
        let receipt = session.call_raw(id(1), "use_c", argument, LIMIT).unwrap();
        let mut bytes = receipt.data;
        for _ in 0..3 {
            bytes = used(&bytes).buffer;
        }
        let stack = used(&bytes);
        let expected = [id(3), id(2), id(1)].map(|id| id.to_bytes()).concat();
        assert_eq!((stack.result, &stack.buffer[..96]), (3, &expected[..]));
    });
}

/// `limit` is the frame's own limit, `spent` grows towards it; both also inside a callee.
#[test]
fn limit_and_spent_are_the_frames_own() {
    both(|vm, width| {
        let mut caller = pair(&vm, width);
        assert_eq!(caller.used("limit", &[], b"", 0).result, LIMIT as i64);
        let spent = caller.uses("spent", &[], b"", 0).unwrap();
        let seen = used(&spent.data).result as u64;
        assert!(0 < seen && seen < spent.gas_spent, "{seen}");
        let argument = use_argument(&[], b"", 0);
        let limit = caller.calls("use_limit", &argument, 23_456_789, 8);
        assert_eq!(used(&limit.buffer).result, 23_456_789);
        let spent = caller.calls("use_spent", &argument, 23_456_789, 8);
        // The callee counts from its own start: what it paid is less than what the call cost before it began.
        assert!((1..23_456_789).contains(&used(&spent.buffer).result));
    });
}

/// A limit that does not fit an `i64` is given as its bits, and gas stays exact.
#[test]
fn the_largest_limit() {
    let mut probe = Probe::new(&VM::ephemeral().unwrap(), Width::Narrow);
    let argument = use_argument(&[], b"", 0);
    let mut with = |limit| probe.session.call_raw(id(1), "use_limit", &argument, limit);
    let largest = with(u64::MAX).unwrap();
    assert_eq!(used(&largest.data).result as u64, u64::MAX);
    assert_eq!(largest.gas_spent, with(LIMIT).unwrap().gas_spent);
}

/// `owner`: the own one for a null pointer, another's for its id, 0 for none.
#[test]
fn owner_of_self_others_and_nobody() {
    both(|vm, width| {
        let mut asker = pair(&vm, width);
        let mut owner_at = |address: i64, len_back| asker.used("owner", &[address], b"", len_back);
        let own = owner_at(0, 3);
        assert_eq!((own.result, own.buffer), (3, owner(1)));
        let other = owner_at(1000, 4);
        assert_eq!((other.result, other.buffer), (4, owner(2)));
        assert_eq!(owner_at(3000, 0).result, 0);
        for bad in [END - 31, END, -1] {
            let misused = asker.misused("owner", &[bad], b"");
            assert_eq!(misused, Outcome::HostFunctionMisuse);
        }
    });
}

/// `owner` finds committed contracts that this session has not touched.
#[test]
fn owner_of_an_untouched_contract() {
    both(|vm, width| {
        let mut session = fresh(&vm);
        deploy(&mut session, 2, &probe(width));
        let base = session.commit().unwrap();
        let mut asker = Probe::with(&vm, width, SessionData::builder().base(base));
        asker.poke(1000, id(2).as_bytes());
        let other = asker.used("owner", &[1000], b"", 4);
        assert_eq!((other.result, other.buffer), (4, owner(2)));
    });
}

/// `self_id` is the id of the running contract, not of the one called first.
#[test]
fn self_id_is_the_running_contracts() {
    both(|vm, width| {
        let mut caller = pair(&vm, width);
        assert_eq!(
            caller.used("self_id", &[], b"", 32).buffer,
            id(1).as_bytes()
        );
        let argument = use_argument(&[], b"", 32);
        let seen = used(&caller.calls("use_self_id", &argument, 0, 40).buffer);
        assert_eq!(seen.buffer, id(2).as_bytes());
    });
}

/// `panic` ends the call with the message as it is.
#[test]
fn panic_keeps_its_message() {
    both(|vm, width| {
        let mut probe = Probe::new(&vm, width);
        for message in [&b"why"[..], b"", b"\xc3\x28"] {
            let failed = reverted(probe.uses("panic", &[message.len() as i64], message, 0));
            assert_eq!(failed.failure.code, Outcome::Panic);
            assert_eq!(failed.failure.message, message);
            assert_eq!(failed.failure.contract, id(1));
            assert_eq!(failed.failure.function, "use_panic");
        }
    });
}

/// `hdebug` reaches a listener, and costs the same without one.
#[test]
fn hdebug_costs_the_same_unheard() {
    both(|vm, width| {
        let mut probe = Probe::new(&vm, width);
        let unheard = probe.uses("hdebug", &[5], b"hello", 0).unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let sink = heard.clone();
        probe.session.set_debug_sink(move |contract, text: &str| {
            sink.lock().unwrap().push((contract, text.to_owned()));
        });
        let receipt = probe.uses("hdebug", &[5], b"hello", 0).unwrap();
        assert_eq!(receipt, unheard);
        assert_eq!(*heard.lock().unwrap(), [(id(1), "hello".to_owned())]);
    });
}

/// Lengths out of range, pointers outside the memory and names that are not UTF-8 trap in every import but `c`.
#[test]
fn bad_arguments_trap() {
    both(|_, width| {
        let vm = vm_with_queries();
        let mut probe = Probe::new(&vm, width);
        probe.poke(2000, b"reverse");
        probe.poke(3000, b"\xff\xff");
        let lengths = [-1, 65_537, i64::from(i32::MIN), i64::from(i32::MAX)];
        let names = [-1, 256, i64::from(i32::MIN), i64::from(i32::MAX)];
        let mut cases: Vec<(&str, Vec<i64>)> = Vec::new();
        for len in lengths {
            cases.extend([("hq", vec![2000, 7, len]), ("emit", vec![2000, 4, len])]);
            cases.extend([("feed", vec![len]), ("panic", vec![len])]);
            cases.push(("hdebug", vec![len]));
        }
        for import in ["hq", "hd", "emit"] {
            cases.extend(names.map(|len| (import, vec![2000, len, 0])));
            cases.extend([END - 3, END, -1, -4].map(|at| (import, vec![at, 4, 0])));
            cases.push((import, vec![3000, 2, 0]));
        }
        cases.retain(|(import, parameters)| {
            probe.misused(import, parameters, b"") != Outcome::HostFunctionMisuse
        });
        assert!(
            cases.is_empty(),
            "{width:?}: no misuse is seen in {cases:?}"
        );
        // Nothing of this left a trace.
        assert_eq!(peek(&mut probe.session, id(1), BUFFER - 100, 100), [0; 100]);
    });
}

/// A result longer than the buffer, or of negative length, is no result, for the host and for a calling contract.
#[test]
fn results_out_of_bounds() {
    both(|vm, width| {
        let mut caller = Probe::new(&vm, width);
        for (number, result) in [(2, "65537"), (3, "-1"), (4, "-2147483648")] {
            let body = format!("(i32.const {result})");
            let code = crate::fixtures::runs(width, &body);
            let contract = deploy(&mut caller.session, number, &code);
            let failed = reverted(caller.session.call_raw(contract, "run", [], LIMIT));
            assert_eq!(failed.failure.code, Outcome::ResultOutOfBounds);
            caller.poke(1000, contract.as_bytes());
            let code = caller.calls("run", b"", 1_000_000, 0).result;
            assert_eq!(code, i64::from(i32::MIN));
        }
    });
}
