"""Bytes that are no proof for a root, each for one reason: what a lax verifier would take for a second encoding, or believe.

Each is a proof as proof_vectors makes it, with one part changed.
"""

from dataclasses import replace

from hashing import CONTRACT_TREE_HEIGHT, EMPTY, H, PAGE_BYTES, PAGE_TREE_HEIGHT, bucket, derive_key, position
from chunks import CHUNK_BYTES, make_list, subtree_value
from proof_vectors import LARGE_32, LARGE_64, NO_CODE, NOBODY, SIXTEEN, Code, Contract, Proof
from proof_vectors import code, make_page, make_path, memory, page, prove, record
from states import COLLISION, State, contract, encode_record, ident, page_of, tree_root

ZEROS = bytes(PAGE_BYTES)


def not_proofs(states):
    """Entries of rule, state, root and bytes."""
    cases = heads_and_ends(states) + contract_trees(states) + pages(states) + codes(states) + claims(states)
    return [entry(rule, state, states[state].root, proof) for rule, state, proof in cases] + records()


def entry(rule, state, root, proof):
    encoded = proof if isinstance(proof, bytes) else proof.encode()
    return {"rule": rule, "state": state, "root": root, "proof": encoded}


def heads_and_ends(states):
    proof = prove(states["small"], [record(ident(1))])
    return [
        ("version", "small", replace(proof, head=b"\2\1")),
        ("version", "small", replace(proof, head=b"\0\1")),
        ("kind", "small", replace(proof, head=b"\1\0")),
        ("kind", "small", replace(proof, head=b"\1\2")),
        ("left over", "small", proof.encode() + b"\0"),
        ("left over", "small", proof.encode() * 2),
        ("cut", "small", proof.encode()[:-1]),
        ("cut", "small", b"\1"),
        ("cut", "small", b""),
        ("no position", "small", Proof([], make_path(0, {}, []), [], [])),
    ]


def with_nibble(path, at, bits, siblings):
    """The path with bits set in a nibble of which none was, and the siblings there."""
    assert not path.nibbles[at] & bits
    below = sum(nibble.bit_count() for nibble in path.nibbles[:at])
    below += (path.nibbles[at] & (bits - 1)).bit_count()
    nibbles = path.nibbles[:at] + [path.nibbles[at] | bits] + path.nibbles[at + 1:]
    return replace(path, nibbles=nibbles, siblings=path.siblings[:below] + siblings + path.siblings[below:])


def contract_trees(states):
    proof = prove(states["mixed"], [record(COLLISION[0]), record(ident(2)), record(NOBODY)])
    first, second, third = proof.positions
    members = next(members for _, members in proof.positions if len(members) == 2)
    invented = [(at, members or [b"\0" + bytes(64)]) for at, members in proof.positions]

    def having(new):
        return replace(proof, positions=[(at, new) if len(old) == 2 else (at, old) for at, old in proof.positions])

    single = prove(states["mixed"], [record(ident(2))])
    own_nibble = 1 << (position(ident(2)) & 3)
    other = 1 << (position(ident(2)) + 1 & 3)
    single_leaf = states["mixed"].tree[position(ident(2))]
    padded = bytearray(single.encode())
    padded[len(single.encode()) - 8 - 32 * len(single.path.siblings + single.path.waypoints) - 1] |= 0x10
    high = [(at | 1 << 62, members) for at, members in single.positions]
    twice = replace(proof, positions=[first, first, second, third])
    if any(mark[:1] == b"\1" for mark in first[1]):
        twice = replace(twice, contracts=proof.contracts[:1] + proof.contracts)
    return [
        ("order of positions", "mixed", replace(proof, positions=[second, first, third])),
        ("order of positions", "mixed", twice),
        ("position too large", "mixed", replace(single, positions=high)),
        ("order of contracts", "mixed", having(members[::-1])),
        ("order of contracts", "mixed", having(members[:1] * 2 + members[1:])),
        ("mark of a contract", "mixed", having([b"\2" + member[1:] for member in members])),
        ("waypoint", "mixed", having([member for member in members if member[:1] == b"\1"])),
        ("waypoint", "mixed", having(members + [b"\0" + b"\xff" * 64])),
        ("waypoint", "mixed", replace(proof, positions=invented)),
        ("EMPTY is listed", "mixed", replace(single, path=with_nibble(single.path, 0, other, [EMPTY]))),
        ("child on the path is listed", "mixed", replace(single, path=with_nibble(single.path, 0, own_nibble, [single_leaf]))),
        ("padding of a path", "mixed", bytes(padded)),
    ] + [("waypoint", "mixed", replace(proof, path=path)) for path in other_waypoints(proof.path)]


