"""Rules judge the path that a router gets: paths.py SERVER APP starts the server with an application of apps.py and sends it requests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from free_port import free_port

from keywright import Keywright

HERE = Path(__file__).parent
PATIENCE = 300
HAPROXY = """
defaults
    mode http
    timeout connect 300s
    timeout client 300s
    timeout server 300s
frontend all
    bind 127.0.0.1:{front}
    default_backend app
backend app
    server app 127.0.0.1:{port}
"""


def command(server: str, app: str, port: int, mount: str) -> list[str]:
    """Returns the command for a server that mounts its application there."""
    name, at = "served:app", f"127.0.0.1:{port}"
    module = [sys.executable, "-m"]
    root = ["--root-path", mount] if mount else []
    return {
        "gunicorn": [*module, "gunicorn", "-b", at, name],
        "haproxy": [*module, "gunicorn", "-b", at, name],
        "waitress": [*module, "waitress", f"--listen={at}", *([f"--url-prefix={mount}"] if mount else []), name],
        "pyuwsgi": [str(Path(sys.executable).with_name("uwsgi")), "--http-socket", at, "--master", "--die-on-term", "--enable-threads"]
        + (["--mount", f"{mount}={name}", "--manage-script-name"] if mount else ["--module", name]),
        "uvicorn": [*module, "uvicorn", "--port", str(port), "--no-proxy-headers", *root, name],
        "hypercorn": [*module, "hypercorn", "-b", at, *root, name],
        "daphne": [*module, "daphne", "-b", "127.0.0.1", "-p", str(port), *root, name],
        "granian": [
            str(Path(sys.executable).with_name("granian")),
            "--interface",
            "wsgi" if "wsgi" in app or app == "flask" else "asgi",
            "--port",
            str(port),
            *(["--url-path-prefix", mount] if mount else []),
            name,
        ],
    }[server]


def asked(port: int, target: str, lines: dict[str, str]) -> tuple[int, str]:
    """Sends a target as it is written, which no client library does."""
    head = "".join(f"{name}: {value}\r\n" for name, value in {"Host": "api.example", "Connection": "close", **lines}.items())
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
        client.sendall(f"GET {target} HTTP/1.1\r\n{head}\r\n".encode())
        answer = b""
        while part := client.recv(65_536):
            answer += part
    head, _, body = answer.decode("latin-1").partition("\r\n\r\n")
    return int(head.split()[1]), body


class Site:
    """A server that runs."""

    def __init__(self, server: str, app: str, mount: str = "") -> None:
        self.folder = Path(tempfile.mkdtemp())
        url = f"sqlite:{self.folder}/keys.db"
        with Keywright(url, brand="acme", pepper="a pepper of 32 bytes for servers") as kw:
            self.keys = {scope: kw.keys.create(name="CI", scopes=scope).api_key for scope in ("deals:admin", "deals:list")}
        self.port = port = free_port()
        environ = {**os.environ, "APP": app, "DATABASE": url, "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])}
        if mount and server == "gunicorn":
            environ["SCRIPT_NAME"] = mount
        if mount and server == "daphne":
            environ["MOUNT"] = mount
        self.said = (self.folder / "said").open("wb")
        self.running = [self._start(command(server, app, port, mount), environ)]
        self._wait(port)
        if server == "haproxy":
            self.port = free_port()
            (self.folder / "haproxy.cfg").write_text(HAPROXY.format(front=self.port, port=port))
            self.running.append(
                self._start([shutil.which("haproxy") or "/usr/sbin/haproxy", "-f", str(self.folder / "haproxy.cfg")], environ)
            )
            self._wait(self.port)

    def _start(self, line: list[str], environ: dict[str, str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(line, cwd=self.folder, env=environ, stdout=self.said, stderr=subprocess.STDOUT)

    def _wait(self, port: int) -> None:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if time.monotonic() > end or any(it.poll() is not None for it in self.running):
                    said = (self.folder / "said").read_text()
                    self.close()
                    sys.exit(f"does not listen:\n{said}")
                time.sleep(0.1)

    def ask(self, target: str, scope: str | None = None, **lines: str) -> tuple[int, str]:
        named = {name.replace("__", "-"): value for name, value in lines.items()}
        return asked(self.port, target, named if scope is None else {**named, "Api-Key": self.keys[scope]})

    def close(self) -> None:
        for it in reversed(self.running):
            it.terminate()
        for it in self.running:
            it.wait(PATIENCE)
        shutil.rmtree(self.folder)


def plainly(site: Site, mount: str) -> list[str]:
    """Rules are those of the routes, wherever the server mounts them."""
    wrong = []
    for target, scope, expected in [
        ("/deals/7", None, (401, "")),
        ("/deals/7", "deals:list", (403, "")),
        ("/deals/7", "deals:admin", (200, "seen ")),
        ("/deals/%E2%82%AC", None, (401, "")),
        ("/deals/%E2%82%AC", "deals:admin", (200, "seen ")),
        ("/deals/public", None, (200, "seen ")),
        ("/static/a/b", None, (200, "seen ")),
        ("/static/a%20b", None, (200, "seen ")),
        ("/elsewhere", "deals:admin", (403, "")),
    ]:
        got = site.ask(mount + target, scope)
        # Frameworks with the guard behind the router answer first to a path without a route.
        if got[0] != expected[0] and not (target == "/elsewhere" and got[0] == 404):
            wrong.append(f"{mount}{target} with {scope}: {got[0]}, not {expected[0]}")
        elif expected[1] not in got[1]:
            wrong.append(f"{mount}{target} with {scope}: {got[1]!r}")
    return wrong


CLAIMS = ["SCRIPT_NAME", "Script__Name", "Daphne__Root__Path", "X__Forwarded__Prefix", "X__Script__Name", "PATH_INFO", "Path__Info"]
SPELLINGS = [
    "/static/../deals/7",
    "/static/%2e%2e/deals/7",
    "/static/..%2fdeals/7",
    "/static/..;/deals/7",
    "/static//../deals/7",
    "/static/x/../../deals/7",
    "//deals/7",
    "/deals//7",
    "/deals/./7",
    "/deals/7/",
    "/deals/7;x",
    "/deals%2F7",
    "/DEALS/7",
    "/de%61ls/7",
    "/deals/PUBLIC",
    "/deals/publi%63",
    "/deals/public/",
    "http://api.example/deals/7",
    "http://api.example/static/../deals/7",
]


def cunningly(site: Site) -> list[str]:
    """No spelling of a path brings a request without a key, or with too few rights, to a handler."""
    wrong = []
    claims = [("/static/deals/7", {name: value}) for name in CLAIMS for value in ("/static", "/static/", "/deals/7")]
    for target, lines in claims + [(it, {}) for it in SPELLINGS]:
        for scope in (None, "deals:list"):
            status, body = site.ask(target, scope, **lines)
            seen = body.partition("seen ")[2].partition("\r")[0]
            # A public file whose name only looks like a route is no route.
            if "seen " in body and seen != "/deals/public" and not (seen.startswith("/static/") and target.startswith("/static/")):
                wrong.append(f"{target} {lines} with {scope}: {status} {seen}")
    return wrong


def main(server: str, app: str) -> None:
    site = Site(server, app)
    try:
        wrong = plainly(site, "") + cunningly(site)
    finally:
        site.close()
    # A plain router that looks at the whole path has other routes there.
    if server != "haproxy" and app != "plain_asgi":
        site = Site(server, app, "/api")
        try:
            # uvicorn and waitress stand for a proxy that has cut the mount off.
            wrong += plainly(site, "" if server == "uvicorn" else "/api")
        finally:
            site.close()
    if wrong:
        sys.exit("\n".join(wrong))


main(*sys.argv[1:])
