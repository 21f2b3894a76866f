"""Makes the proofs in proofs.json: from a whole state and what is to be shown of it, the one string of bytes.

It shares hashes and chunk lists with the verifier in proofs.py, and nothing else.
"""

from dataclasses import dataclass, field

from chunks import CHUNK_BYTES, HALF_BYTES, half_value, make_list
from hashing import CONTRACT_TREE_HEIGHT, EMPTY, H, PAGE_BYTES, PAGE_TREE_HEIGHT, WAYPOINT_HEIGHTS
from hashing import derive_key, position, u32, u64
from states import COLLISION, LAST_32, LAST_64, ident, tree_levels

PAGE_CHUNKS = PAGE_BYTES // CHUNK_BYTES
NOBODY = ident(9_999)


# What is asked


def record(contract):
    return {"ask": "record", "contract": contract}


def page(contract, index):
    return {"ask": "page", "contract": contract, "page": index}


def memory(contract, offset, length):
    return {"ask": "memory", "contract": contract, "offset": offset, "length": length}


def code(contract, offset, length):
    return {"ask": "code", "contract": contract, "offset": offset, "length": length}


def chunks_of(offset, length):
    return range(offset // CHUNK_BYTES, -(-(offset + length) // CHUNK_BYTES)) if length else range(0)


def memory_range(item):
    """The range of the memory that is asked for, or None."""
    if item["ask"] == "page":
        return item["page"] * PAGE_BYTES, PAGE_BYTES
    return (item["offset"], item["length"]) if item["ask"] == "memory" else None


# The parts of a proof


@dataclass
class Plan:
    """What a proof shows: contracts by id, with the chunks of their pages; chunks of codes by hash."""

    positions: set = field(default_factory=set)
    contracts: dict = field(default_factory=dict)
    codes: dict = field(default_factory=dict)

    def add(self, state, item):
        contract = item["contract"]
        self.positions.add(position(contract))
        if contract not in state.contracts:
            return
        pages = self.contracts.setdefault(contract, {})
        if item["ask"] == "code":
            numbers = chunks_of(item["offset"], item["length"])
            code = state.contracts[contract]["code"]
            if numbers:
                self.codes.setdefault(H("code", code), (code, set()))[1].update(numbers)
        elif item["ask"] != "record":
            for number in chunks_of(*memory_range(item)):
                pages.setdefault(number // PAGE_CHUNKS, set()).add(number % PAGE_CHUNKS)


@dataclass
class Path:
    nibbles: list
    siblings: list
    waypoints: list

    def encode(self):
        nibbles = self.nibbles + [0] * (len(self.nibbles) % 2)
        pairs = zip(nibbles[0::2], nibbles[1::2])
        return bytes(low | high << 4 for low, high in pairs) + b"".join(self.siblings + self.waypoints)


@dataclass
class Contract:
    """Behind a record: its pages as (number, mask), their path, and of each its leaf and chunks."""

    pages: list
    path: Path
    lists: list

    def encode(self):
        pages = [u32(index) + bytes([mask]) for index, mask in self.pages]
        path = [self.path.encode()] if self.pages else []
        return b"".join([u32(len(pages)), *pages, *path, *self.lists])


@dataclass
class Code:
    hash: bytes
    runs: list  # [first chunk, how many]
    list: bytes

    def encode(self):
        runs = [u32(number) for run in self.runs for number in run]
        return b"".join([self.hash, u32(len(self.runs)), *runs, self.list])


@dataclass
class Proof:
    positions: list  # (position, [encoded contract])
    path: Path
    contracts: list
    codes: list
    head: bytes = b"\1\1"

    def encode(self):
        positions = [u64(at) + u32(len(members)) + b"".join(members) for at, members in self.positions]
        contracts = [contract.encode() for contract in self.contracts]
        codes = [code.encode() for code in self.codes]
        parts = [self.head, u32(len(positions)), *positions, self.path.encode(), *contracts, u32(len(codes)), *codes]
        return b"".join(parts)


def make_path(height, leaves, positions):
    levels, path = tree_levels(height, leaves), Path([], [], [])
    way = sorted(positions)
    for level in range(height):
        parents = sorted({at >> 2 for at in way})
        for parent in parents:
            listed = [i for i in range(4) if 4 * parent + i not in way and 4 * parent + i in levels[level]]
            path.nibbles.append(sum(1 << i for i in listed))
            path.siblings += [levels[level][4 * parent + i] for i in listed]
        way = parents
        if level + 1 in WAYPOINT_HEIGHTS[height]:
            path.waypoints += [levels[level + 1].get(parent, EMPTY) for parent in parents]
    return path


def make_position(state, plan, at):
    members = sorted(state.buckets.get(at, []))
    return at, [b"\1" + state.records[id] if id in plan.contracts else b"\0" + id + hash for id, hash in members]


def make_contract(state, contract, pages):
    contents, word_size = state.contracts[contract]["pages"], state.contracts[contract]["word_size"]
    order = sorted(pages)
    zero = {index for index in pages if not any(contents.get(index, b""))}
    marks = [(index, 0 if index in zero else sum(1 << chunk for chunk in pages[index])) for index in order]
    path = make_path(PAGE_TREE_HEIGHT[word_size], state.leaves[contract], pages)
    return Contract(marks, path, [make_page(contents[index], pages[index]) for index in order if index not in zero])


def make_page(page, chunks):
    key, leaf = derive_key("crostata v1 page leaf"), H("page leaf", page)
    if len(chunks) > 1:
        return leaf + make_list(key, page, chunks)
    (chunk,) = chunks
    half = page[chunk * CHUNK_BYTES:][:HALF_BYTES]
    return leaf + half_value(key, chunk, half) + make_list(key, page, chunks)


def runs_of(numbers):
    """Numbers as [first, count] of neighbours."""
    runs = []
    for number in sorted(numbers):
        if runs and sum(runs[-1]) == number:
            runs[-1][1] += 1
        else:
            runs.append([number, 1])
    return runs


def make_code(hash, data, numbers):
    return Code(hash, runs_of(numbers), make_list(derive_key("crostata v1 code"), data, numbers))


def prove(state, items):
    plan = Plan()
    for item in items:
        plan.add(state, item)
    order = sorted(plan.positions)
    ids = [id for at in order for id, _ in sorted(state.buckets.get(at, [])) if id in plan.contracts]
    return Proof(
        [make_position(state, plan, at) for at in order],
        make_path(CONTRACT_TREE_HEIGHT, state.tree, plan.positions),
        [make_contract(state, id, plan.contracts[id]) for id in ids],
        [make_code(hash, *plan.codes[hash]) for hash in sorted(plan.codes)],
    )


# Answers, from the state itself


def answer(state, item):
    c = state.contracts.get(item["contract"])
    if item["ask"] == "record":
        return state.records.get(item["contract"])
    if item["ask"] == "code":
        return c["code"][item["offset"]:item["offset"] + item["length"]]
    offset, length = memory_range(item)
    pages = range(offset // PAGE_BYTES, -(-(offset + length) // PAGE_BYTES))
    contents = b"".join(c["pages"].get(index, bytes(PAGE_BYTES)) for index in pages)
    return contents[offset % PAGE_BYTES:][:length]


# Cases: name, state, what is shown, and what is asked besides with the reason why it is not answered

LARGE_32, LARGE_64, SIXTEEN, NO_CODE = (ident(seed) for seed in (40, 41, 42, 43))
LONG = 21 * 1024 + 77

CASES = [
    ("nothing in the empty state", "empty", [record(NOBODY)], [
        (page(NOBODY, 0), "no contract"), (code(NOBODY, 0, 1), "no contract"), (record(ident(1)), "contract not shown"),
    ]),
    ("record of the only contract", "small", [record(ident(1))], [
        (memory(ident(1), 0, 1), "chunk not shown"), (code(ident(1), 0, 1), "chunk not shown"),
        (memory(ident(1), 65_536, 1), "out of range"), (code(ident(1), 4, 1), "out of range"),
        (record(NOBODY), "contract not shown"), (page(NOBODY, 0), "contract not shown"),
    ]),
    ("absence under an EMPTY ancestor", "small", [record(NOBODY)], [(record(ident(1)), "contract not shown")]),
    ("absence in a bucket with another", "alone", [record(COLLISION[1])], [(record(COLLISION[0]), "contract not shown")]),
    ("record in a bucket without another", "alone", [record(COLLISION[0]), record(COLLISION[1])], [
        (memory(COLLISION[1], 0, 0), "no contract"),
    ]),
    ("record beside a hash", "mixed", [record(COLLISION[0])], [(record(COLLISION[1]), "contract not shown")]),
    ("records of one bucket", "mixed", [record(COLLISION[0]), record(COLLISION[1])], []),
    ("owner of 255 bytes", "mixed", [record(ident(2))], []),
    ("no memory", "mixed", [memory(COLLISION[1], 0, 0)], [
        (memory(COLLISION[1], 0, 1), "out of range"), (page(COLLISION[1], 0), "out of range"),
    ]),
    ("range of no bytes", "mixed", [memory(ident(2), 65_536 * 65_536, 0), code(ident(2), 3000, 0)], [
        (memory(ident(2), 0, 1), "chunk not shown"), (memory(ident(2), 65_536 * 65_536 + 1, 0), "out of range"),
    ]),
    ("page", "mixed", [page(ident(2), 17)], [
        (page(ident(2), 16), "chunk not shown"), (memory(ident(2), 17 * PAGE_BYTES, PAGE_BYTES + 1), "chunk not shown"),
    ]),
    ("page, the last one", "mixed", [page(ident(2), LAST_32)], [(page(ident(2), LAST_32 + 1), "out of range")]),
    ("page of zeros", "mixed", [page(ident(2), 18)], []),
    ("page of zeros far from others", "mixed", [page(ident(2), 500_000)], []),
    ("page of zeros in a contract without pages", "small", [page(ident(1), 15)], [(page(ident(1), 16), "out of range")]),
    ("page of a 64-bit contract, the last one", "mixed", [page(ident(3), LAST_64)], [
        (page(ident(3), LAST_64 + 1), "out of range"),
    ]),
    ("page of zeros of a 64-bit contract", "mixed", [page(ident(3), 0)], []),
    ("byte", "large", [memory(LARGE_32, 20 * PAGE_BYTES + 1500, 1)], [
        (memory(LARGE_32, 20 * PAGE_BYTES + 1023, 1), "chunk not shown"),
        (memory(LARGE_32, 20 * PAGE_BYTES + 2047, 2), "chunk not shown"),
        (memory(LARGE_32, 40 * 65_536 - 1, 2), "out of range"),
    ]),
    ("byte of a page of zeros", "large", [memory(LARGE_32, 200 * PAGE_BYTES + 7, 1), page(LARGE_32, 200)], []),
    ("byte of a chunk of zeros", "large", [memory(LARGE_64, 5 * PAGE_BYTES, 1)], []),
    ("byte of a 64-bit contract", "large", [memory(LARGE_64, (1 << 28) + 1100, 1)], []),
    ("range across pages", "large", [memory(LARGE_32, 15 * PAGE_BYTES + 3000, 1200)], []),
    ("range from zeros into a page", "large", [memory(LARGE_32, 8 * PAGE_BYTES - 100, 400)], []),
    ("range of many pages", "large", [memory(LARGE_32, 20 * PAGE_BYTES - 1, 6 * PAGE_BYTES)], []),
    ("chunks of a page, not neighbours", "large", [
        memory(LARGE_64, PAGE_BYTES + 1024, 10), memory(LARGE_64, PAGE_BYTES + 3072, 1024),
    ], [(memory(LARGE_64, PAGE_BYTES + 1024, 2048), "chunk not shown")]),
    ("code of one chunk", "small", [code(ident(1), 1, 2)], []),
    ("code, first chunk", "large", [code(LARGE_32, 0, 1)], [
        # The other contract's code is the same, but its record is not shown.
        (code(LARGE_64, 0, 1), "contract not shown"), (code(LARGE_32, 1023, 2), "chunk not shown"),
    ]),
    ("code, last short chunk", "large", [code(LARGE_32, LONG - 1, 1)], [(code(LARGE_32, LONG - 1, 2), "out of range")]),
    ("code, last chunk of one byte", "mixed", [code(ident(3), 1024, 1)], []),
    ("code of a power of two of chunks", "large", [code(SIXTEEN, 7 * 1024, 2048)], []),
    ("code in runs", "large", [code(LARGE_64, 1024, 3), code(LARGE_64, 3 * 1024, 2048), code(LARGE_64, 16 * 1024, 1)], [
        (code(LARGE_64, 2 * 1024, 1), "chunk not shown"),
    ]),
    ("code, all of it", "mixed", [code(ident(2), 0, 3000)], []),
    ("code of two contracts", "large", [code(LARGE_32, 5000, 1), code(LARGE_64, 9000, 1)], []),
    ("no code", "large", [code(NO_CODE, 0, 0)], [(code(NO_CODE, 0, 1), "out of range")]),
    ("code beside the record of another contract with it", "large", [code(LARGE_32, 5000, 1), record(LARGE_64)], []),
    ("many records", "large", [record(ident(seed)) for seed in range(200, 240)], []),
    ("many absences", "large", [record(ident(seed)) for seed in range(1000, 1020)], []),
    ("many pages", "large", [
        memory(LARGE_32, index * PAGE_BYTES + 5 * index, 1) for index in (8, 9, 10, 11, 23, 24, 100, 101, 639)
    ], []),
    ("many things", "mixed", [
        record(ident(10)), record(NOBODY), page(ident(2), 2), memory(ident(2), PAGE_BYTES + 4095, 1), code(ident(2), 2999, 1),
        memory(ident(3), 3 * PAGE_BYTES + 100, 5), code(ident(3), 0, 1), memory(COLLISION[0], 4 * PAGE_BYTES, 4),
    ], [(code(ident(10), 0, 1), "chunk not shown")]),
    ("many things of both word sizes", "large", [
        memory(LARGE_32, 639 * PAGE_BYTES + 4000, 96), memory(LARGE_64, 2 * PAGE_BYTES + 1024, 1), code(LARGE_64, 20 * 1024, 1),
        code(SIXTEEN, 0, 1), record(NO_CODE), memory(ident(250), 0, 1), record(NOBODY),
    ], []),
]


def proof_vector(states, name, state, shown, besides):
    questions = [item | {"answer": answer(states[state], item)} for item in shown]
    questions += [item | {"refused": reason} for item, reason in besides]
    return {
        "name": name, "state": state, "root": states[state].root,
        "proof": prove(states[state], shown).encode(), "questions": questions,
    }


def proof_vectors(states):
    """One entry for each case; `states` has them by name."""
    return [proof_vector(states, *case) for case in CASES]
