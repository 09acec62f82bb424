"""The client of a server beside the same request by httpx: `requests_of_client.py FIGURES PORT VERIFIER TEXT`."""

import asyncio
import sys
from pathlib import Path

import httpx
from timing import Subject, race

from keywright import AsyncClient, Client

# How many requests are timed at once.
CALLS = 50
TURNS = range(CALLS)


def main() -> None:
    out, place, verifier, text = Path(sys.argv[1]), f"http://127.0.0.1:{sys.argv[2]}", sys.argv[3], sys.argv[4]
    url, headers, body = f"{place}/verify", {"authorization": f"Bearer {verifier}"}, {"api_key": text}
    client, http = Client(place, api_key=verifier), httpx.Client()
    aclient, ahttp = AsyncClient(place, api_key=verifier), httpx.AsyncClient()
    loop = asyncio.new_event_loop()

    def ours(_item: None) -> bool:
        return all(client.verify(text) for _ in TURNS)

    def theirs(_item: None) -> bool:
        return all(http.post(url, json=body, headers=headers).json()["allowed"] for _ in TURNS)

    async def ours_awaited() -> bool:
        for _ in TURNS:
            if not await aclient.verify(text):
                return False
        return True

    async def theirs_awaited() -> bool:
        for _ in TURNS:
            if not (await ahttp.post(url, json=body, headers=headers)).json()["allowed"]:
                return False
        return True

    subjects = [
        Subject("`client.verify(text)`", ours, times=CALLS),
        Subject("the same request by httpx.Client", theirs, times=CALLS),
        Subject("`await client.verify(text)`", lambda _: loop.run_until_complete(ours_awaited()), times=CALLS),
        Subject("the same request by httpx.AsyncClient", lambda _: loop.run_until_complete(theirs_awaited()), times=CALLS),
    ]
    race(out, 5, subjects)
    client.close()
    http.close()
    loop.run_until_complete(aclient.close())
    loop.run_until_complete(ahttp.aclose())
    loop.close()


main()
