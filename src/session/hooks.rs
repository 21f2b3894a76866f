//! What an embedder hangs into a session: policy, feeding, and debug messages.

use std::sync::mpsc::{Sender, SyncSender};

use crostata_abi::ContractId;

use crate::engine::FrameStart;

/// Policy of the embedder about calls. Its answers are input of the session: every node must give the same.
pub trait CallHook: Send {
    /// Says why this call, by the host or by a contract, may not happen, if it may not.
    ///
    /// A refused call by the host is rejected; a refused call by a contract fails for that contract.
    fn refuse(&mut self, call: &FrameStart<'_>) -> Option<String>;
}

impl<F: FnMut(&FrameStart<'_>) -> Option<String> + Send> CallHook for F {
    fn refuse(&mut self, call: &FrameStart<'_>) -> Option<String> {
        self(call)
    }
}

/// Takes what a contract feeds during a feeder call.
///
/// A receiver that is gone loses bytes and changes nothing else.
pub trait Feeder: Send {
    /// Takes the bytes of one `feed`.
    fn feed(&mut self, bytes: Vec<u8>);
}

impl Feeder for Sender<Vec<u8>> {
    fn feed(&mut self, bytes: Vec<u8>) {
        // A receiver that hung up is not interested any more.
        let _ = self.send(bytes);
    }
}

/// A bounded channel: the call waits while the channel is full, so another thread must receive.
impl Feeder for SyncSender<Vec<u8>> {
    fn feed(&mut self, bytes: Vec<u8>) {
        // A receiver that hung up is not interested any more.
        let _ = self.send(bytes);
    }
}

/// Takes the debug messages of contracts. Whether anybody listens changes no gas, event or root.
pub trait DebugSink: Send {
    /// Takes one message.
    fn message(&mut self, contract: ContractId, text: &str);
}

impl<F: FnMut(ContractId, &str) + Send> DebugSink for F {
    fn message(&mut self, contract: ContractId, text: &str) {
        self(contract, text);
    }
}
