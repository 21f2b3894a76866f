//! Block data: what contracts read of the block that they run in.

use crostata_abi::typed::{Decode, Encode, decode, encode};

use super::{Chain, expect};
use crate::machine::{Machine, Request};

/// The datum of the block's height, a `u64`, named as blocks of the VM name it.
const HEIGHT: &str = "block_height";

/// The datum of the block's time, a `u64` of milliseconds.
const TIME: &str = "block_time";

/// Milliseconds between two blocks.
const INTERVAL_MS: u64 = 10_000;

/// The block that the chain's next calls run in: session data that contracts read by name. Height and time begin unset.
///
/// ```ignore
/// chain.block().height(7).time_ms(1_774_000_000_000).advance(3);
/// assert_eq!(chain.block().get::<u64>("block_height"), Some(10));
/// ```
pub struct Block<'a, M: Machine> {
    chain: &'a mut Chain<M>,
}

impl<M: Machine + 'static> Chain<M> {
    /// The block that the next calls run in.
    pub fn block(&mut self) -> Block<'_, M> {
        Block { chain: self }
    }
}

impl<M: Machine + 'static> Block<'_, M> {
    /// Sets the height, the datum `block_height`.
    #[track_caller]
    pub fn height(self, height: u64) -> Self {
        self.datum(HEIGHT, &height)
    }

    /// Sets the time in milliseconds after 1970, the datum `block_time`.
    #[track_caller]
    pub fn time_ms(self, time_ms: u64) -> Self {
        self.datum(TIME, &time_ms)
    }

    /// Goes on by so many blocks, of 10 seconds each.
    #[track_caller]
    pub fn advance(self, blocks: u64) -> Self {
        let height = self.get::<u64>(HEIGHT).unwrap_or(0);
        let time_ms = self.get::<u64>(TIME).unwrap_or(0);
        let passed_ms = blocks.saturating_mul(INTERVAL_MS);
        self.height(height.saturating_add(blocks))
            .time_ms(time_ms.saturating_add(passed_ms))
    }

    /// Sets any datum.
    ///
    /// # Panics
    /// When its name is longer than 255 bytes, or its value does not fit the argument buffer.
    #[track_caller]
    pub fn datum<T: Encode>(self, name: &str, value: &T) -> Self {
        match encode(value) {
            Ok(bytes) => self.set(name, Some(bytes)),
            Err(error) => panic!("the datum `{name}`: {error}"),
        }
    }

    /// Removes a datum: contracts find none of that name.
    #[track_caller]
    pub fn without(self, name: &str) -> Self {
        self.set(name, None)
    }

    /// A datum, if there is one of that name and type.
    #[track_caller]
    pub fn get<T: Decode>(&self, name: &str) -> Option<T> {
        let name = name.to_owned();
        let bytes = expect(self.chain.shared.bytes(Request::Datum { name }))?;
        decode(&bytes).ok()
    }

    #[track_caller]
    fn set(self, name: &str, value: Option<Vec<u8>>) -> Self {
        let name = name.to_owned();
        expect(self.chain.shared.bytes(Request::SetDatum { name, value }));
        self
    }
}
