//! P1 and P6: gas is exact where it can be and the whole limit where it can not; every failure has its code; calls are bounded in
//! depth, stack, re-entry, memory, pages, events and feeds, whatever contracts try.

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
#[path = "gas/limits.rs"]
mod limits;
#[path = "gas/prices.rs"]
mod prices;
#[path = "gas/straight.rs"]
mod straight;
#[path = "gas/warm.rs"]
mod warm;