def other_waypoints(path):
    """The path with one waypoint changed, each in turn; then with two exchanged."""
    for at, waypoint in enumerate(path.waypoints):
        changed = bytes([waypoint[0] ^ 1]) + waypoint[1:]
        yield replace(path, waypoints=path.waypoints[:at] + [changed] + path.waypoints[at + 1:])
        if waypoint != EMPTY:
            yield replace(path, waypoints=path.waypoints[:at] + [EMPTY] + path.waypoints[at + 1:])
    for at, (one, next) in enumerate(zip(path.waypoints, path.waypoints[1:])):
        if one != next:
            yield replace(path, waypoints=path.waypoints[:at] + [next, one] + path.waypoints[at + 2:])


def one(proof, **changes):
    """The proof with changes of the only contract that it shows."""
    (only,) = proof.contracts
    return replace(proof, contracts=[replace(only, **changes)])


def pages(states):
    state = states["large"]
    proof = prove(state, [page(LARGE_32, 9), page(LARGE_32, 200)])
    (shown,) = proof.contracts
    (nine,) = shown.lists
    zero = prove(state, [page(LARGE_32, 200)])
    zero_path = zero.contracts[0].path
    height, leaves = PAGE_TREE_HEIGHT[32], state.leaves[LARGE_32]
    path = make_path(height, leaves, [640])
    outside = Contract([(640, 1)], path, [nine])
    outside_tree = Contract([(4 ** height, 0)], path, [])
    other = 1 << (200 + 1 & 3)
    return [
        ("order of pages", "large", one(proof, pages=shown.pages[::-1])),
        ("order of pages", "large", one(proof, pages=shown.pages[:1] + shown.pages, lists=[nine, nine])),
        ("mask of chunks", "large", one(proof, pages=[(9, 0x1F), (200, 0)])),
        ("page of zeros written out", "large", one(zero, pages=[(200, 0xF)], lists=[make_page(ZEROS, range(4))])),
        ("page waypoint", "large", one(zero, pages=[(200, 0b0010)], lists=[make_page(ZEROS, [1])])),
        ("page waypoint", "large", one(zero, pages=[(200, 0b0110)], lists=[make_page(ZEROS, [1, 2])])),
        ("page outside the memory", "large", replace(proof, contracts=[outside])),
        ("page outside the memory", "large", replace(proof, contracts=[outside_tree])),
        ("EMPTY is listed", "large", one(zero, path=with_nibble(zero_path, 0, other, [EMPTY]))),
        ("cut", "large", one(proof, lists=[nine[:-1]])),
        ("left over", "large", one(proof, lists=[nine + b"\0"])),
    ] + [("page waypoint", "large", one(proof, path=path)) for path in other_waypoints(shown.path)]


def codes(states):
    state = states["large"]
    proof = prove(state, [code(LARGE_64, 0, 2048), code(LARGE_64, 5 * 1024, 1), code(SIXTEEN, 0, 1)])
    first, second = proof.codes
    long = first if len(first.runs) == 2 else second
    only = replace(proof, codes=[long])
    long_code = state.contracts[LARGE_64]["code"]
    key = derive_key("crostata v1 code")
    record_only = prove(state, [record(NO_CODE)])
    last = len(long_code) // CHUNK_BYTES

    def having(**changes):
        return replace(proof, codes=[replace(long, **changes)])

    return [
        ("order of codes", "large", replace(proof, codes=[second, first])),
        ("order of codes", "large", replace(proof, codes=[long, long])),
        ("code of no record", "large", replace(record_only, codes=[long])),
        ("code of no bytes", "large", replace(record_only, codes=[Code(H("code", b""), [[0, 1]], b"")])),
        ("no run", "large", having(runs=[], list=H("code", long_code))),
        ("order of runs", "large", having(runs=[[0, 1], [1, 1], [5, 1]])),
        ("order of runs", "large", having(runs=[[5, 1], [0, 2]])),
        ("order of runs", "large", having(runs=[[0, 2], [0, 2], [5, 1]])),
        ("order of runs", "large", having(runs=[[0, 2], [1, 1], [5, 1]])),
        ("run of no chunk", "large", having(runs=[[0, 2], [3, 0], [5, 1]])),
        ("chunk outside the code", "large", having(runs=[[last, 2]], list=make_list(key, long_code, [last]))),
        ("chunk outside the code", "large", having(runs=[[last + 1, 1]], list=b"")),
        ("chunk outside the code", "large", having(runs=[[0xFFFFFFFF, 0xFFFFFFFF]])),
        # A node in the place of a chunk: 64 bytes, of which the tree above them is made as well.
        ("cut", "large", having(runs=[[0, 2]], list=node_as_chunk(key, long_code))),
        ("left over", "large", replace(only, codes=[replace(long, list=long.list + b"\0")])),
    ]


