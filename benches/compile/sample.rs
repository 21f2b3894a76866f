//! One module measured: time, memory, price.

use crostata::{Backend, Compiler, Protocol, SessionData, VM};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::fair::{Fair, cpu_ns};

/// A module that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(120);

/// What was measured, in nanoseconds of CPU time, bytes and gas.
#[derive(Clone, Copy, Default)]
pub struct Sample {
    pub bytes: f64,
    pub prepare: f64,
    pub native: f64,
    pub portable: f64,
    pub rss: f64,
    pub gas: f64,
}

impl Sample {
    pub fn head() -> String {
        format!(
            "{:<26} {:>8} {:>9} {:>9} {:>9} {:>8} {:>8} {:>9} {:>9} {:>7}",
            "module",
            "bytes",
            "prepare",
            "native",
            "portable",
            "us/byte",
            "rss/byte",
            "gas",
            "gas/byte",
            "time_x"
        )
    }

    /// How many times longer deploying takes than what it costs buys in plain arithmetic.
    pub fn time_x(&self, fair: &Fair) -> f64 {
        let native = (self.prepare + self.native) / fair.native;
        let portable = (self.prepare + self.portable) / fair.portable;
        native.max(portable) / self.gas
    }

    pub fn row(&self, name: &str, fair: &Fair) -> String {
        let name = name.rsplit('/').next().unwrap_or(name);
        let ms = |ns: f64| format!("{:.2} ms", ns / 1e6);
        format!(
            "{name:<26} {:>8} {:>9} {:>9} {:>9} {:>8.2} {:>8.0} {:>9.0} {:>9.0} {:>7.2}",
            self.bytes,
            ms(self.prepare),
            ms(self.native),
            ms(self.portable),
            self.native.max(self.portable) / 1e3 / self.bytes,
            self.rss / self.bytes,
            self.gas / 1e3,
            self.gas / self.bytes,
            self.time_x(fair),
        )
    }

    fn numbers(&self) -> [f64; 6] {
        [
            self.bytes,
            self.prepare,
            self.native,
            self.portable,
            self.rss,
            self.gas,
        ]
    }
}

/// The peak of this process's memory, in bytes.
fn peak_bytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(0.0) * 1_024.0
}

/// Measures a module; of one that is rejected, how long that took.
pub fn measure(code: &[u8]) -> Result<Sample, String> {
    let protocol = Protocol::default();
    let compiler = |backend| Compiler::new(backend, &protocol, |_| ()).map_err(|e| e.to_string());
    let compilers = [compiler(Backend::Native)?, compiler(Backend::Portable)?];
    // What a process does once is not the module's.
    let first = super::bombs::ordinary(8_192);
    for compiler in &compilers {
        let prepared = compiler.prepare(&first);
        compiler.compile(&prepared.map_err(|error| error.to_string())?)?;
    }
    let mut sample = Sample {
        bytes: code.len() as f64,
        gas: gas(code)?,
        ..Sample::default()
    };
    let before = cpu_ns();
    let prepared = compilers[0].prepare(code);
    sample.prepare = cpu_ns() - before;
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            eprintln!("{error}");
            return Ok(sample);
        }
    };
    let timed = |compiler: &Compiler| {
        let (before, peak) = (cpu_ns(), peak_bytes());
        compiler.compile(&prepared)?;
        Ok::<_, String>((cpu_ns() - before, peak_bytes() - peak))
    };
    (sample.native, sample.rss) = timed(&compilers[0])?;
    (sample.portable, _) = timed(&compilers[1])?;
    Ok(sample)
}

fn gas(code: &[u8]) -> Result<f64, String> {
    let vm = VM::ephemeral().map_err(|error| error.to_string())?;
    let session = vm.session(SessionData::builder());
    Ok(session
        .map_err(|error| error.to_string())?
        .deploy_price(code) as f64)
}

/// Measures a module and prints the numbers, for the process that asked.
pub fn print(code: &[u8]) {
    match measure(code) {
        Ok(sample) => println!("{}", sample.numbers().map(|n| n.to_string()).join(" ")),
        Err(error) => println!("{error}"),
    }
}

/// Measures a module in a process of its own.
pub fn measure_apart(name: &str, bytes: &str) -> Result<Sample, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut child = Command::new(program)
        .args(["--one", name, bytes])
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let begin = Instant::now();
    while child
        .try_wait()
        .map_err(|error| error.to_string())?
        .is_none()
    {
        if begin.elapsed() > PATIENCE || hoards(child.id()) {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("given up after {:?}", begin.elapsed()));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child
        .wait_with_output()
        .map_err(|error| error.to_string())?;
    read(&String::from_utf8_lossy(&output.stdout))
}

/// Whether a process has more than 3 GB of memory.
fn hoards(process: u32) -> bool {
    let pages = std::fs::read_to_string(format!("/proc/{process}/statm")).unwrap_or_default();
    let resident = pages
        .split_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok());
    resident.unwrap_or(0) * 4_096 > 3_000_000_000
}

fn read(line: &str) -> Result<Sample, String> {
    let numbers: Vec<f64> = line
        .split_whitespace()
        .map_while(|n| n.parse().ok())
        .collect();
    match numbers.as_slice() {
        &[bytes, prepare, native, portable, rss, gas] => Ok(Sample {
            bytes,
            prepare,
            native,
            portable,
            rss,
            gas,
        }),
        _ => Err(line.trim().to_owned()),
    }
}
