//! P7: any bytes are a transaction that encodes to them, or a typed error; a message between nodes is read as far as it is one. Nobody signs by accident.
#![no_main]

use std::sync::LazyLock;

use crostata_chain::transactions;
use crostata_machine::{ChainId, Pool, PoolLimits, Rules, Transaction};
use crostata_node_fuzz::{genesis, within_bounds};
use libfuzzer_sys::fuzz_target;

static CHAIN: LazyLock<ChainId> = LazyLock::new(|| genesis().chain());

fuzz_target!(|data: &[u8]| {
    if let Ok(transaction) = within_bounds(data, Transaction::decode) {
        assert_eq!(transaction.bytes(), data);
        let draft = transaction.draft().clone();
        let known = crostata_node_fuzz::client(0);
        let signed = draft.sign(&known, &CHAIN);
        assert_eq!(Transaction::decode(signed.bytes()).unwrap(), signed);
        assert_eq!(signed.bytes().len(), data.len());
        if let Ok(verified) = transaction.verify(&CHAIN) {
            let (length, signed) = (data.len() - 64, verified.transaction());
            assert_eq!(&signed.bytes()[..length], &data[..length]);
        }
        let account = crostata_machine::AccountState::default();
        let pool = Pool::new(Rules::default(), PoolLimits::default());
        let _ = pool.check(&transaction, account);
    }
    let read = within_bounds(data, |data| transactions(data).collect::<Vec<_>>());
    let again = read.iter().flat_map(|one| {
        let len = u32::try_from(one.bytes().len()).unwrap();
        [&len.to_le_bytes(), one.bytes()].concat()
    });
    assert!(data.starts_with(&again.collect::<Vec<_>>()));
});
