"""Promise P7: what is proven is accepted, and what is forged is refused, by the client and by the page.

    python3 test/processes.py FOLDER_OF_PROGRAMS PAGE

Starts the node, runs the client against it, and types the node's proofs into the page in a headless Chromium.
"""

import json
import pathlib
import subprocess
import sys
import urllib.error
import urllib.request

from browser import Browser

checks = 0


def check(condition, what):
    """Ends the run if something is not as promised."""
    global checks
    checks += 1
    if not condition:
        raise SystemExit(f"FAILED: {what}")
    print("  ok ", what, flush=True)


class Node:
    """The node's process, and what it printed when it started."""

    def __init__(self, program):
        self.process = subprocess.Popen([program], stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().split()[-1]
        self.process.stdout.readline()
        self.command = self.process.stdout.readline().split()

    def get(self, path, method="GET"):
        """Status and text of an answer."""
        request = urllib.request.Request(self.address + path, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def headers(self):
        fields = [line.split() for line in self.get("/headers")[1].splitlines()]
        return [dict(zip(("height", "id", "parent", "root", "tag"), header)) for header in fields]

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def client_follows(node, client):
    print("the client")
    told = node.command[node.command.index("--") + 1:]

    def run(*arguments):
        done = subprocess.run([client, *arguments], capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout + done.stderr

    code, says = run(*told)
    print(says)
    check(code == 0, "verifies a chain from its first block on")
    check("WRONG" not in says and says.count("refused: ") == 7, "refuses every forgery")
    before = told[-1]
    running = subprocess.Popen([client, *told], stdout=subprocess.DEVNULL)
    made = [node.get("/blocks", "POST") for _ in range(20)]
    check(running.wait(120) == 0, "verifies while further blocks are executed")
    status, header = made[-1]
    height, name = header.split()[:2]
    check(status == 200, "the node makes further blocks")
    agreed = f"{height}:{name}"
    code, says = run(told[0], "--trusted", before, "--agreed", agreed)
    check(code == 0 and "21 headers" in says, "goes on from the block where it ended")
    other = f"{height}:{'12' * 32}"
    code, says = run(told[0], "--trusted", before, "--agreed", other)
    check(code == 1 and "consensus agreed on" in says, "refuses a chain that consensus did not agree on")
    code, says = run(told[0], "--trusted", other, "--agreed", agreed)
    check(code == 1 and "not the trusted one" in says, "refuses a chain that does not begin where it trusts")
    code, says = run(told[0])
    check(code == 2 and "--trusted" in says, "says what it must be told")
    code, says = run("http://127.0.0.1:1", *told[1:])
    check(code == 1 and "does not answer" in says, "says so if there is no node")


def node_declines(node):
    print("the node")
    for path, method, status, word in [
        ("/nothing", "GET", 404, "GET / lists"),
        ("/headers", "POST", 405, "GET requests only"),
        ("/proof?block=1", "GET", 400, "contract=VALUE"),
        ("/headers?from=99999", "GET", 404, "newest one is block"),
    ]:
        found, says = node.get(path, method)
        check(found == status and word in says, f"{method} {path}: {status}, {says.strip()}")


def page_verifies(node, page, examples):
    with Browser() as browser:
        url = page.resolve().as_uri()
        print("the page,", url)
        browser.open(url)
        check(browser.requests() == [url], "loads nothing but itself")
        unlabelled = "[...document.querySelectorAll('input, select, textarea')].filter((field) => !field.labels.length).length"
        check(browser.evaluate(unlabelled) == 0, "every field has a label")
        for example in examples:
            examples_in_page(browser, example)
        typed(browser, node)
        fragment = "#" + "&".join(f"{name}={examples[0][name]}" for name in ("root", "contract", "ask", "proof"))
        browser.open(url + fragment)
        check(result(browser)[0] == "proven", "a link with everything in it is verified at once")
        check(browser.faults() == [], "nothing went wrong unseen")


def result(browser):
    """Class and text of what the page shows."""
    return browser.evaluate("[document.getElementById('result').className, document.getElementById('result').innerText]")


def examples_in_page(browser, example):
    title = json.dumps(example["title"])
    browser.evaluate(f"[...document.querySelectorAll('#examples button')].find((one) => one.textContent === {title}).click()")
    kind, text = result(browser)
    expected = "refused" if "forged" in example["title"].lower() else "proven"
    check(kind == expected, f"example {title}: {' / '.join(text.split(chr(10)))[:200]}")


def fill(browser, **fields):
    """Types into the form, as a person does, and presses the button."""
    for name, value in fields.items():
        browser.evaluate(
            f"(field => {{ field.value = {json.dumps(value)}; field.dispatchEvent(new Event('change')); }})"
            f"(document.getElementById({json.dumps(name)}))")
    browser.evaluate("document.querySelector('form button').click()")
    return result(browser)


def named(name):
    return name.encode().ljust(32, b"\0").hex()


TOKEN, COUNTER = named("light demo: token"), named("light demo: counter")

# Contract, question, and what of it the page must show.
QUESTIONS = [
    (TOKEN, ["value", "balances", named("alice")], "The value is {alice}."),
    (COUNTER, ["record"], "code hash"),
    (COUNTER, ["code", "0", "8"], "0061736d01000000"),
    (TOKEN, ["bytes", "65536", "64"], "64 bytes of the contract’s memory"),
]


def typed(browser, node):
    """Proofs fresh from the node, typed into the form: right ones, and all kinds of wrong ones."""
    newest = node.headers()[-1]
    height = int(newest["height"])
    # A block moves ten times its height.
    alice = str(1_000_000 - 5 * height * (height + 1))
    for contract, question, word in QUESTIONS:
        kind = question[0]
        asked = f"block={newest['height']}&contract={contract}&show={':'.join(question)}&as=hex"
        status, proof = node.get("/proof?" + asked)
        check(status == 200, f"the node proves {':'.join(question)}")
        parts = dict(zip(("kind", "first", "second"), question))
        good = dict(root=newest["root"], contract=contract, proof=proof, **parts)
        found, text = fill(browser, **good)
        check(found == "proven" and word.replace("{alice}", alice) in text, f"{kind}: {' / '.join(text.split(chr(10)))[:160]}")
        for way in ("older-block", "other-contract", "changed-bytes", "cut"):
            _, forged = node.get(f"/forged-proof?{asked}&how={way}")
            found, text = fill(browser, **{**good, "proof": forged})
            check(found == "refused" and forged != proof, f"forged ({way}): {' / '.join(text.split(chr(10)))[:160]}")
        other = newest["root"][:-1] + ("0" if newest["root"][-1] != "0" else "1")
        for wrong, field in [({"root": other}, "another root"), ({"contract": "00" * 32}, "another contract"),
                             ({"root": "12"}, "half a root"), ({"proof": "xyz"}, "no hex"), ({"proof": ""}, "no proof")]:
            found, text = fill(browser, **{**good, **wrong})
            check(found == "refused", f"{field}: {' / '.join(text.split(chr(10)))[:160]}")


def main(programs, page):
    programs, page = pathlib.Path(programs), pathlib.Path(page)
    node = Node(programs / "light-node")
    try:
        client_follows(node, programs / "light-client")
        node_declines(node)
        examples = json.loads((page.parent / "examples.json").read_text())
        page_verifies(node, page, examples)
    finally:
        node.stop()
    print(f"all {checks} checks passed")


main(*sys.argv[1:])
