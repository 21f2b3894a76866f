//! P7: any bytes are a block or a header that encode to them, or a typed error; the engine's codec and ours read the same, whatever follows.
#![no_main]

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use commonware_codec::{Encode, Read as _};
use commonware_cryptography::Digestible as _;
use crostata_chain::ChainBlock;
use crostata_machine::{Block, Header, Rules};
use crostata_node_fuzz::within_bounds;
use libfuzzer_sys::fuzz_target;

static RULES: LazyLock<Arc<Rules>> = LazyLock::new(|| {
    Arc::new(Rules {
        block_bytes_max: 2_048,
        block_transactions_max: 8,
        transaction_bytes_max: 512,
        ..Rules::default()
    })
});

fuzz_target!(|data: &[u8]| {
    if let Ok(header) = within_bounds(data, Header::decode) {
        assert_eq!(header.encode(), data);
    }
    let ours = within_bounds(data, |data| Block::decode(data, &RULES));
    if let Ok(block) = &ours {
        assert_eq!((&block.encode()[..], block.len_bytes()), (data, data.len()));
        assert_eq!(block.header().digest(), block.digest());
    }
    let mut rest = Bytes::copy_from_slice(data);
    let theirs = within_bounds(data, |_| ChainBlock::read_cfg(&mut rest, &RULES));
    match theirs {
        Ok(block) => {
            let read = &data[..data.len() - rest.len()];
            assert_eq!(block.encode(), read);
            assert_eq!(block.block(), &Block::decode(read, &RULES).unwrap());
            assert_eq!(block.digest().0, block.block().digest().to_bytes());
        }
        Err(_) => assert!(ours.is_err()),
    }
});
