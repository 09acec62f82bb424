"""LendIQ's snippets in Python, as its document has them, on an engine in place of the remote client."""

import sys

from keywright import Keywright

SCOPES = {
    "deals:read": "Read deal details, health scores, and recommendations",
    "deals:write": "Create deals, trigger re-evaluation",
    "documents:read": "List and download documents",
    "documents:write": "Upload and delete documents",
    "rulesets:read": "List and view rulesets",
    "rulesets:write": "Create, update, and delete rulesets",
    "keys:manage": "Create and revoke API keys",
    "webhooks:manage": "Configure webhook endpoints",
}

client = Keywright(
    sys.argv[1], pepper=sys.argv[2], key_format="liq_{env}_{lookup:12}_{secret:32}{checksum:6}", id_style="integer", scopes=SCOPES
)

# fmt: off
new_key = client.keys.create(
    name="Production Integration",
    scopes="deals:read,deals:write,documents:write",
    expires_in_days=365,
)

print(new_key.api_key)     # "liq_live_..." — only shown once
print(new_key.id)
print(new_key.expires_at)

# List all API keys
keys = client.keys.list()
for key in keys.data:
    print(key.id, key.name, key.prefix, key.last_used_at)

# Revoke a key
client.keys.revoke(456)
# fmt: on

client.close()
