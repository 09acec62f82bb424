"""The Python side of the demo: carries out one line of JSON after another on the database it is given."""

import json
import os
import sys

from keywright import Keywright

with Keywright(sys.argv[1], brand="demo", pepper=os.environ["KEYWRIGHT_PEPPER"]) as kw:
    for line in sys.stdin:
        order = json.loads(line)
        match order["do"]:
            case "create":
                answer = kw.keys.create(name=order["name"], scopes="deals:read").reveal()
            case "rotate":
                answer = kw.keys.rotate(order["id"], grace="1h").reveal()
            case "revoke":
                answer = kw.keys.revoke(order["id"]).to_dict()
            case _:
                answer = kw.verify(order["text"], scopes="deals:read").to_dict()
        print(json.dumps(answer), flush=True)
