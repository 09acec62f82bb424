-- The counters of keys. The row whose lookup is empty counts for all secrets of a key, since one that was rotated
-- many times has many. No trigger: a count is no change of a key.
CREATE TABLE usage (
  key_id TEXT NOT NULL,
  lookup TEXT NOT NULL,
  usage_count INTEGER NOT NULL CHECK (usage_count >= 0),
  denied_count INTEGER NOT NULL CHECK (denied_count >= 0),
  last_used_at INTEGER,
  PRIMARY KEY (key_id, lookup)
) STRICT, WITHOUT ROWID;
