//! The keys of every kind of hash, as constants: consensus.
//!
//! A key is BLAKE3's `derive_key` of the kind's context string over no bytes. Writing them out spares
//! every verifier the derivation; a test derives them again.

/// A BLAKE3 key.
pub(crate) type Key = [u8; 32];

/// The bytes that 64 lower-case hex digits stand for. Evaluated when this file is compiled only.
const fn key(hex: &str) -> Key {
    let digits = hex.as_bytes();
    assert!(digits.len() == 64);
    let mut bytes = [0; 32];
    let mut at = 0;
    while at < 32 {
        bytes[at] = nibble(digits[2 * at]) << 4 | nibble(digits[2 * at + 1]);
        at += 1;
    }
    bytes
}

const fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => panic!("not a lower-case hex digit"),
    }
}

pub(crate) const PAGE_LEAF: Key =
    key("7037d91ff9c4f5551ee77998a875220167cd7bf6f9f5d7985f90ccf6e8b2c9a9");
pub(crate) const CODE: Key =
    key("ae1f27ac48a30a02ffef5ba23ac1c6889d31ef7145f0a5f082bfbd0655aae4bb");
pub(crate) const LAYOUT: Key =
    key("3c142d242fb863b6458cdb199b6cfdbd5fe67373214477b6f5af91204d3b49bb");
pub(crate) const BUCKET: Key =
    key("05437daa62f2acbab105d657a06365ddbfc495a20edd0bea57bf53fe24bedf3f");
pub(crate) const POSITION: Key =
    key("218fc5e081d273132cb1ded5769a164083c72aad507fa85eae5109e8ac7ce953");
pub(crate) const RECORD: Key =
    key("d960bb48bbfca4fb0440855e09e7200cf2aea890a0ac967e2ff55420310ce646");
pub(crate) const COMMIT: Key =
    key("fa975cd02b4a30d95e8cca954b713528ce430c96a359eaf6a711ed5a4eb6ca72");
pub(crate) const CONTRACT_ID: Key =
    key("afebbd7bb996aaf638fbfa960c4770157e13c114a56d1be2b23049f3b85e13cb");
pub(crate) const INIT_ARGUMENT: Key =
    key("6de9df606305f3b635adfc1da2bcab8543b061f7fe1af7165b176851003b03b7");
pub(crate) const RECEIPT_DIGEST: Key =
    key("15f0b0a6d93358dde2bf4ea181cad3cfc8f4efeef4a3acc4b3c155a1629fe32f");
pub(crate) const RESULT_DATA: Key =
    key("7a84afc4ff28f19f528ed01aeaea579bf70f2504cc6c678954c9a65902e8d7ed");
pub(crate) const PROTOCOL: Key =
    key("9583a967f256192da3fca17367e911545911ed1d7397b0f5d3f6aa6009572c99");
pub(crate) const LOG_FRAME: Key =
    key("b7a6570a23da451e2a4e61138ae96c21b6a8614f1849be16d0a2ef269959cd57");
pub(crate) const ARTIFACT: Key =
    key("b950c415898df42e1cfe61ec9be94ec11684f8a59d87d7238d98fb58c752c3b4");
pub(crate) const ALLOW_LIST: Key =
    key("89893f171cac88e372097e7aba45eb286796a276d599d2e5ce03801746b9dda4");
pub(crate) const CONTEXT: Key =
    key("296389f19e7314136b9757f046c3ee15c9115e75f22fa5c80d794148aaedad15");
pub(crate) const DEPLOYMENT_DIGEST: Key =
    key("fe9e57b10f8b8b9e4321d1d39d7f0bf357c72d191aded44593da223173c8f1da");
pub(crate) const RECEIPT_LEAF: Key =
    key("25c8545af18ea12883185abf353bed9bb3360a993fca34722be27d509e23fad3");
pub(crate) const RECEIPT_NODE: Key =
    key("00ded43f5045b00e7ecf97ac8be84c503caf12e9fc481b767a394c7993591caf");
pub(crate) const RECEIPTS_ROOT: Key =
    key("401eac7ac68029c9af85488a4a1795fe75b6c36cf217c737dcf080d86a1f4dd6");

/// Keys of tree nodes: entry `b - 1` is for the bitmap `b` of the node's non-EMPTY children,
/// whose bit `i` stands for child `i`.
pub(crate) const NODE: [Key; 15] = [
    key("f576a5e35158fc90b02112a3ec1c9ac78413f309ba916b7e1f6b205edb91013d"),
    key("0ca4cd1b042240b6ce42447b05e16530aed18ad8ba3f5ed5f20d9a32d46efa05"),
    key("a4b484350063471ec033371ca2164f7fa6926bfdf6e9eeee88f76a82bd33b2e9"),
    key("6426b7deb78fe24a585ff92a09de6b09dbe611f518e135027be6513c84983560"),
    key("53416f6edc6df0407e983e1500d9424ea0188c46017109fadb00bb59ab3788c0"),
    key("4aec322dd99cb3d72230659ad5ddb4a6d22aec64490c9eb61703dab2b3f15840"),
    key("368356179b4dfc777416866f8cbe8c53315e8907e8fb3a19624fd52ad6727b7f"),
    key("0f0ed2fb201d8c1b06d5d85647387e5769c5012177f7d98d3daa47c42c5557c9"),
    key("f15205900f8068eab27acd7eb61301809e90c342149556fec87f677202d84fec"),
    key("22f4039e855cda1bcc873f05a812b3932b218874c12411c97305bf3d6b62173f"),
    key("bd5fdda0a90f1b816d4093061fc7a5f2aabd78f18f6437fb36425a5c52dee2fa"),
    key("d5d7584cfb57e1c7b4b6243217c4a3dbbb56c16fc2219fb7466ea9da05a4cfe2"),
    key("4bf2f905d0a64b5fff93b99427b123cfd7ac308a405cb1e2f09ca17eb99e97e1"),
    key("d6ab613d1f1389cad5add43d19686f7f30843712bee2d13a0919c05085c4244c"),
    key("e642c53bbcface19cede1cf87ce654d1297fbe5e4d1902dde18182033c6be0ce"),
];
