-- Free text about a key; NULL where there is none.
ALTER TABLE keys ADD COLUMN description TEXT;

DROP TRIGGER keys_updated;
CREATE TRIGGER keys_updated AFTER UPDATE OF org, environment, name, scopes, level, networks, metadata, created_at, created_by, updated_at, expires_at,
  disabled_at, revoked_at, reason, tier, limits, parent, description
ON keys BEGIN
  UPDATE meta SET seq = seq + 1;
  UPDATE keys SET changed_seq = (SELECT seq FROM meta) WHERE id = NEW.id;
END;
