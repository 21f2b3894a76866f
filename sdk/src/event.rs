//! Events as types: a topic, and data that the schema describes.

use crate::codec::Encode;

/// An event. `#[crostata_sdk::event]` implements it.
pub trait Event: Encode + Sized {
    /// Its topic.
    const TOPIC: &'static str;
}

/// An event that a contract lists, so that its schema describes it. `#[contract(events(..))]` implements it.
#[diagnostic::on_unimplemented(
    message = "no contract lists the event `{Self}`",
    label = "nobody could read this event: its type would not be in the schema",
    note = "write `#[crostata_sdk::contract(events({Self}))]` above the `impl` block of the contract that emits it"
)]
pub trait Listed: Event {}

/// Emits an event. If the call fails, so does the event.
pub fn emit<E: Listed>(event: &E) {
    crate::output::emit(E::TOPIC, event);
}
