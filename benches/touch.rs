//! What touch checks cost: programs of the contract `bench` under plain wasmtime, rewritten with and without checks.
//!
//! `cargo bench --features measure --bench touch [-- ROUNDS]` prints a table: for each variant how much longer than without checks a program takes,
//! as the median over rounds that run the variants in turn. The host marks pages and does nothing else; after the
//! first round all are marked. The first column is the contract as deployed, without the stack-height counter.

use crostata::{Checking, CodeLimits, prepare_measured};
use rustix::time::{ClockId, clock_gettime};
use wasmtime::{Caller, Config, Engine, Extern, Instance, Linker, Memory, Module, Store, Val};

type Failure = Box<dyn std::error::Error>;

const CONTRACT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/contracts/artifacts/bench.wasm"
);

/// Runs if no number is given.
const ROUNDS: usize = 15;

/// What is called once, and what is measured after it: functions with their arguments, numbers of 32 bits.
struct Program {
    name: &'static str,
    before: &'static [(&'static str, &'static [u32])],
    measured: (&'static str, &'static [u32]),
}

const PROGRAMS: [Program; 11] = [
    program("fib", &[], ("fib", &[32])),
    program("sha256", &[], ("sha256", &[6_000, 1])),
    program("B-tree", &[], ("btree", &[20_000, 1])),
    program("sort", &[], ("sort", &[100_000, 1])),
    program("pointer chase", &[], ("chase", &[3_000_000, 1])),
    program("binary search", &[], ("binary_search", &[150_000, 1])),
    program(
        "ledger transfers",
        &[("open_accounts", &[0, 2_000])],
        ("transfers", &[20_000, 2_000, 1]),
    ),
    program(
        "copy by bytes",
        &[("fill", &[1 << 17, 1])],
        ("copy_bytes", &[1 << 16, 200]),
    ),
    program(
        "copy in bulk",
        &[("fill", &[1 << 17, 1])],
        ("copy_bulk", &[1 << 16, 4_000]),
    ),
    program(
        "scattered stores",
        &[("fill", &[1 << 20, 1])],
        ("scatter", &[1 << 20, 3_000_000, 1]),
    ),
    program("fill", &[("fill", &[1 << 20, 1])], ("fill", &[1 << 20, 2])),
];

const fn program(
    name: &'static str,
    before: &'static [(&'static str, &'static [u32])],
    measured: (&'static str, &'static [u32]),
) -> Program {
    Program {
        name,
        before,
        measured,
    }
}

/// The variants of the rewriting; `None` is the contract as deployed. The second is what the others are compared with.
fn variants() -> [(&'static str, Option<Checking>); 5] {
    let all = Checking {
        exports_marks: true,
        ..Checking::default()
    };
    let stores = Checking {
        loads: false,
        ..all
    };
    let none = Checking {
        stores: false,
        ..stores
    };
    let every = Checking {
        eliminates: false,
        ..all
    };
    [
        ("as deployed", None),
        ("no checks", Some(none)),
        ("stores", Some(stores)),
        ("every access", Some(every)),
        ("needed", Some(all)),
    ]
}

/// The settings of the engine, but for the memories.
fn engine() -> Result<Engine, Failure> {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .cranelift_nan_canonicalization(true)
        .memory_init_cow(false)
        .memory_reservation(4 << 30)
        .memory_guard_size(32 << 20)
        .guard_before_linear_memory(false)
        .wasm_branch_hinting(true);
    Ok(Engine::new(&config)?)
}

fn marks(caller: &mut Caller<'_, ()>) -> Option<Memory> {
    caller
        .get_export("crostata.marks")
        .and_then(Extern::into_memory)
}

fn mark(caller: &mut Caller<'_, ()>, address: i32, length: i32, mark: u8) {
    let (start, length) = (
        address.cast_unsigned() as usize,
        length.cast_unsigned() as usize,
    );
    let Some(marks) = marks(caller).filter(|_| length > 0) else {
        return;
    };
    let pages = start / 4_096..=(start + length - 1) / 4_096;
    if let Some(marks) = marks.data_mut(caller).get_mut(pages) {
        marks
            .iter_mut()
            .for_each(|present| *present = mark.max(*present));
    }
}

/// Everything that contracts import and rewriting adds.
fn linker(engine: &Engine, module: &Module) -> Result<Linker<()>, Failure> {
    let mut linker = Linker::new(engine);
    linker.func_wrap(
        "crostata",
        "read",
        |mut caller: Caller<'_, ()>, address: i32| mark(&mut caller, address, 1, 1),
    )?;
    linker.func_wrap(
        "crostata",
        "write",
        |mut caller: Caller<'_, ()>, address: i32| mark(&mut caller, address, 1, 3),
    )?;
    linker.func_wrap(
        "crostata",
        "copy",
        |mut caller: Caller<'_, ()>, to: i32, from: i32, length: i32| {
            mark(&mut caller, from, length, 1);
            mark(&mut caller, to, length, 3)
        },
    )?;
    linker.func_wrap(
        "crostata",
        "fill",
        |mut caller: Caller<'_, ()>, to: i32, length: i32| mark(&mut caller, to, length, 3),
    )?;
    linker.define_unknown_imports_as_traps(module)?;
    Ok(linker)
}

