"""Asks for a key with a quota until the input ends. A file keeps how often it was admitted, also when the program is killed."""

import json
import os
import sys
import time

from keywright import Keywright

order = json.loads(sys.argv[1])
counter = os.open(order["counter"], os.O_WRONLY)
os.set_blocking(sys.stdin.fileno(), False)
admitted = 0
with Keywright(
    order["url"],
    brand="check",
    pepper=os.environ["KEYWRIGHT_PEPPER"],
    quotas={"all": {"amount": order["amount"]}},
) as kw:
    print("ready", flush=True)
    # There is nothing to read, and no end.
    while sys.stdin.buffer.read(1) is None:
        for _ in range(order["burst"]):
            if kw.verify(order["text"]):
                admitted += 1
                os.pwrite(counter, admitted.to_bytes(8, "little"), 0)
        time.sleep(0.005)
