#!/usr/bin/env python3
"""Computes the conformance vectors of crostata's state and proof formats.

Written from docs/format.md alone: it shares no code with the Rust implementation, which is tested
against the file. Needs Python 3 and the package `blake3` (pip install blake3).

    vectors.py            writes vectors.json beside this file
    vectors.py --check    compares instead, and exits with 1 if the file is not what it would write

In the file, bytes are hex; pages and memories are lists of [offset, bytes], zero elsewhere.
"""

import json
import pathlib
import sys

from blake3 import blake3

EMPTY = bytes(32)
PAGE_BYTES = 4096
CONTRACT_TREE_HEIGHT = 31
PAGE_TREE_HEIGHT = {32: 10, 64: 15}

KINDS = [
    "page leaf", "code", "layout", "bucket", "position", "record", "commit", "contract id",
    "init argument", "receipt digest", "result data", "protocol", "log frame", "artifact",
    "allow list",
] + [f"node {bitmap}" for bitmap in range(1, 16)]

# Two contract ids with the same position, found by a search of about 2^32 hashes.
COLLISION = [
    (1918441929552476960).to_bytes(32, "little"),
    (738965214712665620).to_bytes(32, "little"),
]


# Hashing


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


# Trees: a level is a dict from number to hash, without EMPTY


def tree_levels(height, leaves):
    """All levels of the tree, from the leaves (0) to the root (height)."""
    levels = [{at: leaf for at, leaf in leaves.items() if leaf != EMPTY}]
    for _ in range(height):
        below = levels[-1]
        parents = {at >> 2 for at in below}
        levels.append({at: node([below.get(4 * at + i, EMPTY) for i in range(4)]) for at in parents})
    return levels


def tree_root(height, leaves):
    return tree_levels(height, leaves)[height].get(0, EMPTY)


def lift(hash, at, low, high):
    for level in range(low, high):
        children = [EMPTY] * 4
        children[(at >> (2 * level)) & 3] = hash
        hash = node(children)
    return hash


def path_children(height, leaves, at):
    """Per level from 0 up: the four children of the node on the way from a position to the root."""
    levels = tree_levels(height, leaves)
    parents = [at >> (2 * (level + 1)) for level in range(height)]
    return [
        [levels[level].get(4 * parent + i, EMPTY) for i in range(4)]
        for level, parent in enumerate(parents)
    ]


def encode_path(height, leaves, at):
    nibbles, siblings = [], b""
    for level, children in enumerate(path_children(height, leaves, at)):
        own = (at >> (2 * level)) & 3
        listed = [i for i in range(4) if i != own and children[i] != EMPTY]
        nibbles.append(sum(1 << i for i in listed))
        siblings += b"".join(children[i] for i in listed)
    if height % 2:
        nibbles.append(0)
    pairs = zip(nibbles[0::2], nibbles[1::2])
    return bytes(low | high << 4 for low, high in pairs) + siblings


def merkle_opening(height, leaves, at):
    down = list(reversed(path_children(height, leaves, at)))
    indices = [(at >> (2 * level)) & 3 for level in reversed(range(height))]
    nodes = b"".join(child for children in down for child in children)
    return tree_root(height, leaves) + nodes + b"".join(map(u32, indices))


# Records and openings


def encode_record(c, page_root):
    return b"".join([
        bytes([1, c["word_size"]]),
        c["contract"],
        H("code", c["code"]),
        u64(len(c["code"])),
        layout_hash(c["layout"]),
        bytes([len(c["owner"])]),
        c["owner"],
        u64(c["memory_wasm_pages"]),
        page_root,
    ])


class State:
    """A whole state, built from contracts and their pages."""

    def __init__(self, contracts):
        self.contracts = {c["contract"]: c for c in contracts}
        self.leaves = {
            id: {i: page_leaf(page) for i, page in c["pages"].items()}
            for id, c in self.contracts.items()
        }
        self.records = {
            id: encode_record(c, tree_root(PAGE_TREE_HEIGHT[c["word_size"]], self.leaves[id]))
            for id, c in self.contracts.items()
        }
        self.buckets = {}
        for id in self.contracts:
            entry = (id, H("record", self.records[id]))
            self.buckets.setdefault(position(id), []).append(entry)
        self.tree = {at: bucket(entries) for at, entries in self.buckets.items()}
        self.root = tree_root(CONTRACT_TREE_HEIGHT, self.tree)

    def opening_body(self, id):
        at = position(id)
        others = sorted(entry for entry in self.buckets[at] if entry[0] != id)
        listed = b"".join(contract + record for contract, record in others)
        path = encode_path(CONTRACT_TREE_HEIGHT, self.tree, at)
        return self.records[id] + u32(len(others)) + listed + path

    def record_opening(self, id):
        return bytes([1, 1]) + self.opening_body(id)

    def page_opening(self, id, index):
        c = self.contracts[id]
        page = c["pages"].get(index, bytes(PAGE_BYTES))
        path = encode_path(PAGE_TREE_HEIGHT[c["word_size"]], self.leaves[id], index)
        tail = b"\x01" + page if any(page) else b"\x00"
        return bytes([1, 2]) + self.opening_body(id) + path + tail


