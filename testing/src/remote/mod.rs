//! The machine in a process of its own: `crostata machine`, which is installed once, so that a contract's build and tests have no VM in
//! them.
//!
//! A test program starts one process, however many chains it makes on however many threads. The process ends with the program. It is
//! the command that the environment variable `CROSTATA` names, as `crostata test` does, or `crostata` in `PATH`.
//!
//! | direction | bytes | what |
//! |---|---|---|
//! | from the machine, first | 16 | `crostata machine` |
//! | | 4 | version, little-endian: [`wire::VERSION`] |
//! | both, any number | 4 | length of what follows, little-endian |
//! | | 8 | number of the chain, little-endian |
//! | | n | [`ToMachine`] or [`FromMachine`], by `postcard` |

pub mod wire;

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::machine::{Answers, Base, Machine, MachineError, Request, Response};
use wire::{FromMachine, ToMachine, WireError};

/// The environment variable that names the command.
pub const COMMAND_VARIABLE: &str = "CROSTATA";

/// A [`Machine`] in the process of the command `crostata machine`.
///
/// ```no_run
/// use crostata_testing::{Chain, Remote, contract};
///
/// let mut chain = Chain::<Remote>::new();
/// let counter = chain.deploy(contract!("../counter")).label("counter").send();
/// chain.call::<_, ()>(counter, "increment", &()).expect_success();
/// ```
pub struct Remote {
    number: u64,
    process: Arc<Process>,
    inbox: Receiver<FromMachine>,
    answers: Arc<dyn Answers>,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl Machine for Remote {
    fn start(base: &Base, answers: Arc<dyn Answers>) -> Result<Self, MachineError> {
        let process = process()?;
        let (number, inbox) = process.open();
        let machine = Self {
            number,
            process,
            inbox,
            answers,
        };
        let base = base.clone();
        // Test programs name the thread after the test.
        let test = std::thread::current().name().map(str::to_owned);
        match machine.exchange(&ToMachine::Start { base, test })? {
            FromMachine::Started(started) => started.map(|()| machine),
            other => Err(nonsense(&other)),
        }
    }

    fn ask(&mut self, request: Request) -> Result<Response, MachineError> {
        match self.exchange(&ToMachine::Ask(request))? {
            FromMachine::Answered(response) => *response,
            other => Err(nonsense(&other)),
        }
    }
}

impl Remote {
    /// Sends a message and waits for what comes of it; answers the queries that contracts ask in between.
    fn exchange(&self, message: &ToMachine) -> Result<FromMachine, MachineError> {
        self.process.send(self.number, message)?;
        loop {
            let Ok(received) = self.inbox.recv() else {
                return Err(self.process.lost());
            };
            let FromMachine::Query { name, argument } = received else {
                return Ok(received);
            };
            let answer = self.answers.answer(&name, &argument);
            let answer = ToMachine::Answer(answer);
            self.process.send(self.number, &answer)?;
        }
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.process.close(self.number);
    }
}

/// The process that all chains of this one share; a new one after one that is gone.
static SHARED: Mutex<Option<Arc<Process>>> = Mutex::new(None);

fn process() -> Result<Arc<Process>, MachineError> {
    let mut shared = locked(&SHARED);
    if let Some(process) = shared.as_ref().filter(|process| process.is_alive()) {
        return Ok(process.clone());
    }
    let process = Process::start()?;
    Ok(shared.insert(process).clone())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running `crostata machine`.
struct Process {
    input: Mutex<ChildStdin>,
    state: Mutex<State>,
    command: OsString,
}

#[derive(Default)]
struct State {
    chains: HashMap<u64, Sender<FromMachine>>,
    opened: u64,
    /// Why it is gone.
    gone: Option<String>,
}

impl Process {
    fn start() -> Result<Arc<Self>, MachineError> {
        let command = std::env::var_os(COMMAND_VARIABLE).unwrap_or_else(|| "crostata".into());
        let mut child = spawn(&command)?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (Some(input), Some(mut output)) = (input, output) else {
            return Err(start_error(&command, "it has no standard streams"));
        };
        wire::read_hello(&mut output).map_err(|error| {
            let _ = child.kill();
            start_error(&command, &error.to_string())
        })?;
        let process = Arc::new(Self {
            input: Mutex::new(input),
            state: Mutex::default(),
            command,
        });
        let reader = process.clone();
        let thread = std::thread::Builder::new().name("crostata machine".into());
        let listening = thread.spawn(move || reader.listen(output, child));
        listening.map_err(|error| start_error(&process.command, &error.to_string()))?;
        Ok(process)
    }

    /// Hands messages to the chains that they are for, until the process ends.
    fn listen(&self, mut output: ChildStdout, mut child: Child) {
        let reason = loop {
            match wire::read::<FromMachine>(&mut output) {
                Ok(Some((chain, message))) => {
                    let state = locked(&self.state);
                    if let Some(chain) = state.chains.get(&chain) {
                        // Whoever closed the chain meanwhile does not want it.
                        let _ = chain.send(message);
                    }
                }
                Ok(None) => break "it ended".to_owned(),
                Err(error) => break error.to_string(),
            }
        };
        let _ = child.kill();
        let status = child.wait();
        let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        let mut state = locked(&self.state);
        state.gone = Some(format!("{reason} ({status})"));
        state.chains.clear();
    }

    fn is_alive(&self) -> bool {
        locked(&self.state).gone.is_none()
    }

    fn open(&self) -> (u64, Receiver<FromMachine>) {
        let (sender, receiver) = channel();
        let mut state = locked(&self.state);
        state.opened += 1;
        let number = state.opened;
        if state.gone.is_none() {
            state.chains.insert(number, sender);
        }
        (number, receiver)
    }

    fn close(&self, chain: u64) {
        let was_open = locked(&self.state).chains.remove(&chain).is_some();
        if was_open {
            // If the process is gone, so is the chain.
            let _ = self.send(chain, &ToMachine::End);
        }
    }

    fn send(&self, chain: u64, message: &ToMachine) -> Result<(), MachineError> {
        let sent = wire::write(&mut *locked(&self.input), chain, message);
        sent.map_err(|error| match error {
            WireError::Io(_) => self.lost(),
            error => MachineError::Lost {
                reason: error.to_string(),
            },
        })
    }

    fn lost(&self) -> MachineError {
        let gone = locked(&self.state).gone.clone();
        let gone = gone.unwrap_or_else(|| "it takes no more messages".into());
        let command = self.command.display();
        let reason = format!("`{command} machine`: {gone}; what it wrote last is above");
        MachineError::Lost { reason }
    }
}

fn spawn(command: &OsString) -> Result<Child, MachineError> {
    let spawned = Command::new(command)
        .arg("machine")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    spawned.map_err(|error| start_error(command, &error.to_string()))
}

fn start_error(command: &OsString, problem: &str) -> MachineError {
    let command = command.display();
    let reason = format!(
        "`{command} machine`: {problem}. Run the tests with `crostata test`; or install the command with \
         `cargo install --path cli` in crostata's repository; or name it with the environment variable {COMMAND_VARIABLE}"
    );
    MachineError::Start { reason }
}

fn nonsense(message: &FromMachine) -> MachineError {
    let reason = format!("it answered something else than it was asked: {message:?}");
    MachineError::Lost { reason }
}
