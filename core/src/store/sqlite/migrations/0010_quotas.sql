-- What quotas have sold, by period. No trigger: a sale is no change of a key. A balance has one row, with the empty text as its
-- period.
CREATE TABLE quotas (
  per TEXT NOT NULL CHECK (per IN ('key', 'org')),
  owner TEXT NOT NULL,
  name TEXT NOT NULL,
  every TEXT NOT NULL CHECK (every IN ('', 'hour', 'day', 'week', 'month')),
  starts_at INTEGER NOT NULL,
  used INTEGER NOT NULL CHECK (used >= 0),
  credited INTEGER NOT NULL CHECK (credited >= 0),
  PRIMARY KEY (per, owner, name, every, starts_at)
) STRICT, WITHOUT ROWID;

-- JSON text of a list; NULL where a key has no quotas of its own.
ALTER TABLE keys ADD COLUMN quotas TEXT;

DROP TRIGGER keys_updated;
CREATE TRIGGER keys_updated AFTER UPDATE OF org, environment, name, scopes, level, networks, metadata, created_at, created_by, updated_at, expires_at,
  disabled_at, revoked_at, reason, tier, limits, parent, description, quotas
ON keys BEGIN
  UPDATE meta SET seq = seq + 1;
  UPDATE keys SET changed_seq = (SELECT seq FROM meta) WHERE id = NEW.id;
END;
