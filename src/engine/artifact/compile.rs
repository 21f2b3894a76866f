//! Compiling, on threads of its own.
//!
//! The compiler works in parallel. In the process's common pool of threads, a thread that waits for its part of a compilation
//! takes up other work meanwhile, a session's for example; if that wants the same code it waits for itself. These threads do
//! nothing but compile, and who wants code waits without taking up anything, so that no such circle can be.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{OnceLock, mpsc};

use rayon::{ThreadPool, ThreadPoolBuilder};

/// Stack of a compiling thread in bytes: deeply nested code is compiled by recursion.
const STACK_BYTES: usize = 8 << 20;

/// Why accepted code was not compiled: a fault of the host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// The compiler failed.
    #[error("the compiler failed on accepted code: {0}")]
    Compiler(String),
    /// The compiler, or who was to call it, panicked.
    #[error("compiling panicked: {0}")]
    Panicked(String),
    /// There are no threads to be had.
    #[error("no threads to compile with: {0}")]
    Threads(String),
}

/// What the compiler of this process gave.
pub struct Compiled(Vec<u8>);

impl Compiled {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The threads, which are made when the first code is compiled.
#[derive(Default)]
pub struct Compilers {
    pool: OnceLock<Result<ThreadPool, CompileError>>,
}

impl Compilers {
    /// Compiles a rewritten module.
    ///
    /// # Errors
    /// [`CompileError`]; a panic of the compiler is one, too.
    pub fn compile(
        &self,
        engine: &wasmtime::Engine,
        wasm: Vec<u8>,
    ) -> Result<Compiled, CompileError> {
        let engine = engine.clone();
        compiled(self.run(move || engine.precompile_module(&wasm))?)
    }

    /// Compiles a rewritten component.
    ///
    /// # Errors
    /// [`CompileError`]; a panic of the compiler is one, too.
    #[cfg(feature = "libraries")]
    pub fn compile_component(
        &self,
        engine: &wasmtime::Engine,
        wasm: Vec<u8>,
    ) -> Result<Compiled, CompileError> {
        let engine = engine.clone();
        compiled(self.run(move || engine.precompile_component(&wasm))?)
    }

    /// Runs work on the threads, and waits for it.
    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, CompileError> {
        let pool = self.pool.get_or_init(pool).as_ref();
        let (done, result) = mpsc::sync_channel(1);
        pool.map_err(CompileError::clone)?.spawn(move || {
            // Who waits is there until it has the result.
            let _ = done.send(catch_unwind(AssertUnwindSafe(work)));
        });
        match result.recv() {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(panic)) => Err(CompileError::Panicked(message(&*panic))),
            Err(_) => Err(CompileError::Threads("they went away".into())),
        }
    }
}

fn compiled(bytes: wasmtime::Result<Vec<u8>>) -> Result<Compiled, CompileError> {
    match bytes {
        Ok(bytes) => Ok(Compiled(bytes)),
        Err(error) => Err(CompileError::Compiler(format!("{error:#}"))),
    }
}

fn pool() -> Result<ThreadPool, CompileError> {
    let threads = ThreadPoolBuilder::new()
        .stack_size(STACK_BYTES)
        .thread_name(|number| format!("compile-{number}"));
    let built = threads.build();
    built.map_err(|error| CompileError::Threads(error.to_string()))
}

/// What a panic said.
pub fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P7: a compiler that panics is an error, and the next compilation works.
    #[test]
    fn a_panic_of_the_compiler_is_an_error() {
        let compilers = Compilers::default();
        let panicked: Result<(), _> = compilers.run(|| panic!("no such register"));
        let wanted = CompileError::Panicked("no such register".into());
        assert_eq!(panicked, Err(wanted));
        assert_eq!(compilers.run(|| 7), Ok(7));
    }

    /// Bytes that are no module are an error of the compiler.
    #[test]
    fn junk_is_an_error() {
        let engine = wasmtime::Engine::default();
        let compiled = Compilers::default().compile(&engine, b"junk".to_vec());
        assert!(matches!(compiled, Err(CompileError::Compiler(_))));
    }
}
