"""The snippets of LendIQ's documentation, as typed there."""

CREATE = """
new_key = client.keys.create(
    name="Production Integration",
    scopes="deals:read,deals:write,documents:write",
    expires_in_days=365,
)

print(new_key.api_key)     # "liq_live_..." — only shown once
print(new_key.id)
print(new_key.expires_at)
"""
LIST = """
# List all API keys
keys = client.keys.list()
for key in keys.data:
    print(key.id, key.name, key.prefix, key.last_used_at)
"""
REVOKE = """
# Revoke a key
client.keys.revoke(456)
"""
