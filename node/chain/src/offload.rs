//! Where the VM runs: never on the thread that polls others.

use commonware_runtime::{Error, Spawner};

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
