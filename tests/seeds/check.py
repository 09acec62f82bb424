"""Walks the documents of four products line by line, beside the examples that replace them.

Each folder has the lines of one document, with a word before each (``lines.txt``), and what the words mean (``claims.py``). ``prose``
and ``heading`` promise nothing that could be tested, ``portal`` is a page of the product itself. ``curl`` lines are sent as they are
typed, ``json`` lines are what the last answer shows, printed as the document prints it. Any other word names a function that asks, and
tells what came back; after ``typed:`` for a line that stands in an example as it is.
"""

from __future__ import annotations

import importlib
import json
import re
import shlex
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from keywright import Keywright

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
PEPPER = "a pepper of the seeds, thirty-two bytes or more"
PATIENCE = 300
SILENT = ("prose", "heading", "portal")

# Placeholders of the documents for values that are new each time.
UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
TIME = r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z"


class Answer(NamedTuple):
    """The response of an example."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Site:
    """A running example, with an engine of our own on its database."""

    def __init__(self, port: int, url: str, **engine: Any) -> None:
        self.port = port
        self.kw = Keywright(url, pepper=PEPPER, **engine)
        self.texts: dict[str, str] = {}
        self.answer = Answer(0, {}, b"")

    def ask(self, method: str, target: str, body: str | None = None, **headers: str) -> Answer:
        """Sends a request; underscores in the names of headers stand for dashes."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request(method, target, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        lines = {name.lower(): value for name, value in response.getheaders()}
        answer = Answer(response.status, lines, response.read())
        connection.close()
        return answer

    def curl(self, command: str) -> str:
        """Sends the request of a document's command, with real keys in place of its examples."""
        for example, text in self.texts.items():
            command = command.replace(example, text)
        words = iter(shlex.split(command.replace("\\\n", " "))[1:])
        method, target, headers, body = "", "", {}, None
        for word in words:
            if word == "-X":
                method = next(words)
            elif word == "-H":
                name, _, value = next(words).partition(": ")
                headers[name] = value
            elif word == "-d":
                body = next(words)
            else:
                target = re.sub("^https://[^/]*", "", word)
        self.answer = self.ask(method or ("GET" if body is None else "POST"), target, body, **headers)
        return f"{method or 'GET'} {target}"


@contextmanager
def running(command: list[str], url: str, **engine: Any) -> Iterator[Site]:
    """Starts an example, which prints its port and ends with its input."""
    app = subprocess.Popen([*command[:2], url, PEPPER, *command[2:]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert app.stdin is not None
    assert app.stdout is not None
    word, _, port = app.stdout.readline().partition(" ")
    if word != "listening":
        raise SystemExit(f"{command} did not start")
    site = Site(int(port), url, **engine)
    try:
        yield site
    finally:
        site.kw.close()
        app.stdin.close()
        app.wait(PATIENCE)


def block(site: Site, lines: list[str], examples: dict[str, str]) -> list[str]:
    """Returns the answer line by line as the document prints it; a line that differs is an error."""
    shown = json.dumps(site.answer.json, indent=2).splitlines()
    for line, found in zip([*lines, *[""] * len(shown)], shown, strict=False):
        wanted = re.escape(line.strip())
        for example, pattern in examples.items():
            wanted = wanted.replace(re.escape(example), pattern)
        assert re.fullmatch(wanted, found.strip()), f"{found.strip()} and not {line.strip()}"
    assert len(shown) == len(lines), f"{len(shown)} lines and not {len(lines)}"
    return shown


def walk(seed: str) -> int:
    """Prints the table of one document, and counts what does not hold."""
    claims = importlib.import_module(f"{seed}.claims")
    listed = [it.split("\t", 1) for it in (HERE / seed / "lines.txt").read_text("utf-8").splitlines()]
    wrong, held, at = 0, 0, 0
    with tempfile.TemporaryDirectory() as folder, claims.started(f"sqlite:{folder}/keys.db") as site:
        while at < len(listed):
            word, text = listed[at]
            end = at + 1
            while word in ("curl", "json") and end < len(listed) and listed[end][0] == f"{word}…":
                end += 1
            lines = [it[1] for it in listed[at:end]]
            try:
                if word in SILENT:
                    told = [(word, "")]
                elif word == "curl":
                    told = [(site.curl("\n".join(lines)), str(site.answer.status))]
                    assert site.answer.status < 400, site.answer.body
                elif word == "json":
                    told = [("", it) for it in block(site, lines, claims.EXAMPLES)]
                else:
                    is_typed, claim = word.startswith("typed:"), word.removeprefix("typed:")
                    if is_typed:
                        site.typed(text)
                    told = [getattr(claims, claim)(site)]
                held += 0 if word in SILENT else len(lines)
            except (AssertionError, LookupError, OSError, ValueError) as error:
                told, wrong = [("WRONG", str(error))], wrong + 1
            for index, line in enumerate(lines):
                asked, came = told[min(index, len(told) - 1)]
                print(f"{seed} {at + index + 1:>3} | {line.strip()} | {asked} | {came}")
            at = end
    print(f"{seed}: {len(listed)} lines, {held} held, {wrong} wrong")
    return wrong


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    sys.exit(int(sum(walk(it) for it in sys.argv[1:]) > 0))
