//! P1 and P6: gas is exact where it can be and the whole limit where it can not; every failure has its code; calls are bounded in
//! depth, stack and re-entry, whatever contracts try.

mod fixtures;

#[path = "gas/bounds.rs"]
mod bounds;
#[path = "gas/codes.rs"]
mod codes;
#[path = "gas/deploy.rs"]
mod deploy;
#[path = "gas/estimate.rs"]
mod estimate;
#[path = "gas/exact.rs"]
mod exact;