/// The contract in one variant, ready to be called.
struct Running {
    store: Store<()>,
    instance: Instance,
    memory: Memory,
    buffer: usize,
    code_bytes: usize,
}

impl Running {
    fn new(engine: &Engine, code: &[u8], checking: Option<Checking>) -> Result<Self, Failure> {
        let prepared = match checking {
            Some(checking) => Some(prepare_measured(code, &CodeLimits::default(), checking)?),
            None => None,
        };
        let wasm = prepared.as_ref().map_or(code, |prepared| &prepared.wasm);
        let module = Module::new(engine, wasm)?;
        let mut store = Store::new(engine, ());
        store.set_fuel(u64::MAX / 2)?;
        let instance = linker(engine, &module)?.instantiate(&mut store, &module)?;
        let memory = instance
            .get_memory(&mut store, "memory")
            .ok_or("no memory")?;
        for segment in prepared.iter().flat_map(|prepared| &prepared.data) {
            memory.write(&mut store, usize::try_from(segment.offset)?, &segment.bytes)?;
        }
        let buffer = instance
            .get_global(&mut store, "A")
            .map(|buffer| buffer.get(&mut store));
        let Some(Val::I32(buffer)) = buffer else {
            return Err("no argument buffer".into());
        };
        Ok(Self {
            store,
            instance,
            memory,
            buffer: buffer.cast_unsigned() as usize,
            code_bytes: module.text().len(),
        })
    }

    /// Calls a function; gives the bytes it returns and the seconds it took.
    fn call(&mut self, name: &str, arguments: &[u32]) -> Result<(Vec<u8>, f64), Failure> {
        let bytes: Vec<u8> = arguments
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect();
        self.memory.write(&mut self.store, self.buffer, &bytes)?;
        let function = self
            .instance
            .get_typed_func::<i32, i32>(&mut self.store, name)?;
        let started = processor_seconds();
        let length = function.call(&mut self.store, i32::try_from(bytes.len())?)?;
        let seconds = processor_seconds() - started;
        let mut result = vec![0; usize::try_from(length)?];
        self.memory.read(&self.store, self.buffer, &mut result)?;
        Ok((result, seconds))
    }
}

/// The time that this thread has run: others on the same machine do not show in it.
fn processor_seconds() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// For each variant how long it takes as a multiple of the second variant, and that one's seconds.
fn measure(
    running: &mut [Running],
    program: &Program,
    rounds: usize,
) -> Result<(Vec<f64>, f64), Failure> {
    let mut expected = None;
    for running in running.iter_mut() {
        for (name, arguments) in program.before {
            running.call(name, arguments)?;
        }
        let (result, _) = running.call(program.measured.0, program.measured.1)?;
        if *expected.get_or_insert(result.clone()) != result {
            return Err(format!("the variants of {} do not agree", program.name).into());
        }
    }
    let mut seconds = vec![Vec::new(); running.len()];
    for round in 0..rounds {
        for turn in 0..running.len() {
            let place = (turn + round) % running.len();
            let (_, taken) = running[place].call(program.measured.0, program.measured.1)?;
            seconds[place].push(taken);
        }
    }
    let base = seconds[1].clone();
    let ratios = seconds.iter().map(|seconds| {
        median(
            seconds
                .iter()
                .zip(&base)
                .map(|(taken, base)| taken / base)
                .collect(),
        )
    });
    Ok((ratios.collect(), median(base.clone())))
}

fn percent(ratio: f64) -> String {
    format!("{:+.1} %", (ratio - 1.0) * 100.0)
}

fn main() -> Result<(), Failure> {
    let rounds = std::env::args()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(ROUNDS);
    let path = std::env::var("CROSTATA_BENCH").unwrap_or_else(|_| CONTRACT.to_owned());
    let code = std::fs::read(path)?;
    let engine = engine()?;
    let mut running = Vec::new();
    for (_, checking) in variants() {
        running.push(Running::new(&engine, &code, checking)?);
    }
    let names = variants().map(|(name, _)| name);
    println!(
        "| program | {} |\n|---|{}",
        names.join(" | "),
        "---|".repeat(names.len())
    );
    let sizes: Vec<String> = running
        .iter()
        .map(|this| percent(this.code_bytes as f64 / running[1].code_bytes as f64))
        .collect();
    println!("| machine code | {} |", sizes.join(" | "));
    let mut logarithms = vec![0.0; names.len()];
    for program in &PROGRAMS {
        let (ratios, seconds) = measure(&mut running, program, rounds)?;
        for (sum, ratio) in logarithms.iter_mut().zip(&ratios) {
            *sum += ratio.ln() / PROGRAMS.len() as f64;
        }
        let shown: Vec<String> = ratios.iter().map(|ratio| percent(*ratio)).collect();
        println!(
            "| {} ({:.1} ms) | {} |",
            program.name,
            seconds * 1e3,
            shown.join(" | ")
        );
    }
    let means: Vec<String> = logarithms.iter().map(|sum| percent(sum.exp())).collect();
    println!("| geometric mean | {} |", means.join(" | "));
    Ok(())
}
