//! P1 and P7: whatever is done to the cache of compiled code, between blocks and while they run, gives the same roots, gas, events and
//! digests as no cache at all, and no error: what can not be loaded is compiled, and a counter says so.

mod common;

#[path = "artifact_cache/blocks.rs"]
mod blocks;
#[path = "artifact_cache/damage.rs"]
mod damage;
#[path = "artifact_cache/keeping.rs"]
mod keeping;
#[path = "artifact_cache/sharing.rs"]
mod sharing;
