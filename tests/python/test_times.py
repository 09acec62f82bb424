"""Times while a tool of tests holds Python's clock, and times of other libraries."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from keywright import InvalidRequest, Keywright, ValidationFailed

# Each runs in a process of its own, since the engine looks for the class of times once.
FROZEN = {
    "frozen when first used": """
        with freezegun.freeze_time("2031-05-05 12:00:00"):
            kw.keys.create(name="a", expires_at=now() + HOUR)
    """,
    "frozen when imported": "",
    "read while frozen": """
        new = kw.keys.create(name="a")
        with freezegun.freeze_time("2031-05-05 12:00:00"):
            assert kw.keys.get(new.id).created_at.year < 2031
    """,
    "frozen between real times": """
        kw.keys.create(name="a", expires_at=now() + HOUR)
        with freezegun.freeze_time("2031-05-05 12:00:00"):
            new = kw.keys.create(name="a", expires_at=now() + HOUR)
            kw.keys.rotate(new.id, grace=HOUR)
            kw.audit.prune(dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc))
            assert kw.verify(new.api_key).allowed
            assert [it.name for it in kw.keys.list(idle_days=1)] == []
    """,
    "travelling": """
        with time_machine.travel("2031-05-05 12:00:00+00:00"):
            new = kw.keys.create(name="a", expires_at=now() + HOUR)
            assert kw.verify(new.api_key).allowed
    """,
    "frozen in asyncio": """
        async def main():
            async with keywright.AsyncKeywright(sys.argv[1], brand="liq", pepper="p" * 40) as kw:
                with freezegun.freeze_time("2031-05-05"):
                    new = await kw.keys.create(name="a", expires_at=now() + HOUR)
                    await kw.keys.update(new.id, expires_at=now() + HOUR)
                assert type((await kw.keys.get(new.id)).created_at) is dt.datetime

        asyncio.run(main())
    """,
}

HEAD = """
import asyncio, sys
import datetime as dt
import freezegun, time_machine

if sys.argv[2] == "frozen when imported":
    with freezegun.freeze_time("2031-05-05"):
        import keywright
else:
    import keywright
kw = keywright.Keywright(sys.argv[1], brand="liq", pepper="p" * 40)
HOUR = dt.timedelta(hours=1)


def now():
    return dt.datetime.now(dt.timezone.utc)
"""

TAIL = """
key = kw.keys.create(name="b", expires_at=now() + HOUR)
assert type(key.created_at) is dt.datetime
assert key.expires_at - now() <= HOUR
kw.close()
print("done")
"""


@pytest.mark.parametrize("name", FROZEN)
def test_a_frozen_clock_leaves_times_real(tmp_path: Path, name: str) -> None:
    program = HEAD + textwrap.dedent(FROZEN[name]) + TAIL
    command = [sys.executable, "-c", program, f"sqlite:{tmp_path / 'keys.db'}", name]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("done\n", "")


class Subclass(datetime):
    """A time of another library, such as pendulum's or pandas'."""


class NoTime(datetime):
    """The time of pandas that is none."""

    def utcoffset(self) -> Any:
        raise ValueError("NaTType does not support utcoffset")


def test_times_of_other_libraries(kw: Keywright) -> None:
    berlin = timezone(timedelta(hours=1))
    new = kw.keys.create(name="CI", expires_at=Subclass(2031, 1, 1, 1, tzinfo=berlin))
    assert new.expires_at == datetime(2031, 1, 1, tzinfo=timezone.utc)
    assert type(new.expires_at) is datetime
    with pytest.raises(ValidationFailed, match="offset"):
        kw.keys.create(name="CI", expires_at=NoTime(2031, 1, 1))
    with pytest.raises(InvalidRequest, match="date"):
        kw.keys.create(name="CI", expires_at=new.expires_at.date())  # type: ignore[arg-type]
