//! P3, P4 and P7: a commit's state comes whole over any number of chunks, each of which is what the root says or is
//! refused, whatever breaks on the way; and its bytes are a function of the state (P1).

mod common;

#[path = "transfer/crash.rs"]
mod crash;
#[path = "transfer/generated.rs"]
mod generated;
#[path = "transfer/hostile.rs"]
mod hostile;
#[path = "transfer/reference.rs"]
mod reference;
#[path = "transfer/refused.rs"]
mod refused;
#[path = "transfer/resumed.rs"]
mod resumed;
#[path = "transfer/round_trip.rs"]
mod round_trip;
#[path = "transfer/scene.rs"]
mod scene;