def node_as_chunk(key, data):
    left, right = data[:16 * CHUNK_BYTES], data[16 * CHUNK_BYTES:]
    return subtree_value(key, left, 0, False) + subtree_value(key, right, 16, False)


def claims(states):
    """Well made, and not so."""
    large, small = states["large"], states["small"]
    byte = prove(large, [memory(LARGE_32, 20 * PAGE_BYTES + 1500, 1)])
    (shown,) = byte.contracts
    (listed,) = shown.lists
    other_leaf = H("page leaf", page_of((0, b"other")))
    of_forged = prove(forged(large), [memory(LARGE_32, 20 * PAGE_BYTES + 1500, 1)])
    changed = listed[:-1] + bytes([listed[-1] ^ 1])
    lone = prove(states["mixed"], [memory(COLLISION[0], 4 * PAGE_BYTES, 1)])
    code_proof = prove(large, [code(LARGE_32, 0, 1)])
    (long,) = code_proof.codes
    absent = make_path(CONTRACT_TREE_HEIGHT, small.tree, [position(ident(1))])
    return [
        ("waypoint", "small", Proof([(position(ident(1)), [])], absent, [], [])),
        ("root", "small", prove(states["empty"], [record(ident(1))])),
        ("root", "empty", prove(small, [record(ident(1))])),
        ("root", "large", prove(states["mixed"], [record(ident(2))])),
        ("leaf", "large", one(byte, lists=[changed])),
        ("page waypoint", "mixed", one(lone, pages=[(5, 1)])),
        ("page waypoint", "mixed", one(lone, pages=[(8, 1)])),
        ("leaf", "large", one(byte, pages=[(at, mask << 1) for at, mask in shown.pages])),
        ("page waypoint", "large", one(byte, pages=[(20, 0)], lists=[])),
        ("leaf", "large", one(byte, lists=[other_leaf + listed[32:]])),
        ("leaf", "large", one(byte, lists=[bytes(32) + listed[32:]])),
        ("page waypoint", "large", one(byte, lists=[make_page(page_of((1500, b"forged")), [1])])),
        ("chaining value", "large", one(byte, lists=[listed[:32] + bytes(32) + listed[64:]])),
        ("chaining value", "large", one(byte, lists=[listed[:32] + listed[:32] + listed[64:]])),
        # Of a state where one byte is another: all of it fits but the record in which its page root is.
        ("root", "large", of_forged),
        ("page root", "large", replace(byte, contracts=of_forged.contracts)),
        ("code", "large", replace(code_proof, codes=[replace(long, list=long.list[:-1] + b"\0")])),
        ("code", "large", replace(code_proof, codes=[replace(long, runs=[[1, 1]])])),
    ]


def forged(state):
    """The state with another byte in one page."""
    contract = state.contracts[LARGE_32]
    page = bytearray(contract["pages"][20])
    page[1500] ^= 1
    pages = contract["pages"] | {20: bytes(page)}
    return State([*(state.contracts | {LARGE_32: contract | {"pages": pages}}).values()])


def records():
    """States that can not be: their records are none."""
    sound = encode_record(contract(ident(1), 32), EMPTY)
    large = contract(ident(1), 32, memory_wasm_pages=65_537)
    larger = contract(ident(1), 64, memory_wasm_pages=67_108_865)
    cases = [
        ("version of a record", b"\2" + sound[1:]),
        ("word size", b"\1\x10" + sound[2:]),
        ("memory size", encode_record(large, EMPTY)),
        ("memory size", encode_record(larger, EMPTY)),
    ]
    return [lone_record(*case) for case in cases]


def lone_record(rule, encoded):
    at = position(ident(1))
    leaves = {at: bucket([(ident(1), H("record", encoded))])}
    path = make_path(CONTRACT_TREE_HEIGHT, leaves, [at])
    proof = Proof([(at, [b"\1" + encoded])], path, [Contract([], path, [])], [])
    return entry(rule, None, tree_root(CONTRACT_TREE_HEIGHT, leaves), proof)
