"""Decodes and verifies value proofs, from docs/format.md: "Storage layout", "Maps in memory" and "Value proofs".

    verify_value(encoded, root, contract, name)        the value of that name
    verify_key(encoded, root, contract, name, key)     what its map of that name has under the key, or None

Values are as in the vectors: {"bool": true}, {"unsigned": "7"}, {"signed": "-7"}, {"bytes": hex}, {"array": [...]},
{"struct": [[name, value], ...]}.
"""

from dataclasses import dataclass

from chunks import CHUNK_BYTES
from hashing import layout_hash
from proofs import PAGE_CHUNKS, NotShown, Reader, Refused, read_state_proof, require, verify

LAYOUT_BYTES_MAX = 16_384
VALUE_BYTES_MAX = 65_536
DEPTH_MAX = 8
LEVEL_MAX = 31
NUMBER_SIZES = (1, 2, 4, 8, 16)
NAME_CHARACTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")


# Types. Each has `size`, the bytes of a value in memory; `key_size`, those that a key is written as; `has_map`.


@dataclass
class Bool:
    size = key_size = 1
    has_map = False

    def read(self, data):
        require(data in (b"\0", b"\1"), "value")
        return {"bool": data == b"\1"}

    def key(self, value):
        require(isinstance(value.get("bool"), bool), "type of the key")
        return bytes([value["bool"]])


@dataclass
class Number:
    size: int
    signed: bool
    has_map = False

    @property
    def key_size(self):
        return self.size

    @property
    def name(self):
        return "signed" if self.signed else "unsigned"

    def read(self, data):
        return {self.name: str(int.from_bytes(data, "little", signed=self.signed))}

    def key(self, value):
        require(self.name in value, "type of the key")
        bits = 8 * self.size
        low = -(1 << bits - 1) if self.signed else 0
        offset = int(value[self.name]) - low
        require(0 <= offset < 1 << bits, "type of the key")
        return offset.to_bytes(self.size, "big")  # the highest bit of a signed one is flipped by adding 2^(bits - 1)


@dataclass
class Array:
    count: int
    element: object
    has_map = False

    @property
    def size(self):
        return self.count * self.element.size

    @property
    def key_size(self):
        return self.count * self.element.key_size

    @property
    def is_bytes(self):
        return self.element == Number(1, False)

    def read(self, data):
        if self.is_bytes:
            return {"bytes": data.hex()}
        size = self.element.size
        return {"array": [self.element.read(data[at:at + size]) for at in range(0, len(data), size)]}

    def key(self, value):
        if self.is_bytes:
            written = bytes.fromhex(value.get("bytes", ""))
            require("bytes" in value and len(written) == self.count, "type of the key")
            return written
        require(len(value.get("array", ())) == self.count, "type of the key")
        return b"".join(map(self.element.key, value["array"]))


@dataclass
class Struct:
    size: int
    fields: list  # (name, offset, type)

    @property
    def has_map(self):
        return any(type.has_map for _, _, type in self.fields)

    @property
    def key_size(self):
        return sum(type.key_size for _, _, type in self.fields)

    def read(self, data):
        return {"struct": [[name, type.read(data[at:at + type.size])] for name, at, type in self.fields]}

    def key(self, value):
        parts = value.get("struct", ())
        require([name for name, _ in parts] == [name for name, _, _ in self.fields], "type of the key")
        return b"".join(type.key(part) for (_, part), (_, _, type) in zip(parts, self.fields))


@dataclass
class Map:
    keys: object
    values: object
    size = 8
    has_map = True

    @property
    def leaf_keys_max(self):
        return 1008 // (self.keys.key_size + self.values.size)

    @property
    def inner_keys_max(self):
        return 1000 // (self.keys.key_size + 8)

    def read(self, _data):
        raise Refused("map without a key")


# Layouts


def read_name(reader):
    name = reader.take(reader.number(1))
    require(1 <= len(name) <= 64 and NAME_CHARACTERS.issuperset(name), "name in the layout")
    return name.decode()


def read_type(reader, depth, maps):
    """`maps`: whether a map may be here."""
    require(depth <= DEPTH_MAX, "depth of the layout")
    kind = reader.number(1)
    readers = {1: lambda: Bool(), 2: lambda: read_number(reader, False), 3: lambda: read_number(reader, True)}
    readers |= {4: lambda: read_array(reader, depth), 5: lambda: read_struct(reader, depth, maps)}
    readers |= {6: lambda: read_map(reader, depth, maps)}
    require(kind in readers, "type in the layout")
    made = readers[kind]()
    require(1 <= made.size <= VALUE_BYTES_MAX, "size in the layout")
    return made


def read_number(reader, signed):
    size = reader.number(1)
    require(size in NUMBER_SIZES, "size of a number")
    return Number(size, signed)


def read_array(reader, depth):
    count = reader.number(4)
    return Array(count, read_type(reader, depth + 1, False))


def read_struct(reader, depth, maps):
    size, count = reader.number(4), reader.number(2)
    require(count >= 1, "struct without fields")
    fields = []
    for _ in range(count):
        name, at = read_name(reader), reader.number(4)
        type = read_type(reader, depth + 1, maps)
        require(name not in [other for other, _, _ in fields], "names in the layout")
        require(at + type.size <= size, "field outside its struct")
        fields.append((name, at, type))
    require(sum(type.size for _, _, type in fields) <= size, "fields larger than their struct")
    return Struct(size, fields)


