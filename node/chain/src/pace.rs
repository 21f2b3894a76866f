//! How fast blocks follow each other.

use std::time::Duration;

/// How fast blocks follow each other. Every proposer keeps its own pace; the others do not ask for any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The least time between a block and its parent.
    pub block_min: Duration,
    /// The time after which a block is proposed although there is nothing to put into it. Less than the engine waits for leaders.
    pub idle_max: Duration,
    /// How far ahead of this node's clock a block's time may be, for it to be voted for at once. A vote for one that is later waits until it is not.
    pub ahead_max: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            block_min: Duration::from_millis(50),
            idle_max: Duration::from_millis(1_000),
            ahead_max: Duration::from_millis(500),
        }
    }
}