# Inputs


def pattern(length, seed):
    return bytes((i * i + 31 * i + seed * 17) % 251 for i in range(length))


def ident(seed):
    return H("artifact", b"vector id" + u32(seed))


def page_of(*runs):
    page = bytearray(PAGE_BYTES)
    for offset, data in runs:
        page[offset:offset + len(data)] = data
    return bytes(page)


def contract(id, word_size, **parts):
    defaults = {"code": b"\0asm", "layout": None, "owner": b"", "memory_wasm_pages": 1, "pages": {}}
    return {"contract": id, "word_size": word_size} | defaults | parts


LAST_32, LAST_64 = 4**10 - 1, 4**15 - 1

SMALL = [contract(ident(1), 32)]
MIXED = [
    contract(
        ident(2), 32, code=pattern(3000, 1), layout=b"layout", owner=pattern(255, 2), memory_wasm_pages=65_536,
        pages={
            0: page_of((0, b"first")),
            1: page_of((4095, b"\x01")),
            2: page_of(),
            17: page_of((0, pattern(PAGE_BYTES, 3))),
            LAST_32: page_of((8, b"last")),
        },
    ),
    contract(
        ident(3), 64, code=pattern(1025, 4), layout=b"", owner=b"\x00", memory_wasm_pages=67_108_864,
        pages={3: page_of((100, b"three")), LAST_64: page_of((0, b"end"))},
    ),
    contract(COLLISION[0], 32, owner=b"one", pages={4: page_of((0, b"here"))}),
    contract(COLLISION[1], 64, owner=b"two", memory_wasm_pages=0),
] + [contract(ident(seed), 32, memory_wasm_pages=seed) for seed in range(10, 30)]


# Vectors


def children_of(bitmap):
    return [ident(100 + i) if bitmap >> i & 1 else EMPTY for i in range(4)]


def hash_vectors():
    pages = [page_of(), page_of((0, b"\x01")), page_of((4095, b"\xff")), page_of((0, pattern(4096, 5)))]
    texts = [b"", b"\0asm", pattern(1024, 6), pattern(1025, 7), pattern(3072, 8)]
    entries = [(ident(seed), ident(seed + 1)) for seed in (40, 50, 60)]
    buckets = [entries[:count] for count in range(4)]
    return {
        "keys": {"crostata v1 " + kind: derive_key("crostata v1 " + kind) for kind in KINDS},
        "page_leaf": [{"page": runs(page), "hash": page_leaf(page)} for page in pages],
        "code_hash": [{"code": text, "hash": H("code", text)} for text in texts],
        "layout_hash": [{"section": text, "hash": layout_hash(text)} for text in [None] + texts],
        "node": [
            {"children": children_of(bitmap), "hash": node(children_of(bitmap))} for bitmap in range(16)
        ],
        "lift": [lift_vector(*case) for case in LIFTS],
        "position": [{"contract": id, "position": position(id)} for id in POSITIONS],
        "bucket": [{"entries": sorted(some), "hash": bucket(some)} for some in buckets],
    }


POSITIONS = [bytes(32), b"\xff" * 32, ident(1), ident(2), COLLISION[0], COLLISION[1]]
LIFTS = [
    (ident(5), 0, 0, 1),
    (ident(5), 0b11_01_10, 0, 3),
    (ident(6), 2**62 - 1, 0, 31),
    (ident(7), 0x1234_5678_9ABC_DEF0, 7, 30),
    (ident(7), 9, 4, 4),
    (EMPTY, 9, 0, 9),
]


def lift_vector(hash, at, low, high):
    lifted = lift(hash, at, low, high)
    return {"hash": hash, "position": at, "from": low, "to": high, "lifted": lifted}


