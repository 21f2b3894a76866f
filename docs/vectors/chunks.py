"""BLAKE3's own tree in its keyed mode, from the paper (sections 2.1 to 2.5), and chunk lists over it.

The package `blake3` hashes whole inputs only; proofs need the chaining values below. Slow, and the
same on every input: `check` compares it with the package.
"""

from functools import lru_cache
from struct import pack, unpack

from blake3 import blake3

CHUNK_BYTES = 1024
BLOCK_BYTES = 64
HALF_BYTES = 512
CHUNK_START, CHUNK_END, PARENT, ROOT, KEYED_HASH = 1, 2, 4, 8, 16

IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A)
PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
# Per step of a round: four words of the state, and the two words of the message that are mixed into them.
STEPS = (
    (0, 4, 8, 12, 0, 1), (1, 5, 9, 13, 2, 3), (2, 6, 10, 14, 4, 5), (3, 7, 11, 15, 6, 7),
    (0, 5, 10, 15, 8, 9), (1, 6, 11, 12, 10, 11), (2, 7, 8, 13, 12, 13), (3, 4, 9, 14, 14, 15),
)


def schedule():
    """The steps of all seven rounds, with the message's words permuted between rounds."""
    order, steps = tuple(range(16)), []
    for _ in range(7):
        steps += [(a, b, c, d, order[x], order[y]) for a, b, c, d, x, y in STEPS]
        order = tuple(order[i] for i in PERMUTATION)
    return steps


SCHEDULE = schedule()


def compress(chaining_value, block, counter, flags):
    """The first 32 bytes of the compression function's output."""
    h = unpack("<8I", chaining_value)
    m = unpack("<16I", block.ljust(BLOCK_BYTES, b"\0"))
    v = [*h, *IV, counter & 0xFFFFFFFF, counter >> 32, len(block), flags]
    for a, b, c, d, x, y in SCHEDULE:
        va = (v[a] + v[b] + m[x]) & 0xFFFFFFFF
        vd = v[d] ^ va
        vd = vd >> 16 | vd << 16 & 0xFFFFFFFF
        vc = (v[c] + vd) & 0xFFFFFFFF
        vb = v[b] ^ vc
        vb = vb >> 12 | vb << 20 & 0xFFFFFFFF
        va = (va + vb + m[y]) & 0xFFFFFFFF
        vd ^= va
        vd = vd >> 8 | vd << 24 & 0xFFFFFFFF
        vc = (vc + vd) & 0xFFFFFFFF
        vb ^= vc
        v[a], v[b], v[c], v[d] = va, vb >> 7 | vb << 25 & 0xFFFFFFFF, vc, vd
    return pack("<8I", *(v[i] ^ v[i + 8] for i in range(8)))


@lru_cache(maxsize=8192)
def chunk_value(key, number, data, whole):
    """Chaining value of a chunk, or the hash if it is the whole input."""
    blocks = blocks_of(data)
    value = key
    for at, block in enumerate(blocks):
        flags = KEYED_HASH
        flags |= CHUNK_START if at == 0 else 0
        flags |= CHUNK_END | (ROOT if whole else 0) if at == len(blocks) - 1 else 0
        value = compress(value, block, number, flags)
    return value


@lru_cache(maxsize=8192)
def half_value(key, number, half):
    """Chaining value behind the first eight blocks of a chunk of sixteen."""
    value = key
    for at, block in enumerate(blocks_of(half)):
        value = compress(value, block, number, KEYED_HASH | (CHUNK_START if at == 0 else 0))
    return value


def blocks_of(data):
    return [data[at:at + BLOCK_BYTES] for at in range(0, len(data), BLOCK_BYTES)] or [b""]


def parent_value(key, left, right, whole):
    """Chaining value of two subtrees, or the hash if they are the whole input."""
    return compress(key, left + right, 0, KEYED_HASH | PARENT | (ROOT if whole else 0))


def chunk_count(length):
    """How many chunks an input of this length has; one of no bytes has one too."""
    return max(1, -(-length // CHUNK_BYTES))


def left_chunks(chunks):
    """How many of more than one chunk are in the left subtree: the largest power of two less than all."""
    return 1 << (chunks - 1).bit_length() - 1


def subtree_value(key, data, first=0, whole=True):
    """Chaining value of all of a subtree, whose first chunk has this number."""
    if len(data) <= CHUNK_BYTES:
        return chunk_value(key, first, data, whole)
    left = left_chunks(chunk_count(len(data)))
    at = left * CHUNK_BYTES
    values = subtree_value(key, data[:at], first, False), subtree_value(key, data[at:], first + left, False)
    return parent_value(key, *values, whole)


# Chunk lists


def make_list(key, data, shown):
    """The chunk list of the chunks with these numbers."""
    values, chunks = [], []

    def walk(first, end):
        part = data[first * CHUNK_BYTES:end * CHUNK_BYTES]
        if not any(first <= number < end for number in shown):
            values.append(subtree_value(key, part, first, False))
        elif end - first == 1:
            chunks.append(part)
        else:
            middle = first + left_chunks(end - first)
            walk(first, middle)
            walk(middle, end)

    walk(0, chunk_count(len(data)))
    return b"".join(values) + b"".join(chunks)


def check():
    """Compares with the package, over lengths at the borders of blocks, chunks and subtrees."""
    data = bytes(at * at % 251 for at in range(9 * CHUNK_BYTES + 1))
    key = bytes(range(32))
    borders = [chunks * CHUNK_BYTES for chunks in range(10)]
    lengths = {max(0, border + off) for border in borders for off in (-1, 0, 1)} | {63, 64, 65, 127, 128, 129}
    for length in lengths:
        expected = blake3(data[:length], key=key).digest()
        assert subtree_value(key, data[:length]) == expected, length
