#!/usr/bin/env python3
"""Verifies proofs.json with the verifier in proofs.py: proofs with their answers, what is no proof with the reason,
and mutations of all proofs, of which none may say anything else, or the same in other bytes. So too the openings of receipts
in vectors.json, with the verifier in receipts.py.

    verify_vectors.py           every byte of short proofs, thirty places of long ones and their ends
    verify_vectors.py --all     every byte of all; takes minutes
"""

import json
import pathlib
import sys
import time

import proofs
import receipts
import values

PLACES = 30


def ask(proven, question):
    contract = bytes.fromhex(question["contract"])
    if question["ask"] == "record":
        return proven.record(contract)
    if question["ask"] == "page":
        return proven.page(contract, question["page"])
    asked = proven.memory if question["ask"] == "memory" else proven.code
    return asked(contract, question["offset"], question["length"])


def answered(proven, question):
    """The answer as it stands in the file, or the reason why there is none."""
    try:
        given = ask(proven, question)
    except proofs.NotShown as reason:
        return {"refused": str(reason)}
    return {"answer": given if given is None else given.hex()}


def expected(question):
    return {name: question[name] for name in ("answer", "refused") if name in question}


def answers(data, case):
    """What a proof answers to the questions of its case."""
    proven = proofs.verify(proofs.decode(data), bytes.fromhex(case["root"]))
    return [answered(proven, question) for question in case["questions"]]


def value(data, case):
    """The same of a value proof, which has one question."""
    root, contract, name = bytes.fromhex(case["root"]), bytes.fromhex(case["contract"]), case["name"]
    if "key" in case:
        return [{"answer": values.verify_key(data, root, contract, name, case["key"])}]
    return [{"answer": values.verify_value(data, root, contract, name)}]


def check_proof(case):
    found, wanted = answers(bytes.fromhex(case["proof"]), case), list(map(expected, case["questions"]))
    assert found == wanted, (case["name"], found, wanted)


def check_value(case):
    found = value(bytes.fromhex(case["proof"]), case)
    assert found == [expected(case)], (case["name"], found)


def check_refused(ask, case):
    try:
        ask(bytes.fromhex(case["proof"]), case | {"questions": []})
    except proofs.Refused as reason:
        assert str(reason) == case["rule"], (case["rule"], str(reason))
    else:
        raise AssertionError(f"accepted against the rule: {case['rule']}")


# Mutations


def spoiled_at(data, at):
    """Ways to spoil the bytes at one place; some may be no change."""
    before, byte, after = data[:at], data[at], data[at + 1:]
    for pattern in (0x01, 0x02, 0x10, 0x80, 0xFF):
        yield before + bytes([byte ^ pattern]) + after
    for value in (0, 1, 0xFF):
        yield before + bytes([value]) + after
        yield before + bytes([value]) + data[at:]
    yield before + after
    yield before + data[at:at + 1] + data[at:]
    yield before + data[at + 1:at + 2] + data[at:at + 1] + data[at + 2:]
    yield before
    yield before + data[at + 32:]
    yield before + data[at:at + 32] + data[at:]
    yield before + data[at + 32:at + 64] + data[at:at + 32] + data[at + 64:]


def spoiled(data, places):
    """Every byte at either end, where the structure is, and so many places between them."""
    length = len(data)
    stride = max(1, length // places)
    at = sorted({*range(min(64, length)), *range(0, length, stride), *range(max(0, length - 32), length)})
    for place in at:
        yield from spoiled_at(data, place)
    third = length // 3
    yield data[third:] + data[:third]
    yield data[2 * third:] + data[:2 * third]
    yield data + data
    yield data + bytes(1)


def is_refused(ask, case, data, before):
    """Whether changed bytes are refused; or else one of the questions has no answer any more, and the others have theirs."""
    try:
        after = ask(data, case)
    except proofs.Refused:
        return True
    pairs = [pair for pair in zip(before, after) if "answer" in pair[0]]
    lost = [now for _, now in pairs if "refused" in now]
    assert all(was == now for was, now in pairs if "answer" in now), (case["name"], data.hex())
    assert lost, (case["name"], "a second encoding", data.hex())
    return False


def check_mutations(ask, case, places):
    """How many were tried, and how many of them are proofs of something else."""
    data = bytes.fromhex(case["proof"])
    before = ask(data, case)
    refused = [is_refused(ask, case, other, before) for other in spoiled(data, places) if other != data]
    return len(refused), refused.count(False)


def check_receipts(block):
    """How many changed openings of a block's receipts were tried; none proves anything."""
    root, tried = bytes.fromhex(block["root"]), 0
    for case in block["openings"]:
        data, index = bytes.fromhex(case["proof"]), case["index"]
        tag, digest = map(bytes.fromhex, block["leaves"][index])
        assert receipts.verify(data, root) == (index, len(block["leaves"]), tag, digest)
        for other in spoiled(data, PLACES):
            if other != data:
                tried += 1
                try:
                    receipts.verify(other, root)
                except proofs.Refused:
                    continue
                raise AssertionError(f"accepted: {other.hex()}")
    return tried


def main(arguments):
    if arguments not in ([], ["--all"]):
        print(__doc__)
        return 2
    begin = time.monotonic()
    vectors = json.loads(pathlib.Path(__file__).with_name("proofs.json").read_text())
    for case in vectors["proofs"]:
        check_proof(case)
    for case in vectors["value_proofs"]:
        check_value(case)
    for ask, name in (answers, "not_proofs"), (value, "not_value_proofs"):
        for case in vectors[name]:
            check_refused(ask, case)
    print(", ".join(f"{len(cases)} {name}" for name, cases in vectors.items()) + ": as they should be")
    places = sys.maxsize if arguments else PLACES
    kinds = (answers, vectors["proofs"]), (value, vectors["value_proofs"])
    counts = [check_mutations(ask, case, places) for ask, cases in kinds for case in cases]
    tried, other = (sum(column) for column in zip(*counts))
    print(f"{tried} mutations: {tried - other} are refused, {other} prove something else that is so, none anything that is not")
    blocks = json.loads(pathlib.Path(__file__).with_name("vectors.json").read_text())["receipts"]
    tried = sum(map(check_receipts, blocks))
    print(f"receipts of {len(blocks)} blocks: their openings hold, and {tried} changed ones do not")
    print(f"{time.monotonic() - begin:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
