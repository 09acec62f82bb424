ALTER TABLE keys ADD COLUMN parent TEXT;
CREATE INDEX keys_of_parent ON keys (parent) WHERE parent IS NOT NULL;

-- Revoking a key revokes the keys that it has made and that depend on it, in the same statement, whichever program writes.
CREATE TRIGGER keys_orphaned AFTER UPDATE OF revoked_at ON keys
WHEN NEW.revoked_at IS NOT NULL AND OLD.revoked_at IS NULL BEGIN
  UPDATE keys SET revoked_at = NEW.revoked_at, updated_at = NEW.updated_at, reason = NEW.reason
  WHERE revoked_at IS NULL AND id IN (
    WITH RECURSIVE child (id) AS (
      SELECT id FROM keys WHERE parent = NEW.id UNION SELECT k.id FROM keys k JOIN child ON k.parent = child.id
    )
    SELECT id FROM child
  );
END;

DROP TRIGGER keys_updated;
CREATE TRIGGER keys_updated AFTER UPDATE OF org, environment, name, scopes, level, networks, metadata, created_at, created_by, updated_at, expires_at,
  disabled_at, revoked_at, reason, tier, limits, parent
ON keys BEGIN
  UPDATE meta SET seq = seq + 1;
  UPDATE keys SET changed_seq = (SELECT seq FROM meta) WHERE id = NEW.id;
END;
