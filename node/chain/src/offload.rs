//! Where the VM runs: never on the thread that polls others.

use std::sync::Arc;
use std::time::Duration;

use commonware_runtime::{Clock, Error, Spawner};

/// Runs work that takes long on the runtime's threads for such work. Under the deterministic runtime, which has none, it runs in its turn. What
/// was begun ends, whoever still waits for it.
///
/// # Errors
/// When the work panics, or the runtime ends.
pub async fn offload<E: Spawner, T: Send + 'static>(
    context: &E,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let thread = context.child("vm").shared(true);
    thread.spawn(move |_| async move { work() }).await
}

/// A machine, and how it is made to work. Cheap to clone.
pub struct Worker<M> {
    machine: Arc<M>,
    held_up: Duration,
}

impl<M> Clone for Worker<M> {
    fn clone(&self) -> Self {
        Self {
            machine: self.machine.clone(),
            held_up: self.held_up,
        }
    }
}

impl<M: Send + Sync + 'static> Worker<M> {
    /// A machine whose work is held up for some time: none, but in simulations of slow processors and disks.
    pub fn new(machine: Arc<M>, held_up: Duration) -> Self {
        Self { machine, held_up }
    }

    /// The machine, for what takes no time.
    pub fn machine(&self) -> &Arc<M> {
        &self.machine
    }

    /// Has the machine work.
    ///
    /// # Errors
    /// When the work panics, or the runtime ends.
    pub async fn run<E: Spawner + Clock, T: Send + 'static>(
        &self,
        context: &E,
        work: impl FnOnce(&M) -> T + Send + 'static,
    ) -> Result<T, Error> {
        if !self.held_up.is_zero() {
            context.sleep(self.held_up).await;
        }
        let machine = self.machine.clone();
        offload(context, move || work(&machine)).await
    }
}
