-- Requests with an idempotency key, and their outcomes. Neither the key nor who sent it stands here, but digests of them. No
-- trigger: it is no change of a key. A row says one of three things: who runs the request, what was changed, or what the
-- host answered, whose body is NULL where it was too long.
CREATE TABLE idempotency (
  org TEXT NOT NULL,
  name BLOB NOT NULL CHECK (length(name) = 32),
  request BLOB NOT NULL CHECK (length(request) = 32),
  expires_at INTEGER NOT NULL,
  token BLOB CHECK (length(token) = 16),
  changed TEXT,
  status INTEGER,
  headers TEXT,
  body BLOB,
  PRIMARY KEY (org, name),
  CHECK ((token IS NOT NULL) + (changed IS NOT NULL) + (status IS NOT NULL) = 1)
) STRICT;
CREATE INDEX idempotency_expiring ON idempotency (expires_at);
