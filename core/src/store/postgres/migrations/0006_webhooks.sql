-- The endpoints that receive events. The trigger below queues for each of them, so that no event depends on the settings of the
-- program that makes a change. Secrets are not stored.
CREATE TABLE webhook_endpoints (
  -- Derived from the URL, of which the database keeps in `origin` what is no secret.
  id text COLLATE "C" PRIMARY KEY,
  origin text NOT NULL,
  -- The actions of audit entries that the endpoint hears of, separated by spaces.
  actions text NOT NULL,
  created_at timestamptz NOT NULL CHECK (created_at BETWEEN '1970-01-01 00:00Z' AND '9999-12-31 23:59:59.999Z'),
  -- Programs that deliver raise it. Without any, nothing is queued after it.
  kept_until timestamptz NOT NULL CHECK (kept_until BETWEEN '1970-01-01 00:00Z' AND '9999-12-31 23:59:59.999Z'),
  disabled_at timestamptz CHECK (disabled_at BETWEEN '1970-01-01 00:00Z' AND '9999-12-31 23:59:59.999Z'),
  reason text
);

-- The deliveries that are not done, one for each endpoint. No trigger: a delivery is no change of a key.
CREATE TABLE webhook_outbox (
  endpoint text COLLATE "C" NOT NULL,
  -- The number of the audit entry.
  seq bigint NOT NULL,
  message text NOT NULL,
  at timestamptz NOT NULL CHECK (at BETWEEN '1970-01-01 00:00Z' AND '9999-12-31 23:59:59.999Z'),
  org text COLLATE "C",
  actor text,
  action text NOT NULL,
  target text COLLATE "C",
  reason text,
  details json NOT NULL CHECK (json_typeof(details) = 'object'),
  attempts bigint NOT NULL DEFAULT 0,
  -- The time of the next attempt, and while a program makes one the end of its lease.
  next_at timestamptz NOT NULL DEFAULT '1970-01-01 00:00Z'
    CHECK (next_at BETWEEN '1970-01-01 00:00Z' AND '9999-12-31 23:59:59.999Z'),
  -- The body of the first attempt, if that failed.
  body text,
  failure text,
  -- Since when no further attempt is made.
  dead_at timestamptz CHECK (dead_at BETWEEN '1970-01-01 00:00Z' AND '9999-12-31 23:59:59.999Z'),
  PRIMARY KEY (endpoint, seq)
) WITH (fillfactor = 70);
CREATE INDEX webhook_outbox_due ON webhook_outbox (endpoint, next_at, seq) WHERE dead_at IS NULL;

-- It runs with the rights of the owner, so that every role that appends an entry queues its deliveries.
CREATE FUNCTION queue_deliveries() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO webhook_outbox (endpoint, seq, message, at, org, actor, action, target, reason, details)
  SELECT e.id, NEW.seq, 'msg_' || encode(substr(NEW.hash, 1, 16), 'hex'), NEW.at, NEW.org, NEW.actor, NEW.action, NEW.target,
    NEW.reason, NEW.details
  FROM webhook_endpoints e
  WHERE e.disabled_at IS NULL AND e.kept_until > NEW.at AND NEW.action = ANY (string_to_array(e.actions, ' '));
  RETURN NULL;
END $$;
CREATE TRIGGER audit_queued AFTER INSERT ON audit FOR EACH ROW EXECUTE FUNCTION queue_deliveries();
REVOKE EXECUTE ON FUNCTION queue_deliveries FROM PUBLIC;
