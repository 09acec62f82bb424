"""Starts a proxy as the guide's page sets it up, and a service behind it that reports the request that reached it."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from textwrap import indent
from typing import Any

from free_port import free_port

PAGE = Path(__file__).parents[3] / "core" / "guide" / "forward.md"
GATEWAY, PROGRAM = os.environ["GATEWAY"], os.environ["PROGRAM"]

# A proxy that is left behind ends by itself.
LIFETIME_SECONDS = "900"
START_SECONDS = 300


class Api(BaseHTTPRequestHandler):
    """The service behind the proxy: its answer lists each header line that reached it, and the body."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        body = json.dumps({"lines": self.headers.items(), "body": self._body()}).encode()
        self.send_response(403 if self.path.endswith("refuse") else 200)
        self.send_header("content-length", str(len(body)))
        self.send_header("x-request-id", "of the service")
        self.end_headers()
        self.wfile.write(body)

    def _body(self) -> str:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
        read = b""
        while size := int(self.rfile.readline(), 16):
            read += self.rfile.read(size + 2)[:-2]
        self.rfile.readline()
        return read.decode()

    do_GET = do_POST = do_OPTIONS = answer  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Logs nothing."""


@contextmanager
def service() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def proxied(folder: Path, keywright: int, api: int) -> Iterator[int]:
    """The proxy, in front of the ports of Keywright and of the service."""
    port = free_port()
    folder.mkdir()
    command = [PROGRAM, *SET_UP[GATEWAY](folder, port, keywright, api)]
    environment = os.environ | {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    log = folder / "log"
    with log.open("w") as said:
        running = subprocess.Popen(["timeout", LIFETIME_SECONDS, *command], cwd=folder, env=environment, stdout=said, stderr=said)
        try:
            deadline = time.monotonic() + START_SECONDS
            while not answers(port):
                assert running.poll() is None and time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
            yield port
        finally:
            running.terminate()
            running.wait(60)
            sys.stderr.write(log.read_text())


def answers(port: int) -> bool:
    """Whether the proxy knows its routes: Traefik listens before it has read them, and answers 404."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", "/", headers={"Host": "api.example"})
        return connection.getresponse().status != 404
    except OSError:
        return False
    finally:
        connection.close()


def recipe(language: str, contains: str = "", **places: str) -> str:
    """The block of the page, with the addresses of this run in place of the page's."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    [text] = [block for block in blocks if contains in block]
    for printed, here in places.items():
        assert printed in text, f"the page's block does not name {printed}"
        text = text.replace(printed, here)
    return text


def nginx(folder: Path, port: int, keywright: int, api: int) -> list[str]:
    kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    (folder / "nginx.conf").write_text(f"""
        daemon off; pid {folder}/pid; error_log stderr error; worker_processes 1;
        events {{}}
        http {{
            access_log off;
            {" ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)}
            upstream keywright {{ server 127.0.0.1:{keywright}; }}
            upstream api {{ server 127.0.0.1:{api}; }}
            server {{ listen 127.0.0.1:{port}; {recipe("nginx")} }}
        }}""")
    return ["-c", f"{folder}/nginx.conf", "-p", str(folder)]


def caddy(folder: Path, port: int, keywright: int, api: int) -> list[str]:
    here = {"api.example": f"http://api.example:{port}", "keywright:8000": f"127.0.0.1:{keywright}", "api:8080": f"127.0.0.1:{api}"}
    (folder / "Caddyfile").write_text("{\n\tadmin off\n\tauto_https off\n\tdefault_bind 127.0.0.1\n}\n" + recipe("caddyfile", **here))
    return ["run", "--config", f"{folder}/Caddyfile", "--adapter", "caddyfile"]


def traefik(folder: Path, port: int, keywright: int, api: int) -> list[str]:
    here = {"keywright:8000": f"127.0.0.1:{keywright}", "api:8080": f"127.0.0.1:{api}"}
    (folder / "dynamic.yaml").write_text(recipe("yaml", "# traefik", **here))
    quiet = ["--global.checknewversion=false", "--global.sendanonymoususage=false"]
    return [*quiet, f"--entrypoints.web.address=127.0.0.1:{port}", f"--providers.file.filename={folder}/dynamic.yaml"]


def haproxy(folder: Path, port: int, keywright: int, api: int) -> list[str]:
    (folder / "keywright.lua").write_text(recipe("lua", **{"127.0.0.1:8000": f"127.0.0.1:{keywright}"}))
    here = {":80\n": f"127.0.0.1:{port}\n", "127.0.0.1:8080": f"127.0.0.1:{api}"}
    (folder / "haproxy.cfg").write_text(
        f"global\n    lua-load-per-thread {folder}/keywright.lua\n"
        "defaults\n    mode http\n    timeout client 300s\n    timeout server 300s\n    timeout connect 300s\n" + recipe("haproxy", **here)
    )
    return ["-db", "-f", f"{folder}/haproxy.cfg"]


def envoy(folder: Path, port: int, keywright: int, api: int) -> list[str]:
    manager = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    (folder / "envoy.yaml").write_text(f"""
static_resources:
  listeners:
    - address: {json.dumps(place(port))}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": {manager}
{indent(recipe("yaml", "# envoy"), " " * 16)}
  clusters:
    - {json.dumps(cluster("keywright", keywright))}
    - {json.dumps(cluster("api", api))}
""")
    return ["-c", f"{folder}/envoy.yaml", "--use-dynamic-base-id", "--concurrency", "1", "--log-level", "error"]


def place(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def cluster(name: str, port: int) -> dict[str, Any]:
    ends = [{"lb_endpoints": [{"endpoint": {"address": place(port)}}]}]
    return {"name": name, "type": "STATIC", "connect_timeout": "300s", "load_assignment": {"cluster_name": name, "endpoints": ends}}


SET_UP = {"nginx": nginx, "caddy": caddy, "traefik": traefik, "haproxy": haproxy, "envoy": envoy}
