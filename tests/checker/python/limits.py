"""Counts how many requests a limit admits in this process, while others ask at the same time."""

import json
import os
import sys
import time

from keywright import Keywright

order = json.loads(sys.argv[1])
kw = Keywright(
    order["url"],
    brand="check",
    pepper=os.environ["KEYWRIGHT_PEPPER"],
    limits={"all": {"rate": order["rate"], "burst": order["burst"], "when_unreachable": "refuse"}},
    limiter=order["limiter"],
)
print("ready", flush=True)
span, pause = int(sys.stdin.readline()), order["pause"] / 1e9
first = time.monotonic_ns()
admitted = refused = 0
while time.monotonic_ns() - first < span or not (pause or refused):
    decision = kw.verify(order["text"])
    admitted += decision.allowed
    refused += decision.code == "rate_limited"
    if pause:
        time.sleep(pause)
print(json.dumps({"first": first, "last": time.monotonic_ns(), "admitted": admitted, "refused": refused}), flush=True)
kw.close()
