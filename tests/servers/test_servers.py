from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from postgres import is_running

SCRIPT = Path(__file__).with_name("servers.py")


def psql(servers: Any, server: str, url: str) -> subprocess.CompletedProcess[str]:
    """Logs in through a URL, and asks whether the connection is encrypted."""
    asked = "select coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false)"
    command = [servers("programs", server) + "/psql", url, "--no-psqlrc", "--no-align", "--tuples-only", "--command", asked]
    return subprocess.run(command, capture_output=True, text=True)


def with_tls(servers: Any) -> str:
    """The version of a shared server that was built with TLS."""
    found = [it for it in servers("versions") if servers("state", it)["speaks_tls"]]
    assert found, "no PostgreSQL with TLS is installed (on Debian: the package postgresql)"
    return str(found[0])


def test_every_version_answers_on_its_socket_and_its_port(servers: Any) -> None:
    assert servers("versions")
    for version in servers("versions"):
        state = servers("state", version)
        assert servers("sql", version, statement="show server_version_num").startswith(version)
        assert psql(servers, version, state["url"]).stdout == "f\n"
        assert psql(servers, version, state["tcp_url"]).returncode == 0
        assert state["url"] == os.environ[f"KEYWRIGHT_TEST_POSTGRES_{version}"]


def test_a_killed_server_keeps_what_was_committed(servers: Any) -> None:
    server = servers("postgres")
    servers("sql", server["name"], statement="create table kept (id int); insert into kept values (7)")
    for how in ("kill", "immediate", "fast"):
        servers("stop", server["name"], how=how)
        assert servers("state", server["name"])["pid"] is None
        servers("start", server["name"])
        assert servers("sql", server["name"], statement="select id from kept") == "7"
    assert servers("state", server["name"])["url"] == server["url"]


def test_a_promoted_standby_may_lack_the_last_commit(servers: Any, until: Any) -> None:
    primary = servers("postgres")
    servers("sql", primary["name"], statement="create table counted (id int); insert into counted values (1)")
    standby = servers("standby", of=primary["name"])
    until(lambda: servers("sql", standby["name"], statement="select count(*) from counted") == "1")
    assert servers("sql", standby["name"], statement="select pg_is_in_recovery()") == "t"
    servers("sql", standby["name"], statement="alter system set primary_conninfo = ''")
    servers("sql", standby["name"], statement="select pg_reload_conf()")
    until(lambda: servers("sql", primary["name"], statement="select count(*) from pg_stat_replication") == "0")
    servers("sql", primary["name"], statement="insert into counted values (2)")
    servers("stop", primary["name"], how="kill")
    servers("promote", standby["name"])
    assert servers("sql", standby["name"], statement="select max(id) from counted") == "1"
    servers("sql", standby["name"], statement="insert into counted values (3)")


def test_certificates_are_checked(servers: Any) -> None:
    version = with_tls(servers)
    server = servers("postgres", version=version)
    authority = servers("certificates")
    full = f"{server['tcp_url']}?sslmode=verify-full&sslrootcert={authority}"
    assert psql(servers, version, f"{full}/ca.pem").stdout == "t\n"
    assert "certificate verify failed" in psql(servers, version, f"{full}/stranger.pem").stderr
    assert psql(servers, version, f"{server['tcp_url']}?sslmode=disable").stdout == "f\n"
    servers("certify", server["name"], certificate="other")
    # The server reads it a moment after the signal.
    servers("stop", server["name"])
    servers("start", server["name"])
    assert "db.example" in psql(servers, version, f"{full}/ca.pem").stderr
    assert psql(servers, version, f"{full}/ca.pem".replace("verify-full", "verify-ca")).stdout == "t\n"
    servers("stop", server["name"])
    servers("certify", server["name"], certificate="expired")
    servers("start", server["name"])
    assert "certificate verify failed" in psql(servers, version, f"{full}/ca.pem").stderr


