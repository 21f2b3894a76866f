//! What every node of a chain must know alike, beside the VM's protocol.

use serde::{Deserialize, Serialize};

use crate::bytes::put_text;

/// Rules of a chain. They are consensus: blocks that break them are invalid, and a node with others forks off.
///
/// In files each may be left out, and no other name is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// The chain's name, at most 255 bytes: contracts read it as `chain_id`.
    pub chain: String,
    /// The longest block, encoded. A peer that sends a longer one is blocked, so that nobody may build one.
    pub block_bytes_max: u32,
    /// The most transactions in a block.
    pub block_transactions_max: u32,
    /// The longest transaction, encoded.
    pub transaction_bytes_max: u32,
    /// The gas that the transactions of a block may spend together.
    pub block_gas: u64,
    /// The least that a transaction may offer for a unit of gas, in the smallest unit of tokens.
    pub gas_price_min: u64,
    /// What each transaction spends at least: its signature, and what the chain does around it.
    pub base_gas: u64,
    /// What a transaction spends for each of its bytes besides.
    pub byte_gas: u64,
    /// The most gas that each call which the chain makes itself may spend.
    pub system_gas: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            chain: "crostata".to_owned(),
            block_bytes_max: 1 << 20,
            block_transactions_max: 4_096,
            transaction_bytes_max: 256 << 10,
            block_gas: 5_000_000_000,
            gas_price_min: 1,
            base_gas: 100_000,
            byte_gas: 20,
            system_gas: 10_000_000,
        }
    }
}

impl Rules {
    /// What a transaction of so many bytes spends before it does anything.
    pub fn intrinsic_gas(&self, len_bytes: usize) -> u64 {
        let bytes = (len_bytes as u64).saturating_mul(self.byte_gas);
        self.base_gas.saturating_add(bytes)
    }

    /// All of them, for the chain's name.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_text(out, &self.chain);
        out.extend(self.block_bytes_max.to_le_bytes());
        out.extend(self.block_transactions_max.to_le_bytes());
        out.extend(self.transaction_bytes_max.to_le_bytes());
        let prices = [
            self.block_gas,
            self.gas_price_min,
            self.base_gas,
            self.byte_gas,
            self.system_gas,
        ];
        out.extend(prices.iter().flat_map(|price| price.to_le_bytes()));
    }
}