def tree_vectors():
    cases = []
    for height, last in [(10, LAST_32), (15, LAST_64), (31, 2**62 - 1)]:
        for positions in [[], [0], [last], [0, 1, 2, 3], [0, 5, 6, 7, 1000, last - 64, last], range(80)]:
            cases.append((height, {at: ident(at % 2**32) for at in positions}))
    return {"tree": [tree_vector(height, leaves) for height, leaves in cases]}


def tree_vector(height, leaves):
    vector = {"height": height, "leaves": sorted(leaves.items()), "root": tree_root(height, leaves)}
    if leaves:
        at = max(leaves)
        vector["merkle_opening"] = {"position": at, "bytes": merkle_opening(height, leaves, at)}
    return vector


def digest_vectors():
    commits = [(EMPTY, EMPTY, EMPTY), (EMPTY, ident(1), EMPTY), (ident(2), ident(3), ident(4))]
    ids = [(ident(1), b"", b"", 0), (ident(1), b"own", b"er", 1), (ident(2), pattern(255, 1), pattern(2000, 2), 2**64 - 1)]
    event = lambda seed, topic, data: {"source": ident(seed), "topic": topic, "data": data}
    events = [event(1, b"moved", b"data"), event(2, b"", b""), event(1, "süß".encode(), pattern(1500, 3))]
    receipts = [(0, 0, 10, 100, b"", []), (0, 0, 2**64 - 1, 2**64 - 1, pattern(70, 4), events)]
    receipts += [(1, code, 1000 + code, 5000, b"", []) for code in range(1, 17)]
    return {
        "commit_id": [
            {"parent": parent, "root": root, "tag": tag, "id": commit_id(parent, root, tag)}
            for parent, root, tag in commits
        ],
        "contract_id": [
            {"code_hash": code, "owner": owner, "init_arg": arg, "nonce": nonce, "id": contract_id(code, owner, arg, nonce)}
            for code, owner, arg, nonce in ids
        ],
        "receipt_digest": [receipt_vector(*receipt) for receipt in receipts],
    }


def receipt_vector(cls, code, spent, limit, result, events):
    preimage = bytes([cls]) + u32(code) + u64(spent) + u64(limit) + H("result data", result)
    for event in events:
        preimage += event["source"]
        preimage += u64(len(event["topic"])) + event["topic"] + u64(len(event["data"])) + event["data"]
    return {
        "class": cls, "code": code, "gas_spent": spent, "gas_limit": limit, "result": result,
        "events": events, "digest": H("receipt digest", preimage),
    }


def state_vectors():
    cases = [
        ([], []),
        (SMALL, [(ident(1), 0), (ident(1), 15)]),
        (MIXED, [
            (ident(2), 0), (ident(2), 2), (ident(2), 17), (ident(2), 18), (ident(2), LAST_32),
            (ident(3), LAST_64), (ident(3), 0), (COLLISION[0], 4), (COLLISION[0], 5), (ident(10), 159),
        ]),
    ]
    return {"state": [state_vector(State(contracts), pages) for contracts, pages in cases]}


def state_vector(state, pages):
    openings = [
        {"contract": id, "page": index, "bytes": state.page_opening(id, index)} for id, index in pages
    ]
    return {
        "contracts": [contract_vector(state, c) for c in state.contracts.values()],
        "root": state.root,
        "record_openings": [
            {"contract": id, "bytes": state.record_opening(id)} for id in list(state.contracts)[:5]
        ],
        "page_openings": openings,
    }


def contract_vector(state, c):
    id = c["contract"]
    pages = [{"index": index, "page": runs(page)} for index, page in c["pages"].items()]
    return c | {
        "pages": pages,
        "page_root": state.records[id][-32:],
        "record": state.records[id],
        "record_hash": H("record", state.records[id]),
    }


def runs(page):
    """The page without its zeros at either end, as one run."""
    start = len(page) - len(page.lstrip(b"\0"))
    return [[start, page.strip(b"\0")]] if any(page) else []


# The file


def plain(value):
    """The value with bytes as hex."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return value


def render():
    vectors = hash_vectors() | tree_vectors() | digest_vectors() | state_vectors()
    return json.dumps(plain(vectors), indent=1) + "\n"


def main(arguments):
    assert position(COLLISION[0]) == position(COLLISION[1])
    path = pathlib.Path(__file__).with_name("vectors.json")
    text = render()
    if arguments == ["--check"]:
        same = path.exists() and path.read_text() == text
        print(f"{path.name}: {'as computed' if same else 'DIFFERS from what is computed'}")
        return 0 if same else 1
    if arguments:
        print(__doc__)
        return 2
    path.write_text(text)
    print(f"{path.name}: {len(text)} bytes written")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
