//! P1 and P8: the same calls over the same state give the same roots, gas, digests, events and call trees: on both backends, in
//! fresh and reopened VMs, with and without anybody watching, after compiled code was forgotten, and on many threads
//! at once.

mod fixtures;

#[path = "determinism/numbers.rs"]
mod numbers;
#[path = "determinism/workload.rs"]
mod workload;
