"""Decodes and verifies state proofs: an independent verifier, written from docs/format.md alone.

    proof = decode(encoded)            or Refused: not the one encoding of a proof
    proven = verify(proof, root)       or Refused: not a proof for this root
    proven.record(contract)            the record, or None if there is no such contract
    proven.memory(contract, at, n)     bytes of its memory
    proven.page(contract, index)       those of a page
    proven.code(contract, at, n)       bytes of its code
                                       or NotShown, with one of the reasons below

Never recurses deeper, and takes no more memory, than the length of the input allows.
"""

from dataclasses import dataclass

from chunks import CHUNK_BYTES, HALF_BYTES, chunk_count, chunk_value, half_value, left_chunks, parent_value
from hashing import CONTRACT_TREE_HEIGHT, EMPTY, H, PAGE_BYTES, PAGE_TREE_HEIGHT, WAYPOINT_HEIGHTS
from hashing import bucket, derive_key, node, position

NO_CONTRACT = "no contract"  # the proof shows that there is none
CONTRACT_NOT_SHOWN = "contract not shown"
CHUNK_NOT_SHOWN = "chunk not shown"
OUT_OF_RANGE = "out of range"  # of the memory or the code in the record

WASM_PAGES_MAX = {32: 65_536, 64: 67_108_864}
PAGE_CHUNKS = PAGE_BYTES // CHUNK_BYTES


class Refused(Exception):
    """The bytes are not a proof, or not one for the root."""


class NotShown(Exception):
    """What is asked for has no answer in the proof."""


def require(holds, reason):
    if not holds:
        raise Refused(reason)


# What a proof consists of


@dataclass
class Record:
    encoded: bytes
    word_size: int
    contract: bytes
    code_hash: bytes
    code_length: int
    wasm_pages: int
    page_root: bytes

    def hash(self):
        return H("record", self.encoded)

    def height(self):
        return PAGE_TREE_HEIGHT[self.word_size]

    def memory_length(self):
        return self.wasm_pages * 65_536


@dataclass
class ChunkList:
    """Of an input of this length: the chunks shown, by number, and the values of subtrees without them, in order."""

    length: int
    values: list
    chunks: dict

    def hash(self, kind):
        return ListWalk(self, derive_key("crostata v1 " + kind)).hash()


@dataclass
class Page:
    index: int
    shown: list  # numbers of chunks; none of a page of zeros
    leaf: bytes = EMPTY
    half: bytes = None  # chaining value behind the first eight blocks of the only chunk
    list: ChunkList = None

    def check(self):
        """Whether what is shown is what the page says."""
        if not self.shown:
            return
        require(self.list.hash("page leaf") == self.leaf, "leaf")
        if self.half is not None:
            (number,) = self.shown
            half = half_value(derive_key("crostata v1 page leaf"), number, self.list.chunks[number][:HALF_BYTES])
            require(half == self.half, "chaining value")


@dataclass
class Path:
    """The siblings of several positions: per level, by the parent's number, its four children, None if on the way."""

    height: int
    levels: list
    waypoints: dict  # by height: hashes by number


@dataclass
class Shown:
    """A contract whose record is there."""

    record: Record
    pages: list
    path: Path


@dataclass
class Code:
    hash: bytes
    list: ChunkList


@dataclass
class StateProof:
    positions: list  # (position, [(id, record hash or Record)])
    path: Path
    shown: list
    codes: list


# Decoding


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        require(count <= len(self.data) - self.at, "cut")
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self, count):
        return int.from_bytes(self.take(count), "little")

    def end(self):
        require(self.at == len(self.data), "left over")


def decode(data):
    reader = Reader(data)
    require(reader.number(1) == 1, "version")
    require(reader.number(1) == 1, "kind")
    proof = read_state_proof(reader)
    reader.end()
    return proof


def read_state_proof(reader):
    positions = read_positions(reader)
    path = read_path(reader, CONTRACT_TREE_HEIGHT, [at for at, _ in positions])
    records = [member for _, members in positions for _, member in members if isinstance(member, Record)]
    shown = [read_shown(reader, record) for record in records]
    return StateProof(positions, path, shown, read_codes(reader, records))


def read_positions(reader):
    count = reader.number(4)
    require(count >= 1, "no position")
    positions = []
    for _ in range(count):
        at = reader.number(8)
        require(at < 1 << 2 * CONTRACT_TREE_HEIGHT, "position too large")
        require(not positions or positions[-1][0] < at, "order of positions")
        positions.append((at, read_members(reader)))
    return positions


