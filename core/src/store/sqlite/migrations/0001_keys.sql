CREATE TABLE meta (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  schema INTEGER NOT NULL,
  oldest_reader INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  deleted_seq INTEGER NOT NULL,
  id_style TEXT NOT NULL CHECK (id_style IN ('uuid', 'integer')),
  filter_key BLOB NOT NULL CHECK (length(filter_key) = 32),
  cursor_key BLOB NOT NULL CHECK (length(cursor_key) = 32),
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE orgs (
  id TEXT PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 128),
  networks TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  disabled_at INTEGER,
  reason TEXT,
  changed_seq INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX orgs_newest ON orgs (created_at, id);
CREATE INDEX orgs_changed ON orgs (changed_seq);

CREATE TABLE keys (
  id TEXT PRIMARY KEY,
  org TEXT NOT NULL REFERENCES orgs (id),
  environment TEXT NOT NULL,
  name TEXT NOT NULL,
  scopes TEXT NOT NULL,
  level TEXT CHECK (level IN ('read', 'read_write', 'full')),
  networks TEXT,
  metadata TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  created_by TEXT,
  updated_at INTEGER NOT NULL,
  expires_at INTEGER,
  disabled_at INTEGER,
  revoked_at INTEGER,
  reason TEXT,
  changed_seq INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX keys_newest ON keys (created_at, id);
CREATE INDEX keys_newest_of_org ON keys (org, created_at, id);
CREATE INDEX keys_changed ON keys (changed_seq);

CREATE TABLE secrets (
  lookup TEXT PRIMARY KEY,
  key_id TEXT NOT NULL REFERENCES keys (id),
  prefix TEXT NOT NULL,
  format TEXT NOT NULL,
  verifier TEXT NOT NULL,
  filter BLOB,
  created_at INTEGER NOT NULL,
  grace_ends_at INTEGER,
  changed_seq INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX secrets_of_key ON secrets (key_id, grace_ends_at, created_at, prefix);
CREATE INDEX secrets_tag ON secrets (substr(verifier, 1, 35));
CREATE INDEX secrets_changed ON secrets (changed_seq);

CREATE TABLE audit (
  seq INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  org TEXT,
  actor TEXT,
  action TEXT NOT NULL,
  target TEXT,
  reason TEXT,
  details TEXT NOT NULL,
  pepper TEXT,
  hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE INDEX audit_of_org ON audit (org, seq);
CREATE INDEX audit_of_target ON audit (target, seq);

-- A row is stamped with the sequence of its last change, whoever made it. The stamp itself is no change: it is the
-- one update that sets changed_seq alone, and to the sequence just raised.

CREATE TRIGGER orgs_inserted AFTER INSERT ON orgs BEGIN
  UPDATE meta SET seq = seq + 1;
  UPDATE orgs SET changed_seq = (SELECT seq FROM meta) WHERE id = NEW.id;
END;
CREATE TRIGGER orgs_updated AFTER UPDATE OF networks, created_at, updated_at, disabled_at, reason
ON orgs BEGIN
  UPDATE meta SET seq = seq + 1;
  UPDATE orgs SET changed_seq = (SELECT seq FROM meta) WHERE id = NEW.id;
END;
CREATE TRIGGER orgs_stamped AFTER UPDATE OF changed_seq ON orgs
WHEN NEW.changed_seq IS NOT (SELECT seq FROM meta) BEGIN
  UPDATE meta SET seq = seq + 1;
  UPDATE orgs SET changed_seq = (SELECT seq FROM meta) WHERE id = NEW.id;
END;
CREATE TRIGGER orgs_deleted AFTER DELETE ON orgs BEGIN
  UPDATE meta SET seq = seq + 1, deleted_seq = seq + 1;
END;

CREATE TRIGGER keys_inserted AFTER INSERT ON keys BEGIN
  UPDATE meta SET seq = seq + 1;
  UPDATE keys SET changed_seq = (SELECT seq FROM meta) WHERE id = NEW.id;
END;
CREATE TRIGGER keys_updated AFTER UPDATE OF org, environment, name, scopes, level, networks, metadata, created_at, created_by, updated_at, expires_at,
  disabled_at, revoked_at, reason
ON keys BEGIN
  UPDATE meta SET seq = seq + 1;
  UPDATE keys SET changed_seq = (SELECT seq FROM meta) WHERE id = NEW.id;
END;
CREATE TRIGGER keys_stamped AFTER UPDATE OF changed_seq ON keys
WHEN NEW.changed_seq IS NOT (SELECT seq FROM meta) BEGIN
  UPDATE meta SET seq = seq + 1;
  UPDATE keys SET changed_seq = (SELECT seq FROM meta) WHERE id = NEW.id;
END;
CREATE TRIGGER keys_deleted AFTER DELETE ON keys BEGIN
  UPDATE meta SET seq = seq + 1, deleted_seq = seq + 1;
END;

CREATE TRIGGER secrets_inserted AFTER INSERT ON secrets BEGIN
  UPDATE meta SET seq = seq + 1;
  UPDATE secrets SET changed_seq = (SELECT seq FROM meta) WHERE lookup = NEW.lookup;
END;
CREATE TRIGGER secrets_updated AFTER UPDATE OF prefix, format, verifier, filter, created_at, grace_ends_at
ON secrets BEGIN
  UPDATE meta SET seq = seq + 1;
  UPDATE secrets SET changed_seq = (SELECT seq FROM meta) WHERE lookup = NEW.lookup;
END;
CREATE TRIGGER secrets_stamped AFTER UPDATE OF changed_seq ON secrets
WHEN NEW.changed_seq IS NOT (SELECT seq FROM meta) BEGIN
  UPDATE meta SET seq = seq + 1;
  UPDATE secrets SET changed_seq = (SELECT seq FROM meta) WHERE lookup = NEW.lookup;
END;
CREATE TRIGGER secrets_deleted AFTER DELETE ON secrets BEGIN
  UPDATE meta SET seq = seq + 1, deleted_seq = seq + 1;
END;

-- The identity of a row never changes, and a revocation is final, whichever program writes.

CREATE TRIGGER orgs_fixed BEFORE UPDATE OF id ON orgs WHEN NEW.id IS NOT OLD.id BEGIN
  SELECT RAISE(ABORT, 'the id of an org never changes');
END;
CREATE TRIGGER keys_fixed BEFORE UPDATE OF id ON keys WHEN NEW.id IS NOT OLD.id BEGIN
  SELECT RAISE(ABORT, 'the id of a key never changes');
END;
CREATE TRIGGER secrets_fixed BEFORE UPDATE OF lookup, key_id ON secrets
WHEN NEW.lookup IS NOT OLD.lookup OR NEW.key_id IS NOT OLD.key_id BEGIN
  SELECT RAISE(ABORT, 'a secret never changes its lookup or key');
END;
CREATE TRIGGER keys_revoked BEFORE UPDATE OF revoked_at ON keys
WHEN OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS NOT OLD.revoked_at BEGIN
  SELECT RAISE(ABORT, 'a revocation is final');
END;
CREATE TRIGGER keys_not_replaced BEFORE INSERT ON keys
WHEN EXISTS (SELECT 1 FROM keys WHERE id = NEW.id AND revoked_at IS NOT NULL) BEGIN
  SELECT RAISE(ABORT, 'a revocation is final');
END;
CREATE TRIGGER keys_kept BEFORE DELETE ON keys WHEN OLD.revoked_at IS NOT NULL BEGIN
  SELECT RAISE(ABORT, 'a revocation is final');
END;
