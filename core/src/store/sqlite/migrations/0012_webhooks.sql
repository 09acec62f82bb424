-- The endpoints that receive events. The trigger below queues for each of them, so that no event depends on the settings of the
-- program that makes a change. Secrets are not stored.
CREATE TABLE webhook_endpoints (
  -- Derived from the URL, of which the database keeps in `origin` what is no secret.
  id TEXT PRIMARY KEY,
  origin TEXT NOT NULL,
  -- The actions of audit entries that the endpoint hears of, separated by spaces.
  actions TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  -- Programs that deliver raise it. Without any, nothing is queued after it.
  kept_until INTEGER NOT NULL,
  disabled_at INTEGER,
  reason TEXT
) STRICT, WITHOUT ROWID;

-- The deliveries that are not done, one for each endpoint. No trigger: a delivery is no change of a key.
CREATE TABLE webhook_outbox (
  endpoint TEXT NOT NULL,
  -- The number of the audit entry.
  seq INTEGER NOT NULL,
  message TEXT NOT NULL,
  at INTEGER NOT NULL,
  org TEXT,
  actor TEXT,
  action TEXT NOT NULL,
  target TEXT,
  reason TEXT,
  details TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  -- The time of the next attempt, and while a program makes one the end of its lease.
  next_at INTEGER NOT NULL DEFAULT 0,
  -- The body of the first attempt, if that failed.
  body TEXT,
  failure TEXT,
  -- Since when no further attempt is made.
  dead_at INTEGER,
  PRIMARY KEY (endpoint, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_outbox_due ON webhook_outbox (endpoint, next_at, seq) WHERE dead_at IS NULL;

CREATE TRIGGER audit_queued AFTER INSERT ON audit WHEN EXISTS (SELECT 1 FROM webhook_endpoints) BEGIN
  INSERT INTO webhook_outbox (endpoint, seq, message, at, org, actor, action, target, reason, details)
  SELECT e.id, NEW.seq, 'msg_' || lower(hex(substr(NEW.hash, 1, 16))), NEW.at, NEW.org, NEW.actor, NEW.action, NEW.target, NEW.reason,
    NEW.details
  FROM webhook_endpoints e
  WHERE e.disabled_at IS NULL AND e.kept_until > NEW.at AND instr(' ' || e.actions || ' ', ' ' || NEW.action || ' ') > 0;
END;
