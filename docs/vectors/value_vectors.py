"""Makes the value proofs in proofs.json, and the memories that they are of: layouts, values and maps, written as docs/format.md has them.

Shares the chunks and hashes with the verifier in values.py, and nothing else.
"""

from dataclasses import dataclass

from chunks import CHUNK_BYTES
from hashing import PAGE_BYTES, u32, u64
from proof_vectors import NOBODY, code, memory, prove, record
from states import State, contract, ident, pattern


def u16(value):
    return value.to_bytes(2, "little")


# Layouts, as bytes


def text(name):
    return bytes([len(name)]) + name.encode()


BOOL = b"\1"


def unsigned(size):
    return bytes([2, size])


def signed(size):
    return bytes([3, size])


def array(count, element):
    return b"\4" + u32(count) + element


def bytes_of(count):
    return array(count, unsigned(1))


def struct(size, *fields):
    return b"\5" + u32(size) + u16(len(fields)) + b"".join(text(name) + u32(at) + type for name, at, type in fields)


def map_of(keys, values):
    return b"\6" + keys + values


def layout(*fields):
    return b"\1" + u16(len(fields)) + b"".join(text(name) + u64(at) + type for name, at, type in fields)


# Memories


class Memory(dict):
    """Pages by number."""

    def write(self, at, data):
        for offset, byte in enumerate(data, at):
            page = self.setdefault(offset // PAGE_BYTES, bytearray(PAGE_BYTES))
            page[offset % PAGE_BYTES] = byte

    def read(self, at, length):
        pages = ((offset // PAGE_BYTES, offset % PAGE_BYTES) for offset in range(at, at + length))
        return bytes(self[page][offset] if page in self else 0 for page, offset in pages)

    def pages(self):
        return {number: bytes(page) for number, page in self.items()}


@dataclass
class MapShape:
    """A map with keys and values of so many bytes, at an address; its nodes lie from another one on."""

    keys: int
    values: int
    at: int
    nodes: int


def write_node(memory, shape, place, level, keys, behind):
    """`behind`: values in a leaf, addresses of children above."""
    most = 1000 // (shape.keys + 8) if level else 1008 // (shape.keys + shape.values)
    assert len(keys) <= most
    data = u16(len(keys)) + u16(level) + b"any." + b"".join(keys)
    data += b"\xee" * (8 + shape.keys * most - len(data)) + b"".join(behind)
    memory.write(place, data.ljust(CHUNK_BYTES, b"\xdd"))


def write_map(memory, shape, entries, fill):
    """A map of these entries, `fill` in a leaf and as many children above; gives the reads for a key."""
    entries = sorted(entries.items())
    places = iter(range(shape.nodes, 1 << 62, CHUNK_BYTES))
    nodes = []  # (first key, place, [child, ...])
    for at in range(0, len(entries), fill):
        part, place = entries[at:at + fill], next(places)
        write_node(memory, shape, place, 0, [key for key, _ in part], [value for _, value in part])
        nodes.append((part[0][0], place, []))
    level = 0
    while len(nodes) > 1:
        level += 1
        below, nodes = nodes, []
        for at in range(0, len(below), fill):
            part, place = below[at:at + fill], next(places)
            write_node(memory, shape, place, level, [key for key, _, _ in part[1:]], [u64(child) for _, child, _ in part])
            nodes.append((part[0][0], place, part))
    memory.write(shape.at, u64(nodes[0][1] if nodes else 0))
    return MapReads(shape, nodes)


@dataclass
class MapReads:
    shape: MapShape
    nodes: list

    def of(self, key):
        """The ranges that the lookup of a key reads."""
        ranges, nodes = [(self.shape.at, 8)], self.nodes
        while nodes:
            node = max((node for node in nodes if node[0] <= key), default=nodes[0])
            ranges.append((node[1], CHUNK_BYTES))
            nodes = node[2]
        return ranges


# The contracts. Balances have three levels; the fields' addresses are anything.

NAMED_32, NAMED_64, NO_LAYOUT, BROKEN = (ident(seed) for seed in (80, 81, 82, 83))
HIGH = 5 << 32
BALANCES = {ident(500 + seed): u64(1000 + seed) for seed in range(120)}
SIGNED_KEYS = {at: pattern(12, at + 300) for at in range(-130, 130, 3)}
TERMS = struct(44, ("owner", 12, bytes_of(32)), ("rate", 0, signed(2)), ("limits", 4, array(2, unsigned(4))))
PAIR = struct(8, ("kind", 4, unsigned(1)), ("number", 0, signed(2)))

LAYOUT_32 = layout(
    ("active", 70_000, BOOL),
    ("balances", 70_008, map_of(bytes_of(32), unsigned(8))),
    ("delta", 69_632 + 1016, signed(16)),
    ("empty", 70_032, map_of(unsigned(8), BOOL)),
    ("far", 100_000, unsigned(8)),
    ("registry", 70_100, struct(40, ("names", 8, map_of(PAIR, struct(12, ("a", 0, unsigned(4)), ("b", 4, unsigned(8))))), ("rate", 0, unsigned(1)))),
    ("terms", 70_200, TERMS),
    ("total_supply", 70_016, unsigned(8)),
    ("words", 73_700, array(30, array(2, unsigned(2)))),
)
LAYOUT_64 = layout(("flags", HIGH, map_of(signed(1), bytes_of(3))), ("supply", HIGH + 4092, unsigned(16)))


def signed_key(value, size):
    return (value + (1 << 8 * size - 1)).to_bytes(size, "big")


def pair_key(kind, number):
    return bytes([kind]) + signed_key(number, 2)


def named_32():
    memory = Memory()
    memory.write(70_000, b"\1")
    memory.write(70_016, u64(2**63 + 5))
    memory.write(69_632 + 1016, (-(2**100)).to_bytes(16, "little", signed=True))
    memory.write(70_100, b"\7")
    memory.write(70_200, (-5).to_bytes(2, "little", signed=True) + b"??" + u32(10) + u32(2**32 - 1) + ident(90))
    memory.write(73_700, pattern(120, 8))
    balances = write_map(memory, MapShape(32, 8, 70_008, 128 * 1024), BALANCES, 5)
    names = {pair_key(at % 7, at): pattern(12, at + 300) for at in SIGNED_KEYS}
    registry = write_map(memory, MapShape(3, 12, 70_108, 256 * 1024), names, 20)
    empty = write_map(memory, MapShape(8, 1, 70_032, 0), {}, 1)
    parts = contract(NAMED_32, 32, code=pattern(100, 12), layout=LAYOUT_32, memory_wasm_pages=8, pages=memory.pages())
    return parts, {"balances": balances, "registry.names": registry, "empty": empty}


def named_64():
    memory = Memory()
    memory.write(HIGH + 4092, (2**127 + 3).to_bytes(16, "little"))
    flags = {signed_key(at, 1): pattern(3, at + 200) for at in (-128, -1, 0, 127)}
    reads = write_map(memory, MapShape(1, 3, HIGH, HIGH + 65_536), flags, 4)
    parts = contract(NAMED_64, 64, layout=LAYOUT_64, memory_wasm_pages=(HIGH >> 16) + 2, pages=memory.pages())
    return parts, {"flags": reads}


def broken_layout():
    fields = [(name, 65_536 + 16 * at, map_of(unsigned(1), BOOL)) for at, name in enumerate(sorted(BROKEN_MAPS))]
    fields += [("value", 66_000, BOOL), ("way_out", 131_071, unsigned(2))]
    return layout(*sorted(fields))


def leaf(keys, level=0, count=None):
    """A node of a map from unsigned numbers of one byte to truths; the count may be another."""
    most = 1000 // 9 if level else 1008 // 2
    data = u16(len(keys) if count is None else count) + u16(level) + bytes(4) + bytes(keys)
    return data.ljust(8 + most, b"\0")


SHORT = 70 * 1024
# By name: the address in the map, and nodes by place.
BROKEN_MAPS = {
    "at_an_odd_place": (SHORT + 8, {}),
    "behind_the_memory": (131_072, {}),
    "child_of_zero": (SHORT, {SHORT: leaf([5], 1)}),
    "loop": (SHORT + 1024, {SHORT + 1024: leaf([5], 1) + u64(SHORT + 1024) * 2}),
    "too_high": (SHORT + 2048, {SHORT + 2048: leaf([5], 32)}),
    "too_many": (SHORT + 3072, {SHORT + 3072: leaf([1, 7], 0, 505)}),
    "twice": (SHORT + 4096, {SHORT + 4096: leaf([7, 7])}),
    "unordered": (SHORT + 5120, {SHORT + 5120: leaf([8, 7])}),
}
BROKEN_RULES = {
    "at_an_odd_place": "address of a node", "behind_the_memory": "address of a node", "child_of_zero": "address of a node",
    "loop": "level of a node", "too_high": "level of a node", "too_many": "keys of a node", "twice": "order of keys",
    "unordered": "order of keys",
}


def broken():
    memory = Memory()
    memory.write(66_000, b"\2")
    for at, name in enumerate(sorted(BROKEN_MAPS)):
        place, nodes = BROKEN_MAPS[name]
        memory.write(65_536 + 16 * at, u64(place))
        for node, data in nodes.items():
            memory.write(node, data)
    return contract(BROKEN, 32, layout=broken_layout(), memory_wasm_pages=2, pages=memory.pages())


NAMED = [named_32()[0], named_64()[0], broken(), contract(NO_LAYOUT, 32)]


# Cases


def value_proof(layout, proof):
    return b"\1\2" + u32(len(layout)) + layout + proof.encode()[2:]


def ask(name, key=None):
    return {"name": name} | ({} if key is None else {"key": key})


def number(value):
    return {"unsigned": str(value)}


def negative(value):
    return {"signed": str(value)}


def blob(data):
    return {"bytes": data.hex()}


def pair(kind, at):
    return {"struct": [["kind", number(kind)], ["number", negative(at)]]}


def entry(data):
    low, high = (int.from_bytes(part, "little") for part in (data[:4], data[4:]))
    return {"struct": [["a", number(low)], ["b", number(high)]]}


def words():
    data = pattern(120, 8)
    numbers = [number(int.from_bytes(data[at:at + 2], "little")) for at in range(0, 120, 2)]
    return {"array": [{"array": numbers[at:at + 2]} for at in range(0, 60, 2)]}


def terms():
    limits = {"array": [number(10), number(2**32 - 1)]}
    return {"struct": [["owner", blob(ident(90))], ["rate", negative(-5)], ["limits", limits]]}


def keyed(reads, contract, map, name, key, written, answer):
    return (contract, ask(name, key), answer, reads[map].of(written))


def cases():
    """Contract, question, answer, and what is read."""
    _, low = named_32()
    _, high = named_64()
    one, last = ident(500), max(BALANCES)
    fields = [
        (NAMED_32, ask("active"), {"bool": True}, [(70_000, 1)]),
        (NAMED_32, ask("delta"), negative(-(2**100)), [(69_632 + 1016, 16)]),
        (NAMED_32, ask("far"), number(0), [(100_000, 8)]),
        (NAMED_32, ask("registry.rate"), number(7), [(70_100, 1)]),
        (NAMED_32, ask("terms"), terms(), [(70_200, 44)]),
        (NAMED_32, ask("terms.owner"), blob(ident(90)), [(70_212, 32)]),
        (NAMED_32, ask("total_supply"), number(2**63 + 5), [(70_016, 8)]),
        (NAMED_32, ask("words"), words(), [(73_700, 120)]),
        (NAMED_64, ask("supply"), number(2**127 + 3), [(HIGH + 4092, 16)]),
    ]
    lookups = [
        keyed(low, NAMED_32, "balances", "balances", blob(one), one, number(1000)),
        keyed(low, NAMED_32, "balances", "balances", blob(last), last, number(int.from_bytes(BALANCES[last], "little"))),
        keyed(low, NAMED_32, "balances", "balances", blob(bytes(32)), bytes(32), None),
        keyed(low, NAMED_32, "balances", "balances", blob(b"\xff" * 32), b"\xff" * 32, None),
        keyed(low, NAMED_32, "balances", "balances", blob(NOBODY), NOBODY, None),
        keyed(low, NAMED_32, "empty", "empty", number(5), u64(5), None),
        keyed(low, NAMED_32, "registry.names", "registry.names", pair(3, -121), pair_key(3, -121), None),
        keyed(low, NAMED_32, "registry.names", "registry.names", pair(-130 % 7, -130), pair_key(-130 % 7, -130), entry(pattern(12, 170))),
        keyed(high, NAMED_64, "flags", "flags", negative(-1), signed_key(-1, 1), blob(pattern(3, 199))),
        keyed(high, NAMED_64, "flags", "flags", negative(5), signed_key(5, 1), None),
    ]
    return fields + lookups


def value_vectors(state):
    return [value_vector(state, *case) for case in cases()]


def value_vector(state, contract, question, answer, ranges):
    items = [memory(contract, *range) for range in ranges]
    encoded = value_proof(state.contracts[contract]["layout"], prove(state, items))
    asked = {"contract": contract} | question
    return {"state": "named", "root": state.root, "proof": encoded} | asked | {"answer": answer}


# What is no proof of what is asked


def not_values(state):
    supply = [(70_016, 8)]
    items = [memory(NAMED_32, *supply[0])]

    def of(*more, layout=LAYOUT_32, contract=NAMED_32, question=ask("total_supply"), items=items):
        return contract, question, value_proof(layout, prove(state, [*items, *more]))

    sound = of()[2]
    wrong = [
        ("shows more", of(memory(NAMED_32, 69_632 + 1024, 1), memory(NAMED_32, 69_632 + 3072, 1))),
        ("shows more", of(memory(NAMED_32, 100_000, 1))),
        ("shows more", of(memory(NAMED_32, 128 * 1024, 1))),
        ("shows more", of(record(NO_LAYOUT))),
        ("shows more", of(record(NOBODY))),
        ("shows more", of(code(NAMED_32, 0, 1))),
        ("chunk not shown", of(items=[record(NAMED_32)])),
        ("contract not shown", of(contract=NAMED_64)),
        ("no contract", of(contract=NOBODY, items=[record(NOBODY)])),
        ("layout of the contract", of(layout=LAYOUT_64)),
        ("layout of the contract", of(layout=b"")),
        ("layout of the contract", of(contract=NO_LAYOUT, items=[record(NO_LAYOUT)], layout=b"")),
        ("unknown name", of(question=ask("supply"))),
        ("unknown name", of(question=ask("total_supply.low"))),
        ("unknown name", of(question=ask(""))),
        ("unknown name", of(question=ask("terms."))),
        ("map without a key", of(question=ask("balances"))),
        ("map without a key", of(question=ask("registry"))),
        ("no map", of(question=ask("total_supply", number(1)))),
        ("type of the key", of(question=ask("balances", number(1)))),
        ("type of the key", of(question=ask("balances", blob(bytes(31))))),
        ("type of the key", of(question=ask("empty", number(2**64)))),
        ("type of the key", of(question=ask("empty", negative(1)))),
        ("version", (NAMED_32, ask("total_supply"), b"\2" + sound[1:])),
        ("kind", (NAMED_32, ask("total_supply"), b"\1\1" + sound[2:])),
        ("left over", (NAMED_32, ask("total_supply"), sound + b"\0")),
        ("cut", (NAMED_32, ask("total_supply"), sound[:20])),
        ("value", broken_value(state, "value", [(66_000, 1)])),
        ("out of range", broken_value(state, "way_out", [(131_071, 1)])),
    ]
    entries = [not_value(state, "named", rule, *case) for rule, case in wrong]
    return entries + broken_maps(state) + [bad_layout(*case) for case in BAD_LAYOUTS]


def not_value(state, name, rule, contract, question, proof):
    return {"rule": rule, "state": name, "root": state.root, "contract": contract} | question | {"proof": proof}


def broken_value(state, name, ranges):
    items = [memory(BROKEN, *range) for range in ranges]
    return BROKEN, ask(name), value_proof(broken_layout(), prove(state, items))


def broken_maps(state):
    entries = []
    for at, name in enumerate(sorted(BROKEN_MAPS)):
        items = [memory(BROKEN, 65_536 + 16 * at, 8)]
        items += [memory(BROKEN, place, CHUNK_BYTES) for place in BROKEN_MAPS[name][1]]
        proof = value_proof(broken_layout(), prove(state, items))
        entries.append(not_value(state, "named", BROKEN_RULES[name], BROKEN, ask(name, number(7)), proof))
    return entries


def nested(depth, inside):
    return inside if depth == 0 else array(1, nested(depth - 1, inside))


BAD_LAYOUTS = [
    ("version of the layout", b"\2" + LAYOUT_32[1:]),
    ("order of fields", layout(("v", 0, BOOL), ("a", 1, BOOL))),
    ("order of fields", layout(("v", 0, BOOL), ("v", 0, BOOL))),
    ("left over", layout(("v", 0, BOOL)) + b"\0"),
    ("cut", layout(("v", 0, b""))),
    ("name in the layout", layout(("", 0, BOOL), ("v", 0, BOOL))),
    ("name in the layout", layout(("a b", 0, BOOL), ("v", 0, BOOL))),
    ("name in the layout", layout(("a" * 65, 0, BOOL), ("v", 0, BOOL))),
    ("type in the layout", layout(("v", 0, b"\0"))),
    ("type in the layout", layout(("v", 0, b"\7"))),
    ("size of a number", layout(("v", 0, unsigned(3)))),
    ("size of a number", layout(("v", 0, signed(32)))),
    ("size in the layout", layout(("v", 0, bytes_of(0)))),
    ("size in the layout", layout(("v", 0, bytes_of(65_537)))),
    ("size in the layout", layout(("v", 0, array(2**32 - 1, unsigned(16))))),
    ("depth of the layout", layout(("v", 0, nested(8, BOOL)))),
    ("struct without fields", layout(("v", 0, struct(4)))),
    ("names in the layout", layout(("v", 0, struct(4, ("a", 0, BOOL), ("a", 1, BOOL))))),
    ("field outside its struct", layout(("v", 0, struct(4, ("a", 1, unsigned(4)))))),
    ("fields larger than their struct", layout(("v", 0, struct(4, ("a", 0, unsigned(4)), ("b", 0, BOOL))))),
    ("map inside an array or map", layout(("v", 0, array(1, map_of(BOOL, BOOL))))),
    ("map inside an array or map", layout(("v", 0, map_of(BOOL, struct(8, ("m", 0, map_of(BOOL, BOOL))))))),
    ("entries too large for nodes", layout(("v", 0, map_of(bytes_of(326), BOOL)))),
    ("entries too large for nodes", layout(("v", 0, map_of(bytes_of(32), bytes_of(473))))),
    ("length of the layout", layout(*((f"f{at:05}", 0, BOOL) for at in range(1025)))),
]


def bad_layout(rule, section):
    """A contract that no deployment makes."""
    state = State([contract(ident(84), 32, layout=section)])
    proof = value_proof(section, prove(state, [memory(ident(84), 0, 1)]))
    return not_value(state, None, rule, ident(84), ask("v"), proof)
