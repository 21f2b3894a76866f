"""Receipts of blocks, of docs/format.md, "Deployment digests" and "Receipts of a block": the tree, its openings, and a verifier."""

from hashing import EMPTY, H, u32, u64
from proofs import Refused

ARITY = 4
HEAD = bytes([1, 4])


def deployment_digest(contract, code_gas, init):
    return H("deployment digest", contract + u64(code_gas) + (EMPTY if init is None else init))


def leaf(index, tag, digest):
    return H("receipt leaf", u64(index) + tag + digest)


def levels(leaves):
    """From the hashes of the leaves up to one node."""
    level = [leaf(index, *receipt) for index, receipt in enumerate(leaves)]
    all_levels = [level]
    while len(level) > 1:
        groups = [level[at:at + ARITY] for at in range(0, len(level), ARITY)]
        level = [H("receipt node", b"".join(group)) for group in groups]
        all_levels.append(level)
    return all_levels


def root_of(count, top):
    return H("receipts root", u64(count) + top)


def root(leaves):
    top = levels(leaves)[-1]
    return root_of(len(leaves), top[0] if top else EMPTY)


def opening(leaves, index):
    siblings, place = [], index
    for level in levels(leaves)[:-1]:
        first = place - place % ARITY
        siblings += [level[at] for at in range(first, min(first + ARITY, len(level))) if at != place]
        place //= ARITY
    return HEAD + u64(index) + u64(len(leaves)) + b"".join(leaves[index]) + b"".join(siblings)


def verify(data, expected):
    """Index, number of receipts, tag and digest that an opening proves for the block with this root."""
    if len(data) < 82:
        raise Refused("cut")
    if data[:2] != HEAD:
        raise Refused("head")
    index, count = (int.from_bytes(data[at:at + 8], "little") for at in (2, 10))
    if index >= count:
        raise Refused("receipt index")
    tag, digest, rest = data[18:50], data[50:82], data[82:]
    hash, place, length = leaf(index, tag, digest), index, count
    while length > 1:
        first = place - place % ARITY
        children = []
        for at in range(first, min(first + ARITY, length)):
            if at == place:
                children.append(hash)
                continue
            if len(rest) < 32:
                raise Refused("cut")
            children.append(rest[:32])
            rest = rest[32:]
        hash = H("receipt node", b"".join(children))
        place, length = place // ARITY, -(-length // ARITY)
    if rest:
        raise Refused("trailing")
    if root_of(count, hash) != expected:
        raise Refused("other root")
    return index, count, tag, digest


# Vectors


def receipt(seed):
    return H("receipt leaf", b"tag" + u32(seed)), H("receipt leaf", b"digest" + u32(seed))


def vectors():
    counts = [0, 1, 2, 3, 4, 5, 8, 16, 17, 21, 65]
    contract, init = receipt(1000)
    deployments = [(contract, 0, None), (contract, 2**64 - 1, init)]
    return {
        "deployment_digest": [
            {"contract": contract, "code_gas": gas, "init": init, "digest": deployment_digest(contract, gas, init)}
            for contract, gas, init in deployments
        ],
        "receipts": [block(count) for count in counts],
    }


def block(count):
    leaves = [receipt(seed) for seed in range(count)]
    opened = sorted({0, 1, 3, 4, count // 2, count - 1} & set(range(count)))
    return {
        "leaves": leaves, "root": root(leaves),
        "openings": [{"index": index, "proof": opening(leaves, index)} for index in opened],
    }