def read_members(reader):
    members = []
    for _ in range(reader.number(4)):
        mark = reader.number(1)
        require(mark in (0, 1), "mark of a contract")
        if mark:
            record = read_record(reader)
            member = record.contract, record
        else:
            member = reader.take(32), reader.take(32)
        require(not members or members[-1][0] < member[0], "order of contracts")
        members.append(member)
    return members


def read_record(reader):
    start = reader.at
    require(reader.number(1) == 1, "version of a record")
    word_size = reader.number(1)
    require(word_size in (32, 64), "word size")
    contract, code_hash, code_length = reader.take(32), reader.take(32), reader.number(8)
    reader.take(32)
    reader.take(reader.number(1))
    wasm_pages = reader.number(8)
    require(wasm_pages <= WASM_PAGES_MAX[word_size], "memory size")
    page_root = reader.take(32)
    encoded = reader.data[start:reader.at]
    return Record(encoded, word_size, contract, code_hash, code_length, wasm_pages, page_root)


def read_path(reader, height, positions):
    """The children that the nibbles list, the positions' own ones None, all others EMPTY."""
    ways = [positions]
    for _ in range(height):
        ways.append(sorted({at >> 2 for at in ways[-1]}))
    parents = [(level, parent) for level in range(height) for parent in ways[level + 1]]
    nibbles = read_nibbles(reader, len(parents))
    levels = [{} for _ in range(height)]
    on_way = [set(way) for way in ways]
    for (level, parent), nibble in zip(parents, nibbles):
        own = [4 * parent + i in on_way[level] for i in range(4)]
        levels[level][parent] = [read_child(reader, own[i], nibble >> i & 1) for i in range(4)]
    waypoints = {at: {number: reader.take(32) for number in ways[at]} for at in WAYPOINT_HEIGHTS[height]}
    return Path(height, levels, waypoints)


