"""Constants and hashes of docs/format.md, from "Hashing" to "Default contract ids"."""

from functools import cache

from blake3 import blake3

EMPTY = bytes(32)
PAGE_BYTES = 4096
CONTRACT_TREE_HEIGHT = 31
PAGE_TREE_HEIGHT = {32: 10, 64: 15}
# By the height of a tree, those of its waypoints.
WAYPOINT_HEIGHTS = {31: (9, 18, 27), 10: (5,), 15: (5, 10)}

KINDS = [
    "page leaf", "code", "layout", "bucket", "position", "record", "commit", "contract id",
    "init argument", "receipt digest", "result data", "protocol", "log frame", "artifact",
    "allow list", "context", "deployment digest", "receipt leaf", "receipt node", "receipts root",
] + [f"node {bitmap}" for bitmap in range(1, 16)]


@cache
def derive_key(context):
    return blake3(b"", derive_key_context=context).digest()


def H(kind, data):
    return blake3(data, key=derive_key("crostata v1 " + kind)).digest()


def node(children):
    bitmap = sum(1 << i for i, child in enumerate(children) if child != EMPTY)
    if bitmap == 0:
        return EMPTY
    return H(f"node {bitmap}", b"".join(child for child in children if child != EMPTY))


def page_leaf(page):
    assert len(page) == PAGE_BYTES
    return H("page leaf", page) if any(page) else EMPTY


def layout_hash(section):
    return EMPTY if section is None else H("layout", section)


def position(contract):
    return int.from_bytes(H("position", contract)[:8], "big") >> 2


def bucket(entries):
    if not entries:
        return EMPTY
    return H("bucket", b"".join(contract + record for contract, record in sorted(entries)))


def commit_id(parent, root, tag):
    return H("commit", parent + root + tag)


def contract_id(code_hash, owner, argument, nonce):
    parts = [code_hash, u64(len(owner)), owner, H("init argument", argument), u64(nonce)]
    return H("contract id", b"".join(parts))


def u32(value):
    return value.to_bytes(4, "little")


def u64(value):
    return value.to_bytes(8, "little")
