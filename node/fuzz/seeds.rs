//! Writes what the fuzz targets begin with, valid encodings all of them: a folder for each target, in the one that `CROSTATA_FUZZ_CORPUS` says. A target itself,
//! which ends before it begins, since what is built for fuzzing needs the fuzzer.
#![no_main]

use std::path::PathBuf;
use std::{env, fs, process};

use bytes::Bytes;
use commonware_codec::Encode;
use commonware_consensus::simplex::types::{Finalization, Finalize, Proposal};
use commonware_consensus::types::{Epoch, Round, View};
use commonware_cryptography::blake3;
use commonware_parallel::Sequential;
use commonware_utils::non_empty;
use crostata_chain::{ChainBlock, Offer, SyncKey};
use crostata_machine::{Block, CURSOR_BYTES, Header, Machine};
use crostata_node::local::Plan;
use crostata_node_fuzz::{machine, scheme_of, template, transactions};
use libfuzzer_sys::fuzz_target;

/// What a proof of finality begins with.
const FINALITY_VERSION: u8 = 1;

fn write(target: &str, seeds: impl IntoIterator<Item = Vec<u8>>) {
    let folder = env::var_os("CROSTATA_FUZZ_CORPUS").expect("CROSTATA_FUZZ_CORPUS, a folder");
    let folder = PathBuf::from(folder).join(target);
    fs::create_dir_all(&folder).unwrap();
    for (number, seed) in seeds.into_iter().enumerate() {
        fs::write(folder.join(format!("seed_{number}")), seed).unwrap();
    }
}

/// An offer with a certificate that three of the four validators signed.
fn offer(block: &Block, beginning: Vec<u8>) -> Bytes {
    let payload = blake3::Digest(block.digest().to_bytes());
    let round = Round::new(Epoch::zero(), View::new(2));
    let proposal = Proposal::new(round, View::new(1), payload);
    let votes: Vec<_> = (0..3)
        .map(|number| Finalize::sign(&scheme_of(number), proposal.clone()).unwrap())
        .collect();
    let finalization =
        Finalization::from_finalizes(&scheme_of(0), non_empty![@&votes], &Sequential).unwrap();
    let header = *block.header();
    Offer {
        finalization,
        header,
        beginning,
    }
    .encode()
}

/// The proof that the offered block is final, by the certificate of the offer.
fn proof(offer: &[u8]) -> Vec<u8> {
    let len = u32::from_le_bytes(*offer.first_chunk().unwrap()) as usize;
    let (certificate, rest) = offer.split_at(4 + len);
    let header = &rest[..Header::BYTES];
    [
        &[FINALITY_VERSION],
        certificate,
        &1u32.to_le_bytes(),
        header,
    ]
    .concat()
}

fn write_all() {
    let transactions = transactions();
    write(
        "node_transaction",
        transactions.iter().map(|one| one.bytes().to_vec()),
    );
    let (machine, block) = machine(&template());
    let empty = machine.genesis();
    let blocks = [&block, empty].map(|block| ChainBlock::from(block.clone()).encode().to_vec());
    write("node_block", blocks);
    let snapshot = machine.snapshot().unwrap();
    let (digest, number, cursor) = (block.digest(), 7, [0; CURSOR_BYTES]);
    let offered = SyncKey::Offer {
        block: digest,
        number,
    };
    let chunk = SyncKey::Chunk {
        block: digest,
        cursor,
    };
    let keys = [offered, chunk].map(|key| key.encode().to_vec());
    let offer = offer(&block, snapshot.beginning()).to_vec();
    let proof = proof(&offer);
    write("node_sync", [vec![offer, proof], keys.to_vec()].concat());
    write("node_arrival", [vec![0; 8], vec![9; 64]]);
    let folder = env::temp_dir().join(format!("node_seeds-{}", process::id()));
    let network = Plan::new(&folder, 2).network().unwrap();
    let texts = network.nodes.iter().map(|node| fs::read(&node.config));
    write("node_config", texts.collect::<Result<Vec<_>, _>>().unwrap());
    fs::remove_dir_all(&folder).unwrap();
}

fuzz_target!(
    init: {
        write_all();
        process::exit(0)
    },
    |_data: &[u8]| {}
);
