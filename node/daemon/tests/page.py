"""Sees the live page work in a headless Chromium, over four validators that really run.

    python3 node/daemon/tests/page.py target/debug/crostata-node

Installs nothing: chromium must be there.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.insert(0, os.path.join(ROOT, "light", "test"))
sys.dont_write_bytecode = True

from browser import Browser  # noqa: E402: the path is set above

WAIT_SECONDS = 60


def until(browser, expression, what):
    """Waits until an expression in the page is true."""
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        if browser.evaluate(expression):
            return
        time.sleep(0.2)
    raise SystemExit(f"the page does not show {what}: {browser.evaluate('document.body.innerText')}")


def lines_of(network):
    """What a network says when it starts: kind, and what comes with it."""
    lines = []
    for line in network.stdout:
        lines.append(line.split())
        if lines[-1][0] == "ready":
            return lines
    raise SystemExit("the network has ended")


def look(program, network):
    lines = lines_of(network)
    page = next(line[1] for line in lines if line[0] == "page")
    url = next(line[1] for line in lines if line[0] == "validator")
    accounts = [line[1:] for line in lines if line[0] == "account"]
    with Browser() as browser:
        browser.open(page)
        until(browser, "document.querySelectorAll('#nodes tr').length === 4", "four nodes")
        until(browser, "Number(document.getElementById('height').textContent) > 1", "blocks")
        subprocess.run([program, "transfer", "--key", accounts[0][1], "--to", accounts[1][0], "--amount", "7",
                        "--url", url], check=True, timeout=WAIT_SECONDS, stdout=subprocess.DEVNULL)
        until(browser, "!!document.querySelector('#blocks button')", "the transfer")
        browser.evaluate("document.querySelector('#blocks button').click()")
        until(browser, "/success[^]*calls[^]*transfer/.test(document.getElementById('transaction').textContent)", "its calls")
        roots = browser.evaluate("[...document.querySelectorAll('#nodes code')].map(code => code.textContent)")
        if len(roots) != 4 or len(set(roots)) != 1 or len(roots[0]) != 64:
            raise SystemExit(f"the roots are not the same on all: {roots}")
        problem = browser.evaluate("document.getElementById('problem').textContent")
        if problem or browser.faults():
            raise SystemExit(f"the page found fault: {problem} {browser.faults()}")
        print(browser.evaluate("document.getElementById('transaction').textContent"))


def main():
    program = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as directory:
        network = subprocess.Popen([program, "local", "--directory", directory], stdout=subprocess.PIPE, text=True)
        try:
            look(program, network)
        finally:
            network.send_signal(signal.SIGINT)
            network.wait(WAIT_SECONDS)
    print("the live page works")


if __name__ == "__main__":
    main()
