"""The states whose roots and proofs are vectors, and the trees of docs/format.md that they are made of."""

from hashing import CONTRACT_TREE_HEIGHT, EMPTY, H, PAGE_BYTES, PAGE_TREE_HEIGHT
from hashing import bucket, layout_hash, node, page_leaf, position, u32, u64

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


def merkle_opening(height, leaves, at):
    down = list(reversed(path_children(height, leaves, at)))
    indices = [(at >> (2 * level)) & 3 for level in reversed(range(height))]
    nodes = b"".join(child for children in down for child in children)
    return tree_root(height, leaves) + nodes + b"".join(map(u32, indices))


# Records and states


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


# Inputs

# Two contract ids with the same position, found by a search of about 2^32 hashes.
COLLISION = [
    (1918441929552476960).to_bytes(32, "little"),
    (738965214712665620).to_bytes(32, "little"),
]


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

# Contracts enough for a contract tree in which many paths meet; two of them, of both word sizes, have the same long code.
LONG_CODE = pattern(21 * 1024 + 77, 9)
LARGE = [
    contract(
        ident(40), 32, code=LONG_CODE, owner=b"owner", memory_wasm_pages=40,
        pages={at: page_of((5 * at, pattern(300, at)), (3996, b"end")) for at in [*range(8, 24), 100, 639]},
    ),
    contract(
        ident(41), 64, code=LONG_CODE, layout=b"sixty-four", memory_wasm_pages=1 << 20,
        pages={at: page_of((1024, pattern(900, at % 251))) for at in (0, 1, 2, 5, 1 << 16, (1 << 24) - 1)},
    ),
    contract(ident(42), 32, code=pattern(16 * 1024, 10), memory_wasm_pages=2),
    contract(ident(43), 32, code=b"", memory_wasm_pages=0),
] + [contract(ident(seed), 32, code=pattern(seed, 11)) for seed in range(200, 300)]

# The other contract that would be at the position of one of these is not there.
ALONE = [contract(COLLISION[0], 32, owner=b"one")] + [contract(ident(seed), 32) for seed in range(60, 70)]

STATES = {"empty": [], "small": SMALL, "mixed": MIXED, "large": LARGE, "alone": ALONE}
