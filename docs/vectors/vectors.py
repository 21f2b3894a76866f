#!/usr/bin/env python3
"""Computes the conformance vectors of crostata's state and proof formats.

Written from docs/format.md alone: it shares no code with the Rust implementation, which is tested
against the files. Needs Python 3 and the package `blake3` (pip install blake3).

    vectors.py            writes vectors.json and proofs.json beside this file
    vectors.py --check    compares instead, and exits with 1 if a file is not what it would write

In vectors.json, bytes are hex; pages and memories are lists of [offset, bytes], zero elsewhere.

In proofs.json, a proof comes with the root that it is for, the name of the state in vectors.json, and questions. A
question is answered (`null`: there is no such contract), or refused with the reason. The questions together ask for all that
the proof shows. Under `not_proofs` are bytes that are no proof for the root, each with the rule that it breaks; nothing else
is wrong with them. A value proof comes with contract, name, key if there is one, and the answer; values.py says how values
are written.
"""

import json
import pathlib
import sys

import chunks
import receipts
from hashing import EMPTY, H, KINDS, bucket, commit_id, contract_id, derive_key, layout_hash, node, page_leaf, position, u32, u64
from not_proofs import not_proofs
from proof_vectors import proof_vectors
from states import COLLISION, LAST_32, LAST_64, STATES, State, ident, lift, merkle_opening, page_of, pattern, tree_root
from value_vectors import NAMED, not_values, value_vectors

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
    called = [(0, 0, 10, 100, b"", []), (0, 0, 2**64 - 1, 2**64 - 1, pattern(70, 4), events)]
    called += [(1, code, 1000 + code, 5000, b"", []) for code in range(1, 17)]
    return {
        "commit_id": [
            {"parent": parent, "root": root, "tag": tag, "id": commit_id(parent, root, tag)}
            for parent, root, tag in commits
        ],
        "contract_id": [
            {"code_hash": code, "owner": owner, "init_arg": arg, "nonce": nonce, "id": contract_id(code, owner, arg, nonce)}
            for code, owner, arg, nonce in ids
        ],
        "receipt_digest": [receipt_vector(*receipt) for receipt in called],
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


def state_vectors(states):
    return {"state": [state_vector(name, state) for name, state in states.items()]}


def state_vector(name, state):
    return {
        "name": name,
        "contracts": [contract_vector(state, c) for c in state.contracts.values()],
        "root": state.root,
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


# The files


def plain(value):
    """The value with bytes as hex."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return value


def render(vectors):
    return json.dumps(plain(vectors), indent=1) + "\n"


def files():
    states = {name: State(contracts) for name, contracts in (STATES | {"named": NAMED}).items()}
    vectors = hash_vectors() | tree_vectors() | digest_vectors() | receipts.vectors() | state_vectors(states)
    proofs = {"proofs": proof_vectors(states), "not_proofs": not_proofs(states)}
    proofs |= {"value_proofs": value_vectors(states["named"]), "not_value_proofs": not_values(states["named"])}
    return {"vectors.json": render(vectors), "proofs.json": render(proofs)}


def is_same(name, text):
    path = pathlib.Path(__file__).with_name(name)
    same = path.exists() and path.read_text() == text
    print(f"{name}: {'as computed' if same else 'DIFFERS from what is computed'}")
    return same


def write(name, text):
    pathlib.Path(__file__).with_name(name).write_text(text)
    print(f"{name}: {len(text)} bytes written")


def main(arguments):
    assert position(COLLISION[0]) == position(COLLISION[1])
    chunks.check()
    if arguments == ["--check"]:
        return 0 if all([is_same(*file) for file in files().items()]) else 1
    if arguments:
        print(__doc__)
        return 2
    for file in files().items():
        write(*file)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