def read_nibbles(reader, count):
    data = reader.take((count + 1) // 2)
    nibbles = [half for byte in data for half in (byte & 15, byte >> 4)]
    require(not any(nibbles[count:]), "padding of a path")
    return nibbles[:count]


def read_child(reader, own, listed):
    require(not (own and listed), "child on the path is listed")
    if own:
        return None
    if not listed:
        return EMPTY
    child = reader.take(32)
    require(child != EMPTY, "EMPTY is listed")
    return child


def read_shown(reader, record):
    pages = []
    for _ in range(reader.number(4)):
        index, mask = reader.number(4), reader.number(1)
        # Zeros may lie behind the memory, which may grow.
        behind = mask == 0 and index < 4 ** record.height()
        require(behind or index * PAGE_BYTES < record.memory_length(), "page outside the memory")
        require(not pages or pages[-1].index < index, "order of pages")
        require(mask < 1 << PAGE_CHUNKS, "mask of chunks")
        pages.append(Page(index, [i for i in range(PAGE_CHUNKS) if mask >> i & 1]))
    path = read_path(reader, record.height(), [page.index for page in pages]) if pages else None
    for page in pages:
        if page.shown:
            page.leaf = reader.take(32)
            page.half = reader.take(32) if len(page.shown) == 1 else None
            page.list = read_list(reader, PAGE_BYTES, page.shown)
            written_out = len(page.shown) == PAGE_CHUNKS and not any(map(any, page.list.chunks.values()))
            require(not written_out, "page of zeros written out")
    return Shown(record, pages, path)


def read_codes(reader, records):
    lengths = {record.code_hash: record.code_length for record in reversed(records)}
    codes = []
    for _ in range(reader.number(4)):
        hash = reader.take(32)
        require(hash in lengths, "code of no record")
        require(not codes or codes[-1].hash < hash, "order of codes")
        require(lengths[hash] > 0, "code of no bytes")
        runs = read_runs(reader, chunk_count(lengths[hash]))
        numbers = [number for first, count in runs for number in range(first, first + count)]
        codes.append(Code(hash, read_list(reader, lengths[hash], numbers)))
    return codes


def read_runs(reader, chunks):
    runs, end, total = [], -1, 0
    number_of_runs = reader.number(4)
    require(number_of_runs >= 1, "no run")
    for _ in range(number_of_runs):
        first, count = reader.number(4), reader.number(4)
        require(first > end, "order of runs")
        require(count >= 1, "run of no chunk")
        end, total = first + count, total + count
        require(end <= chunks, "chunk outside the code")
        # Before numbers are listed: all chunks have 1,024 bytes, the last one excepted.
        require((total - 1) * CHUNK_BYTES <= len(reader.data), "cut")
        runs.append((first, count))
    return runs


def read_list(reader, length, shown):
    """The parts of a chunk list; `shown` ascends and is not empty."""
    values = reader.take(32 * count_values(chunk_count(length), shown))
    chunks = {}
    for number in shown:
        chunks[number] = reader.take(min(CHUNK_BYTES, length - number * CHUNK_BYTES))
    return ChunkList(length, [values[at:at + 32] for at in range(0, len(values), 32)], chunks)


def count_values(chunks, shown):
    """How many subtrees the walk from the whole down finds without a chunk that is shown."""
    if not shown:
        return 1
    if chunks == 1:
        return 0
    left = left_chunks(chunks)
    split = next((i for i, number in enumerate(shown) if number >= left), len(shown))
    right = [number - left for number in shown[split:]]
    return count_values(left, shown[:split]) + count_values(chunks - left, right)


# Verifying


class ListWalk:
    """The walk of a chunk list, with which values are taken in order."""

    def __init__(self, list, key):
        self.list, self.key, self.values = list, key, iter(list.values)

    def hash(self):
        return self.subtree(0, chunk_count(self.list.length), sorted(self.list.chunks), True)

    def subtree(self, first, end, shown, whole):
        if not shown:
            return next(self.values)
        if end - first == 1:
            return chunk_value(self.key, first, self.list.chunks[first], whole)
        middle = first + left_chunks(end - first)
        left = self.subtree(first, middle, [number for number in shown if number < middle], False)
        right = self.subtree(middle, end, [number for number in shown if number >= middle], False)
        return parent_value(self.key, left, right, whole)


def fold(path, leaves, waypoint):
    """The root over these leaves, by position; `waypoint` is the reason if a waypoint is another."""
    hashes = leaves
    for height, parents in enumerate(path.levels, 1):
        above = {}
        for parent, children in parents.items():
            filled = [hashes[4 * parent + i] if child is None else child for i, child in enumerate(children)]
            above[parent] = node(filled)
        hashes = above
        require(path.waypoints.get(height, hashes) == hashes, waypoint)
    return hashes[0]


def member_hash(member):
    return member.hash() if isinstance(member, Record) else member


def verify(proof, root):
    leaves = {at: bucket([(id, member_hash(member)) for id, member in members]) for at, members in proof.positions}
    require(fold(proof.path, leaves, "waypoint") == root, "root")
    for shown in proof.shown:
        if shown.pages:
            for page in shown.pages:
                page.check()
            leaves = {page.index: page.leaf for page in shown.pages}
            require(fold(shown.path, leaves, "page waypoint") == shown.record.page_root, "page root")
    for code in proof.codes:
        require(code.list.hash("code") == code.hash, "code")
    return Proven(proof)


# Questions


class Proven:
    """What a proof shows of the state whose root it was verified for."""

    def __init__(self, proof):
        shown = iter(proof.shown)
        self.positions = {
            at: {id: next(shown) if isinstance(member, Record) else None for id, member in members}
            for at, members in proof.positions
        }
        self.codes = {code.hash: code.list for code in proof.codes}

    def find(self, contract):
        """The contract as it is shown, or None if there is none."""
        members = self.positions.get(position(contract))
        if members is None:
            raise NotShown(CONTRACT_NOT_SHOWN)
        if contract not in members:
            return None
        if members[contract] is None:
            raise NotShown(CONTRACT_NOT_SHOWN)
        return members[contract]

    def found(self, contract):
        shown = self.find(contract)
        if shown is None:
            raise NotShown(NO_CONTRACT)
        return shown

    def record(self, contract):
        shown = self.find(contract)
        return shown and shown.record.encoded

    def memory(self, contract, offset, length):
        shown = self.found(contract)
        pages = {page.index: page for page in shown.pages}

        def chunk(number):
            page = pages.get(number // PAGE_CHUNKS)
            if page is not None and page.list is None:
                return bytes(CHUNK_BYTES)
            return page and page.list.chunks.get(number % PAGE_CHUNKS)

        return from_chunks(chunk, offset, length, shown.record.memory_length())

    def page(self, contract, index):
        return self.memory(contract, index * PAGE_BYTES, PAGE_BYTES)

    def code(self, contract, offset, length):
        record = self.found(contract).record
        list = self.codes.get(record.code_hash)
        chunks = list.chunks if list and list.length == record.code_length else {}
        return from_chunks(chunks.get, offset, length, record.code_length)


def from_chunks(chunk, offset, length, whole):
    if offset + length > whole:
        raise NotShown(OUT_OF_RANGE)
    if length == 0:
        return b""
    first, last = offset // CHUNK_BYTES, (offset + length - 1) // CHUNK_BYTES
    parts = []
    for number in range(first, last + 1):
        part = chunk(number)
        if part is None:
            raise NotShown(CHUNK_NOT_SHOWN)
        parts.append(part)
    start = offset - first * CHUNK_BYTES
    return b"".join(parts)[start:start + length]