@pytest.mark.parametrize(("role", "mode", "encrypted"), [("tls_only", "require", "t"), ("plain_only", "disable", "f")])
def test_a_role_may_need_tls_or_refuse_it(servers: Any, role: str, mode: str, encrypted: str) -> None:
    version = with_tls(servers)
    url = servers("state", version)["tcp_url"].replace("owner:", f"{role}:")
    assert psql(servers, version, f"{url}?sslmode={mode}").stdout == f"{encrypted}\n"
    opposite = {"require": "disable", "disable": "require"}[mode]
    assert "pg_hba.conf rejects connection" in psql(servers, version, f"{url}?sslmode={opposite}").stderr


def test_a_wrong_password_is_refused(servers: Any) -> None:
    version = servers("versions")[-1]
    url = servers("state", version)["tcp_url"].replace("a%20password", "another")
    assert "password authentication failed" in psql(servers, version, url).stderr


def test_the_pooler_gives_each_transaction_a_connection(servers: Any) -> None:
    version = servers("versions")[0]
    pooler = servers("pooler", to=version, settings={"default_pool_size": "1"})
    proxy = servers("proxy", to=pooler["name"])
    assert psql(servers, version, pooler["url"]).stdout == "f\n"
    assert psql(servers, version, proxy["url"]).stdout == "f\n"
    assert servers("state", proxy["name"])["trips"] == 1


def test_unknown_requests_say_what_there_is(servers: Any) -> None:
    with pytest.raises(RuntimeError, match="nothing is named 'x'"):
        servers("stop", "x")
    with pytest.raises(RuntimeError, match="takes no request 'cut'"):
        servers("cut", servers("versions")[0])


def parent(pid: int) -> str:
    """The id of a process's parent, if there is such a process."""
    return subprocess.run(["ps", "-o", "ppid=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()


def test_what_a_test_started_ends_with_its_connection(servers: Any, until: Any) -> None:
    from client import Servers

    with Servers() as own:
        pid = own("postgres")["pid"]
        assert is_running(pid)
    until(lambda: not is_running(pid))


@pytest.mark.parametrize("how", ["ends", "is killed", "is terminated"])
def test_servers_end_with_the_run(how: str, until: Any) -> None:
    asks = f"import sys; sys.path.insert(0, {str(SCRIPT.parent)!r}); from client import Servers; servers = Servers()\n"
    asks += "import json; print(json.dumps([servers('state', it) for it in servers('versions')]), flush=True); input(); sys.exit(7)"
    known = {name: value for name, value in os.environ.items() if not name.startswith("KEYWRIGHT_TEST_")}
    command = [sys.executable, str(SCRIPT), sys.executable, "-c", asks]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=known, text=True) as run:
        assert run.stdin is not None and run.stdout is not None
        states = json.loads(run.stdout.readline())
        assert states and all(is_running(it["pid"]) for it in states)
        match how:
            case "ends":
                run.stdin.write("\n")
                run.stdin.flush()
                assert run.wait() == 7
            case "is killed":
                run.kill()
                assert run.wait() == -signal.SIGKILL
            case _:
                # As `pkill` does it: the process that keeps the servers gets the signal first.
                os.kill(int(parent(states[0]["pid"])), signal.SIGTERM)
                run.terminate()
                assert run.wait() not in (0, 7)
    until(lambda: not any(is_running(it["pid"]) for it in states))
    until(lambda: not any(Path(it["socket"]).exists() for it in states))


def test_every_redis_answers_and_comes_back_empty(servers: Any, until: Any) -> None:
    assert servers("redis_versions"), "no Redis is installed"
    for version in servers("redis_versions"):
        server = servers("redis", version=version)
        assert servers("command", server["name"], words="SET kept 7") == "OK"
        servers("stop", server["name"])
        assert servers("state", server["name"])["pid"] is None
        servers("start", server["name"])
        assert servers("command", server["name"], words="GET kept") is None
    primary = servers("redis")
    replica = servers("redis", of=primary["name"])
    servers("command", primary["name"], words="SET kept 7")
    until(lambda: servers("command", replica["name"], words="GET kept") == "7")
    with pytest.raises(RuntimeError, match="READONLY"):
        servers("command", replica["name"], words="SET kept 8")


def test_a_cluster_of_redis_shares_the_slots(servers: Any) -> None:
    version = [it for it in servers("redis_versions") if it.startswith("redis-")][-1]
    cluster = servers("redis_cluster", version=version)
    assert cluster["url"].count("127.0.0.1") == 3
    servers("stop", cluster["name"])
