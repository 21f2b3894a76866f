//! The memory that a fully written contract takes. For a process of its own.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::Case;
use crate::contracts::{AREA_BYTES, Argument, TARGET, deploy_bench, two};
use crate::machine::{Failure, Machine, Session};

/// The figure is the most bytes that were resident at any moment of the calls without a file behind them, less those
/// resident before the first. Shared memory (a memfd) counts as having no file.
pub struct Resident<M: Machine> {
    calls: u32,
    session: M::Session,
    _machine: M,
}

impl<M: Machine> Resident<M> {
    /// Over this many calls, each of which writes the whole area.
    pub fn prepare(calls: u32) -> Result<Box<dyn Case>, Failure> {
        let machine = M::open()?;
        let mut session = machine.session(None)?;
        deploy_bench(&mut session)?;
        session.call(TARGET, "value", &[])?;
        Ok(Box::new(Self {
            calls,
            session,
            _machine: machine,
        }))
    }

    fn write(&mut self) -> Result<(), Failure> {
        for seed in 1..=self.calls {
            self.session.call(TARGET, "fill", &two(AREA_BYTES, seed))?;
        }
        Ok(())
    }
}

impl<M: Machine> Case for Resident<M> {
    fn check(&mut self) -> Result<Vec<u8>, Failure> {
        let places = Argument::default().number(16_384).number(4_096);
        self.session.call(TARGET, "area_sum", &places.0)
    }

    fn round(&mut self) -> Result<u64, Failure> {
        let before = resident_bytes()?;
        let done = AtomicBool::new(false);
        let peak = thread::scope(|scope| {
            let watching = scope.spawn(|| peak_bytes(&done));
            let written = self.write();
            done.store(true, Ordering::Release);
            let peak = watching
                .join()
                .map_err(|_| "the watching thread panicked")?;
            written.and(peak)
        })?;
        Ok(peak.max(resident_bytes()?).saturating_sub(before))
    }
}

fn peak_bytes(done: &AtomicBool) -> Result<u64, Failure> {
    let mut peak = 0;
    while !done.load(Ordering::Acquire) {
        peak = resident_bytes()?.max(peak);
        thread::sleep(Duration::from_micros(500));
    }
    Ok(peak)
}

fn resident_bytes() -> Result<u64, Failure> {
    let status = fs::read_to_string("/proc/self/status")?;
    let kibibytes = status
        .lines()
        .filter(|line| line.starts_with("RssAnon:") || line.starts_with("RssShmem:"))
        .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
        .sum::<u64>();
    Ok(kibibytes * 1_024)
}
