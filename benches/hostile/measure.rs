//! One run of an attack, in a process of its own: what it paid, and what it took.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crostata::{ArtifactConfig, ArtifactDirectory, Commit, Config, Error, SessionData, VM};
use rustix::time::{ClockId, clock_gettime};

use crate::attacks::run::{Outcome, forget_files, prepare, steps};
use crate::attacks::{Attack, World};
use crate::counting::CountingFiles;

/// How an attack is run.
#[derive(Clone, Copy)]
pub struct Run {
    pub budget_gas: u64,
    /// An attack that goes on for longer is stopped; what it paid and took so far counts.
    pub seconds_max: u64,
    /// Whether the memory is watched, by a thread that takes time itself.
    pub watched: bool,
}

/// What a run paid and took.
#[derive(Default, Clone, Copy)]
pub struct Cost {
    pub gas: u64,
    pub steps: u64,
    pub succeeded: u64,
    pub rejected: u64,
    /// Time of all processors, in the system too.
    pub cpu_ns: u64,
    pub wall_ns: u64,
    /// By how much the memory without a file behind it grew at most.
    pub rss_bytes: u64,
    /// Written to the VM's directory.
    pub disk_bytes: u64,
}

/// Runs an attack once.
///
/// # Errors
/// The fatal error by which it stopped the session.
pub fn measure(attack: &Attack, run: Run) -> Result<Cost, Error> {
    let world = (attack.world)();
    let directory = tempfile::tempdir().expect("a directory for the VM");
    let (vm, written, base) = begin(directory.path(), &world);
    let written_before = written.load(Ordering::Relaxed);
    let watch = run.watched.then(Watch::start);
    let (cpu, wall) = (cpu_ns(), Instant::now());
    let outcome = attack_once(&vm, &world, base, run)?;
    let (cpu_ns, wall_ns) = (cpu_ns() - cpu, wall.elapsed().as_nanos() as u64);
    Ok(Cost {
        gas: outcome.gas,
        steps: outcome.steps,
        succeeded: outcome.succeeded,
        rejected: outcome.rejected,
        cpu_ns,
        wall_ns,
        rss_bytes: watch.map_or(0, Watch::end),
        disk_bytes: written.load(Ordering::Relaxed) - written_before,
    })
}

fn begin(directory: &Path, world: &World) -> (VM, Arc<AtomicU64>, Commit) {
    let (vm, written) = open(directory);
    let base = prepare(&vm, world);
    if !world.cold {
        return (vm, written, base);
    }
    vm.finalize_commit(base).expect("the base is finalised");
    vm.checkpoint().expect("a checkpoint");
    drop(vm);
    forget_files(directory);
    forget_files(&directory.join("artifacts"));
    let (vm, written) = open(directory);
    (vm, written, base)
}

fn open(directory: &Path) -> (VM, Arc<AtomicU64>) {
    let files = CountingFiles::open(directory);
    let written = files.written();
    let artifacts = ArtifactConfig {
        // Over files that are counted it would keep none.
        directory: ArtifactDirectory::At(directory.join("artifacts")),
        ..ArtifactConfig::default()
    };
    let config = Config {
        artifacts,
        ..Config::default()
    };
    let vm = VM::with_files(Arc::new(files), config);
    (vm.expect("the VM opens"), written)
}

/// A block: a session, its transactions, the commit.
fn attack_once(vm: &VM, world: &World, base: Commit, run: Run) -> Result<Outcome, Error> {
    let begin = Instant::now();
    let data = SessionData::builder().base(base);
    let mut session = vm.session(data).expect("a session over the base");
    let longest = Duration::from_secs(run.seconds_max);
    let outcome = steps(&mut session, world, run.budget_gas, || {
        begin.elapsed() > longest
    })?;
    session.commit().expect("the block is committed");
    Ok(outcome)
}

fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// A thread that looks at the process's memory again and again.
struct Watch {
    over: Arc<AtomicBool>,
    before: u64,
    thread: JoinHandle<u64>,
}

impl Watch {
    fn start() -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let seen = over.clone();
        let thread = thread::spawn(move || {
            let mut peak = 0;
            while !seen.load(Ordering::Relaxed) {
                peak = peak.max(memory_bytes());
                thread::sleep(Duration::from_millis(1));
            }
            peak.max(memory_bytes())
        });
        Self {
            over,
            before: memory_bytes(),
            thread,
        }
    }

    fn end(self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        let peak = self.thread.join().unwrap_or(0);
        peak.saturating_sub(self.before)
    }
}

/// Anonymous memory, and that of images, which are memory files: also those of their pages that nobody maps.
fn memory_bytes() -> u64 {
    anonymous_bytes() + image_bytes()
}

fn anonymous_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut lines = status.lines();
    let line = lines.find(|line| line.starts_with("RssAnon"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1_024
}

fn image_bytes() -> u64 {
    let Ok(open) = fs::read_dir("/proc/self/fd") else {
        return 0;
    };
    let paths = open.filter_map(|entry| Some(entry.ok()?.path()));
    let images = paths.filter(|path| {
        fs::read_link(path).is_ok_and(|target| target.to_string_lossy().contains("crostata-image"))
    });
    let sizes = images.filter_map(|path| Some(fs::metadata(path).ok()?.blocks() * 512));
    sizes.sum()
}
