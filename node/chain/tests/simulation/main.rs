//! A whole network in one process: validators over simulated links and disks, on the engine's deterministic clock. The same seed, the same history.

mod faults;
mod ground;
mod panics;
mod seeds;
mod steady;
mod world;
