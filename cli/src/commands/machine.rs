//! `machine`: runs the contracts of a test program's chains, asked over standard input and output (`crostata_testing::remote`).
//!
//! One thread per chain; the process ends when its input does.

use std::collections::HashMap;
use std::io::{self, Stdin, Stdout};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use clap::Args;
use crostata::testing::InProcess;
use crostata_testing::machine::{Answers, Machine as _, MachineError, Request, Response};
use crostata_testing::remote::wire::{self, FromMachine, ToMachine, WireError};

use super::Done;
use crate::error::CliError;
use crate::gas_log::ChainLog;

/// Runs the contracts of a test program, which starts it by itself.
#[derive(Debug, Args)]
pub struct MachineCommand {}

impl MachineCommand {
    /// Serves until the input ends.
    pub fn run(&self) -> Result<Done, CliError> {
        let out = Arc::new(Mutex::new(io::stdout()));
        wire::write_hello(&mut *locked(&out)).map_err(CliError::Machine)?;
        serve(&mut io::stdin(), &out).map_err(CliError::Machine)?;
        Ok(Done::Well)
    }
}

type Out = Arc<Mutex<Stdout>>;

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(input: &mut Stdin, out: &Out) -> Result<(), WireError> {
    let mut chains: HashMap<u64, Sender<ToMachine>> = HashMap::new();
    let mut threads = Vec::new();
    while let Some((number, message)) = wire::read::<ToMachine>(input)? {
        if message == ToMachine::End {
            chains.remove(&number);
            continue;
        }
        if let ToMachine::Start { .. } = message {
            let (chain, thread) = chain(number, out.clone())?;
            chains.insert(number, chain);
            threads.retain(|thread: &JoinHandle<_>| !thread.is_finished());
            threads.push(thread);
        }
        if let Some(chain) = chains.get(&number) {
            // A chain that ended has said why.
            let _ = chain.send(message);
        }
    }
    // What they have to say on ending is said before the process ends.
    drop(chains);
    for thread in threads {
        let _ = thread.join();
    }
    Ok(())
}

/// Starts a chain's thread.
fn chain(number: u64, out: Out) -> Result<(Sender<ToMachine>, JoinHandle<()>), WireError> {
    let (sender, inbox) = channel();
    let outside = Arc::new(Outside {
        number,
        out,
        inbox: Mutex::new(inbox),
    });
    let thread = std::thread::Builder::new().name(format!("chain {number}"));
    let thread = thread.spawn(move || run(&outside).unwrap_or_default())?;
    Ok((sender, thread))
}

/// Does what a chain's messages say, until there are no more.
fn run(outside: &Arc<Outside>) -> Option<()> {
    let mut machine = None;
    let mut log = None;
    loop {
        let answer = match outside.next()? {
            ToMachine::Start { base, test } => {
                log = ChainLog::start(test);
                let answers: Arc<dyn Answers> = outside.clone();
                let started = InProcess::start(&base, answers);
                FromMachine::Started(started.map(|started| machine = Some(started)))
            }
            ToMachine::Ask(request) => FromMachine::Answered(Box::new(match &mut machine {
                Some(machine) => asked(machine, request, log.as_mut()),
                None => Err(unstarted()),
            })),
            // Nobody asked.
            ToMachine::Answer(_) => continue,
            ToMachine::End => return None,
        };
        outside.tell(&answer)?;
    }
}

/// What the machine answers; what a call spent is logged.
fn asked(
    machine: &mut InProcess,
    request: Request,
    log: Option<&mut ChainLog>,
) -> Result<Response, MachineError> {
    let Some(log) = log else {
        return machine.ask(request);
    };
    if let Request::Label { contract, name } = &request {
        log.label(*contract, name.clone());
    }
    let response = machine.ask(request)?;
    let number = match &response {
        Response::Called(call) => Some(call.number),
        Response::Deployed { init, .. } => Some(init.number),
        _ => None,
    };
    if let Some(trace) = number.and_then(|number| machine.call_trace(number)) {
        log.add(trace);
    }
    Ok(response)
}

fn unstarted() -> MachineError {
    let reason = "the chain was not started".into();
    MachineError::Lost { reason }
}

/// A chain's end of the streams.
struct Outside {
    number: u64,
    out: Out,
    inbox: Mutex<Receiver<ToMachine>>,
}

impl Outside {
    fn next(&self) -> Option<ToMachine> {
        locked(&self.inbox).recv().ok()
    }

    fn tell(&self, message: &FromMachine) -> Option<()> {
        wire::write(&mut *locked(&self.out), self.number, message).ok()
    }
}

impl Answers for Outside {
    fn answer(&self, query: &str, argument: &[u8]) -> Result<Vec<u8>, String> {
        let query = FromMachine::Query {
            name: query.to_owned(),
            argument: argument.to_vec(),
        };
        self.tell(&query);
        match self.next() {
            Some(ToMachine::Answer(answer)) => answer,
            _ => Err("the test program gave no answer".into()),
        }
    }
}