def read_map(reader, depth, maps):
    require(maps, "map inside an array or map")
    made = Map(read_type(reader, depth + 1, False), read_type(reader, depth + 1, False))
    keys, values = made.keys.key_size, made.values.size
    require((keys + 8) * 3 <= 1000 and (keys + values) * 2 <= 1008, "entries too large for nodes")
    return made


def decode_layout(data):
    """Fields by name: (address, type)."""
    require(len(data) <= LAYOUT_BYTES_MAX, "length of the layout")
    reader, fields = Reader(data), {}
    require(reader.number(1) == 1, "version of the layout")
    for _ in range(reader.number(2)):
        name, address = read_name(reader), reader.number(8)
        require(not fields or list(fields)[-1] < name, "order of fields")
        fields[name] = address, read_type(reader, 1, True)
    reader.end()
    return fields


def find(layout, name):
    """Address and type of what has the name: a field's, or behind dots that of a field of a struct."""
    first, *rest = name.split(".")
    require(first in layout, "unknown name")
    address, type = layout[first]
    for part in rest:
        fields = {field: (at, inside) for field, at, inside in type.fields} if isinstance(type, Struct) else {}
        require(part in fields, "unknown name")
        offset, type = fields[part]
        address += offset
    return address, type


# Lookups


class Node:
    """A node of a map, from its 1,024 bytes."""

    def __init__(self, data, map):
        self.data, self.map = data, map
        self.count, self.level = (int.from_bytes(data[at:at + 2], "little") for at in (0, 2))
        self.keys_max = map.inner_keys_max if self.level else map.leaf_keys_max
        require(self.count <= self.keys_max, "keys of a node")
        size = map.keys.key_size
        self.keys = [data[8 + size * i:8 + size * (i + 1)] for i in range(self.count)]
        require(all(one < other for one, other in zip(self.keys, self.keys[1:])), "order of keys")

    def part(self, number, size):
        """One of what stands behind the keys."""
        start = 8 + self.map.keys.key_size * self.keys_max + number * size
        return self.data[start:start + size]

    def child(self, key):
        return int.from_bytes(self.part(sum(other <= key for other in self.keys), 8), "little")

    def value(self, key):
        return self.part(self.keys.index(key), self.map.values.size) if key in self.keys else None


def look_up(map, address, key, memory_length, read):
    """Bytes of the value under a key, or None; `read` gives bytes of the memory."""
    place = int.from_bytes(read(address, 8), "little")
    level = None
    while place or level is not None:
        require(place and place % CHUNK_BYTES == 0 and place + CHUNK_BYTES <= memory_length, "address of a node")
        node = Node(read(place, CHUNK_BYTES), map)
        require(node.level <= LEVEL_MAX if level is None else node.level == level - 1, "level of a node")
        if node.level == 0:
            return node.value(key)
        level, place = node.level, node.child(key)
    return None


# Proofs


class ShownMemory:
    """The memory of the contract, which remembers the chunks that were read."""

    def __init__(self, proven, contract):
        self.proven, self.contract, self.read_chunks = proven, contract, set()

    def read(self, offset, length):
        self.read_chunks.update(range(offset // CHUNK_BYTES, -(-(offset + length) // CHUNK_BYTES)))
        return self.proven.memory(self.contract, offset, length)


def shown_chunks(shown, read):
    """Numbers of the chunks that are shown; of a page of zeros those that are read, one of which there must be."""
    chunks = set()
    for page in shown.pages:
        own = set(range(page.index * PAGE_CHUNKS, (page.index + 1) * PAGE_CHUNKS))
        chunks |= {page.index * PAGE_CHUNKS + i for i in page.shown} if page.shown else own & read or {None}
    return chunks


def decode(data):
    reader = Reader(data)
    require(reader.number(1) == 1, "version")
    require(reader.number(1) == 2, "kind")
    layout = reader.take(reader.number(4))
    proof = read_state_proof(reader)
    reader.end()
    return layout, proof


def check(data, root, contract, look):
    layout, proof = decode(data)
    proven = verify(proof, root)
    try:
        shown = proven.found(contract)
        require(shown.record.encoded[74:106] == layout_hash(layout), "layout of the contract")
        memory = ShownMemory(proven, contract)
        value = look(decode_layout(layout), shown.record.memory_length(), memory.read)
    except NotShown as reason:
        raise Refused(str(reason)) from reason
    lean = len(proof.positions) == 1 and len(proof.shown) == 1 and not proof.codes
    require(lean and shown_chunks(shown, memory.read_chunks) == memory.read_chunks, "shows more")
    return value


def verify_value(data, root, contract, name):
    def look(layout, _memory_length, read):
        address, type = find(layout, name)
        require(not type.has_map, "map without a key")
        return type.read(read(address, type.size))

    return check(data, root, contract, look)


def verify_key(data, root, contract, name, key):
    def look(layout, memory_length, read):
        address, type = find(layout, name)
        require(isinstance(type, Map), "no map")
        found = look_up(type, address, type.keys.key(key), memory_length, read)
        return None if found is None else type.values.read(found)

    return check(data, root, contract, look)
