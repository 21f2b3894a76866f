//! Transactions on their way to whoever proposes next: what one node takes from a client it sends to all others, once.
//!
//! | bytes of a message | field |
//! |---|---|
//! | 4 + n | per transaction: length, bytes |
//!
//! Nobody is blamed for what he sends: a transaction that one node refuses may have been fine where it came from. Nothing is sent on, since every
//! node hears of each transaction from the one that took it.

use std::sync::Arc;

use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::{Receiver, Recipients, Sender};
use commonware_runtime::{Handle, Spawner};
use commonware_utils::channel::mpsc;
use crostata_machine::{Machine, Rules, Transaction, TransactionDigest};

use crate::offload::offload;
use crate::shared::{SharedPool, SubmitError};

/// The most transactions that wait for being sent; more are not sent, and stay with the node that took them.
const WAITING_MAX: usize = 16_384;
/// The longest message, unless one transaction is longer.
const MESSAGE_BYTES: usize = 64 << 10;

/// Where clients' transactions come in: into the pool, and on to the other nodes. Cheap to clone.
pub struct Inbox<M> {
    machine: Arc<M>,
    pool: SharedPool,
    outgoing: mpsc::Sender<Transaction>,
}

impl<M> Clone for Inbox<M> {
    fn clone(&self) -> Self {
        Self {
            machine: self.machine.clone(),
            pool: self.pool.clone(),
            outgoing: self.outgoing.clone(),
        }
    }
}

impl<M: Machine> Inbox<M> {
    /// Takes a client's transaction. It reads the state and looks at the signature: not for threads that poll others.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub fn submit(&self, transaction: &Transaction) -> Result<TransactionDigest, SubmitError> {
        let digest = self.pool.add(&*self.machine, transaction)?;
        // Where there is no room the others do not hear of it, and this node proposes it itself.
        let _ = self.outgoing.try_send(transaction.clone());
        Ok(digest)
    }

    /// The pool.
    pub fn pool(&self) -> &SharedPool {
        &self.pool
    }
}

/// The longest message that nodes send each other.
pub fn message_bytes_max(rules: &Rules) -> usize {
    MESSAGE_BYTES.max(4 + rules.transaction_bytes_max as usize)
}

/// Starts sending what clients bring, and taking what other nodes send.
pub fn start<E: Spawner, M: Machine>(
    context: &E,
    machine: Arc<M>,
    pool: SharedPool,
    network: (
        impl Sender<PublicKey = PublicKey>,
        impl Receiver<PublicKey = PublicKey>,
    ),
) -> (Inbox<M>, [Handle<()>; 2]) {
    let (outgoing, waiting) = mpsc::channel(WAITING_MAX);
    let (sender, receiver) = network;
    let taking = (machine.clone(), pool.clone());
    let inbox = Inbox {
        machine,
        pool,
        outgoing,
    };
    let sending = context.child("gossip_out");
    let sending = sending.spawn(move |_| send(sender, waiting));
    let receiving = context.child("gossip_in");
    let receiving = receiving.spawn(move |context| receive(context, receiver, taking));
    (inbox, [sending, receiving])
}

async fn send(
    mut sender: impl Sender<PublicKey = PublicKey>,
    mut waiting: mpsc::Receiver<Transaction>,
) {
    let mut next = waiting.recv().await;
    while let Some(first) = next {
        let mut message = Vec::new();
        put(&mut message, &first);
        next = loop {
            match waiting.try_recv() {
                Ok(more) if message.len() + 4 + more.bytes().len() <= MESSAGE_BYTES => {
                    put(&mut message, &more);
                }
                Ok(other) => break Some(other),
                Err(_) => break None,
            }
        };
        sender.send(Recipients::All, message, false);
        if next.is_none() {
            next = waiting.recv().await;
        }
    }
}

fn put(message: &mut Vec<u8>, transaction: &Transaction) {
    let bytes = transaction.bytes();
    message.extend((bytes.len() as u32).to_le_bytes()); // what the pool takes is shorter than the rules say
    message.extend(bytes);
}

async fn receive<E: Spawner, M: Machine>(
    context: E,
    mut receiver: impl Receiver<PublicKey = PublicKey>,
    (machine, pool): (Arc<M>, SharedPool),
) {
    while let Ok((_, message)) = receiver.recv().await {
        let message: Vec<u8> = message.into();
        let (machine, pool) = (machine.clone(), pool.clone());
        let taken = offload(&context, move || take(&machine, &pool, &message)).await;
        if taken.is_err() {
            return;
        }
    }
}

/// Takes what can be taken of a message.
fn take<M: Machine>(machine: &Arc<M>, pool: &SharedPool, message: &[u8]) {
    for transaction in transactions(message) {
        if let Err(error) = pool.add(&**machine, &transaction) {
            tracing::debug!(transaction = %transaction.digest(), %error, "not taken from a peer");
        }
    }
}

/// The transactions of a message between nodes. What comes after bytes that are no transaction is not looked at.
pub fn transactions(mut message: &[u8]) -> impl Iterator<Item = Transaction> {
    std::iter::from_fn(move || {
        let (len, rest) = message.split_first_chunk()?;
        let (bytes, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        let transaction = Transaction::decode(bytes).ok()?;
        message = rest;
        Some(transaction)
    })
}
