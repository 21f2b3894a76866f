//! The libraries of a protocol, from the disk or from the compiler.
//!
//! Their artifacts are those of contracts but for what is in them: the module section is the number of core instances, eight bytes little-endian,
//! and the code section a component.

use crostata_proof::CodeHash;

use super::format::{Artifact, Sections, TrustedCode, Unfit};
use super::load::load_component;
use super::modules::Modules;
use super::stamp::Stamp;
use crate::engine::Host;
use crate::engine::library::{Compiled, LibraryError, Shelf, rewrite};

impl<H: Host> Modules<H> {
    /// Has a library of the protocol ready, of its binary.
    ///
    /// # Errors
    /// [`LibraryError`]: what is wrong with it.
    pub fn load_library(&self, code: &CodeHash, bytes: &[u8]) -> Result<(), LibraryError> {
        let (Some(shelf), Some(stamp)) = (self.engine.libraries(), &self.library_stamp) else {
            return Ok(());
        };
        if shelf.has_library(code) {
            return Ok(());
        }
        let compiled = match self.load_compiled(code, shelf, stamp) {
            Some(compiled) => compiled,
            None => self.compile_library(code, bytes, shelf, stamp)?,
        };
        shelf.put(code, bytes, compiled)
    }

    /// Has those libraries ready that another engine of the protocol has.
    ///
    /// # Errors
    /// As [`load_library`](Self::load_library).
    pub fn load_libraries_of(&self, other: &Self) -> Result<(), LibraryError> {
        let there = other.engine.libraries().map(|shelf| shelf.binaries());
        let mut there = there.into_iter().flatten();
        there.try_for_each(|(code, bytes)| self.load_library(&code, &bytes))
    }

    fn load_compiled(&self, code: &CodeHash, shelf: &Shelf, stamp: &Stamp) -> Option<Compiled> {
        let disk = self.artifacts.disk.as_ref()?;
        let artifact = disk.load(code, stamp)?;
        let instances = <[u8; 8]>::try_from(artifact.module()).ok();
        let component = load_component(shelf.wasmtime(), artifact.code()).ok();
        let compiled = instances
            .zip(component)
            .map(|(instances, component)| Compiled {
                component,
                instances: u64::from_le_bytes(instances),
            });
        match compiled.is_some() {
            true => self.artifacts.counters.disk_hits.count(),
            false => disk.count_unfit(Unfit::Damaged),
        }
        compiled
    }

    fn compile_library(
        &self,
        code: &CodeHash,
        bytes: &[u8],
        shelf: &Shelf,
        stamp: &Stamp,
    ) -> Result<Compiled, LibraryError> {
        let rewritten = rewrite(bytes, shelf.rules())?;
        let compilers = &self.artifacts.compilers;
        let fresh = compilers.compile_component(shelf.wasmtime(), rewritten.component);
        let fresh = fresh.map_err(|error| LibraryError::compile(error.to_string()))?;
        let trusted = TrustedCode::compiled(&fresh);
        let component = load_component(shelf.wasmtime(), trusted);
        let component = component.map_err(|error| LibraryError::compile(format!("{error:#}")))?;
        self.artifacts.counters.compiled.count();
        if let Some(disk) = &self.artifacts.disk {
            let sections = Sections {
                engine: stamp.section(),
                module: &rewritten.instances.to_le_bytes(),
                code: trusted,
            };
            disk.save(code, stamp, |secret| Artifact::seal(secret, code, sections));
        }
        Ok(Compiled {
            component,
            instances: rewritten.instances,
        })
    }
}
