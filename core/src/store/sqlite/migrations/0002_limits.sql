ALTER TABLE keys ADD COLUMN tier TEXT;
-- JSON text of a list; NULL where a key has no limits of its own.
ALTER TABLE keys ADD COLUMN limits TEXT;

DROP TRIGGER keys_updated;
CREATE TRIGGER keys_updated AFTER UPDATE OF org, environment, name, scopes, level, networks, metadata, created_at, created_by, updated_at, expires_at,
  disabled_at, revoked_at, reason, tier, limits
ON keys BEGIN
  UPDATE meta SET seq = seq + 1;
  UPDATE keys SET changed_seq = (SELECT seq FROM meta) WHERE id = NEW.id;
END;
