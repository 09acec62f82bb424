-- The search path names the schema while this runs, and each function keeps it. Functions that write run with the rights of
-- the owner, so that the role of an application needs none on the sequence of changes. Therefore nobody else may call them: a
-- role that puts one on a table of its own would have its code run as the owner.

CREATE TABLE meta (
  one integer PRIMARY KEY CHECK (one = 1),
  schema bigint NOT NULL,
  oldest_reader bigint NOT NULL,
  -- Raised by each statement that changes keys, secrets or orgs. Its row is locked until the commit, so that the order of
  -- the sequence is the order of the commits.
  seq bigint NOT NULL,
  deleted_seq bigint NOT NULL,
  id_style text NOT NULL CHECK (id_style IN ('uuid', 'integer')),
  filter_key bytea NOT NULL CHECK (octet_length(filter_key) = 32),
  cursor_key bytea NOT NULL CHECK (octet_length(cursor_key) = 32),
  created_at timestamptz NOT NULL,
  -- The last day, counted from 1970, on which some process looked for keys that expire or lie idle.
  looked_on bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 10);

-- Checks refuse values that no release reads, such as the time `infinity`: one such row would make a list unavailable.

CREATE TABLE orgs (
  id text COLLATE "C" PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 128),
  networks text[],
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  disabled_at timestamptz,
  reason text,
  changed_seq bigint NOT NULL DEFAULT 0,
  CHECK (least(created_at, updated_at, disabled_at) >= '1970-01-01 00:00Z'),
  CHECK (greatest(created_at, updated_at, disabled_at) <= '9999-12-31 23:59:59.999Z'),
  CHECK (coalesce(array_ndims(networks), 1) = 1 AND coalesce(array_lower(networks, 1), 1) = 1 AND array_position(networks, NULL) IS NULL)
);
CREATE INDEX orgs_newest ON orgs (created_at, id);
CREATE INDEX orgs_changed ON orgs (changed_seq);

CREATE TABLE keys (
  id text COLLATE "C" PRIMARY KEY,
  org text COLLATE "C" NOT NULL REFERENCES orgs (id),
  environment text NOT NULL,
  name text NOT NULL,
  description text,
  scopes text[] NOT NULL,
  level text CHECK (level IN ('read', 'read_write', 'full')),
  tier text,
  -- A list; NULL where a key has no limits of its own.
  limits jsonb,
  networks text[],
  metadata jsonb NOT NULL,
  created_at timestamptz NOT NULL,
  created_by text,
  updated_at timestamptz NOT NULL,
  expires_at timestamptz,
  disabled_at timestamptz,
  revoked_at timestamptz,
  reason text,
  parent text COLLATE "C",
  changed_seq bigint NOT NULL DEFAULT 0,
  CHECK (least(created_at, updated_at, expires_at, disabled_at, revoked_at) >= '1970-01-01 00:00Z'),
  CHECK (greatest(created_at, updated_at, expires_at, disabled_at, revoked_at) <= '9999-12-31 23:59:59.999Z'),
  CHECK (coalesce(array_ndims(scopes), 1) = 1 AND coalesce(array_lower(scopes, 1), 1) = 1 AND array_position(scopes, NULL) IS NULL),
  CHECK (coalesce(array_ndims(networks), 1) = 1 AND coalesce(array_lower(networks, 1), 1) = 1 AND array_position(networks, NULL) IS NULL),
  CHECK (jsonb_typeof(limits) = 'array'),
  CHECK (jsonb_typeof(metadata) = 'object')
);
CREATE INDEX keys_newest ON keys (created_at, id);
CREATE INDEX keys_newest_of_org ON keys (org, created_at, id);
CREATE INDEX keys_of_parent ON keys (parent) WHERE parent IS NOT NULL;
CREATE INDEX keys_changed ON keys (changed_seq);

CREATE TABLE secrets (
  lookup text COLLATE "C" PRIMARY KEY,
  key_id text COLLATE "C" NOT NULL REFERENCES keys (id),
  prefix text COLLATE "C" NOT NULL,
  format text NOT NULL,
  verifier text COLLATE "C" NOT NULL,
  filter bytea,
  created_at timestamptz NOT NULL,
  -- The start of 1970 says that the grace is over whatever the clock shows.
  grace_ends_at timestamptz,
  changed_seq bigint NOT NULL DEFAULT 0,
  CHECK (least(created_at, grace_ends_at) >= '1970-01-01 00:00Z'),
  CHECK (greatest(created_at, grace_ends_at) <= '9999-12-31 23:59:59.999Z')
);
CREATE INDEX secrets_of_key ON secrets (key_id);
CREATE INDEX secrets_tag ON secrets (left(verifier, 35));
CREATE INDEX secrets_changed ON secrets (changed_seq);

CREATE TABLE audit (
  seq bigint PRIMARY KEY CHECK (seq > 0),
  at timestamptz NOT NULL CHECK (at BETWEEN '1970-01-01 00:00Z' AND '9999-12-31 23:59:59.999Z'),
  org text COLLATE "C",
  actor text,
  action text NOT NULL,
  target text COLLATE "C",
  reason text,
  -- The type json keeps the text as it is, and the hash is over the text.
  details json NOT NULL CHECK (json_typeof(details) = 'object'),
  pepper text,
  hash bytea NOT NULL CHECK (octet_length(hash) = 32)
);
CREATE INDEX audit_of_org ON audit (org, seq);
CREATE INDEX audit_of_target ON audit (target, seq);
CREATE INDEX audit_of_agent ON audit ((details ->> 'agent'), seq) WHERE details ->> 'agent' IS NOT NULL;
CREATE INDEX audit_at ON audit USING brin (at);

-- The counters of keys. The row whose lookup is empty counts for all secrets of a key. No trigger: a count is no change of
-- a key.
CREATE TABLE usage (
  key_id text COLLATE "C" NOT NULL,
  lookup text COLLATE "C" NOT NULL,
  usage_count bigint NOT NULL CHECK (usage_count >= 0),
  denied_count bigint NOT NULL CHECK (denied_count >= 0),
  last_used_at timestamptz CHECK (last_used_at BETWEEN '1970-01-01 00:00Z' AND '9999-12-31 23:59:59.999Z'),
  PRIMARY KEY (key_id, lookup)
) WITH (fillfactor = 70);

-- The counters of the agents of keys. The row whose agent is empty counts for all beyond the first thousand of a key.
CREATE TABLE agents (
  key_id text COLLATE "C" NOT NULL,
  agent text COLLATE "C" NOT NULL CHECK (length(agent) <= 128),
  usage_count bigint NOT NULL CHECK (usage_count >= 0),
  denied_count bigint NOT NULL CHECK (denied_count >= 0),
  last_used_at timestamptz CHECK (last_used_at BETWEEN '1970-01-01 00:00Z' AND '9999-12-31 23:59:59.999Z'),
  PRIMARY KEY (key_id, agent)
) WITH (fillfactor = 70);

-- Requests with an idempotency key, and their outcomes. Neither the key nor who sent it stands here, but digests of them. A
-- row says one of three things: who runs the request, what was changed, or what the host answered, whose body is NULL where
-- it was too long.
CREATE TABLE idempotency (
  org text COLLATE "C" NOT NULL,
  name bytea NOT NULL CHECK (octet_length(name) = 32),
  request bytea NOT NULL CHECK (octet_length(request) = 32),
  caller bytea NOT NULL CHECK (octet_length(caller) = 32),
  expires_at timestamptz NOT NULL,
  token bytea CHECK (octet_length(token) = 16),
  changed text,
  status bigint,
  headers text,
  body bytea,
  PRIMARY KEY (org, name),
  CHECK (num_nonnulls(token, changed, status) = 1)
);
CREATE INDEX idempotency_expiring ON idempotency (expires_at);
CREATE INDEX idempotency_of_caller ON idempotency (org, caller, expires_at);

-- How many rows each caller has, and how many bytes their answers take. Triggers count, so that it holds whichever program
-- writes. A caller without rows has none here.
CREATE TABLE idempotency_callers (
  org text COLLATE "C" NOT NULL,
  caller bytea NOT NULL,
  kept bigint NOT NULL,
  bytes bigint NOT NULL,
  PRIMARY KEY (org, caller)
) WITH (fillfactor = 70);

-- A row is stamped with the sequence of its last change, whoever made it. A statement raises the sequence once, before it
-- locks a row. After it, a notification tells the sequence and the ids, or that they are too many.

CREATE FUNCTION raise_seq() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    UPDATE meta SET seq = seq + 1, deleted_seq = seq + 1;
  ELSE
    UPDATE meta SET seq = seq + 1;
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION notify_change(ids_of_keys text[], ids_of_orgs text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  now_at bigint := (SELECT seq FROM meta);
  payload text;
BEGIN
  IF ids_of_keys IS NULL OR cardinality(ids_of_keys) + cardinality(ids_of_orgs) > 100 THEN
    payload := json_build_object('seq', now_at, 'all', true);
  ELSE
    payload := json_build_object('seq', now_at, 'keys', ids_of_keys, 'orgs', ids_of_orgs);
    IF octet_length(payload) > 7900 THEN
      payload := json_build_object('seq', now_at, 'all', true);
    END IF;
  END IF;
  PERFORM pg_notify('keywright:' || current_schema(), payload);
END $$;

CREATE FUNCTION changed_keys() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  PERFORM notify_change(ARRAY(SELECT id FROM changed LIMIT 101), '{}');
  IF TG_OP = 'UPDATE' THEN
    -- Revoking a key revokes the keys that it has made and that depend on it, whichever program writes.
    IF EXISTS (
      SELECT 1 FROM changed c JOIN former f ON f.id = c.id JOIN keys k ON k.parent = c.id
      WHERE c.revoked_at IS NOT NULL AND f.revoked_at IS NULL AND k.revoked_at IS NULL
    ) THEN
      UPDATE keys k SET revoked_at = c.revoked_at, updated_at = c.updated_at, reason = c.reason
      FROM changed c JOIN former f ON f.id = c.id
      WHERE k.parent = c.id AND k.revoked_at IS NULL AND c.revoked_at IS NOT NULL AND f.revoked_at IS NULL;
    END IF;
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION changed_secrets() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  PERFORM notify_change(ARRAY(SELECT DISTINCT key_id FROM (SELECT key_id FROM changed LIMIT 101) c), '{}');
  RETURN NULL;
END $$;

CREATE FUNCTION changed_orgs() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  PERFORM notify_change('{}', ARRAY(SELECT id FROM changed LIMIT 101));
  RETURN NULL;
END $$;

CREATE FUNCTION deleted_rows() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  PERFORM notify_change(NULL, NULL);
  RETURN NULL;
END $$;

-- The identity of a row never changes, and the end of a right is final, whichever program writes.

CREATE FUNCTION stamp_org() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND NEW.id IS DISTINCT FROM OLD.id THEN
    RAISE EXCEPTION 'the id of an org never changes' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  NEW.changed_seq := (SELECT seq FROM meta);
  RETURN NEW;
END $$;

CREATE FUNCTION stamp_key() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF NEW.id IS DISTINCT FROM OLD.id THEN
      RAISE EXCEPTION 'the id of a key never changes' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at THEN
      RAISE EXCEPTION 'a revocation is final' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
  END IF;
  NEW.changed_seq := (SELECT seq FROM meta);
  RETURN NEW;
END $$;

CREATE FUNCTION stamp_secret() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF NEW.lookup IS DISTINCT FROM OLD.lookup OR NEW.key_id IS DISTINCT FROM OLD.key_id THEN
      RAISE EXCEPTION 'a secret never changes its lookup or key' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF OLD.grace_ends_at IS NOT NULL AND (NEW.grace_ends_at IS NULL OR NEW.grace_ends_at > OLD.grace_ends_at) THEN
      RAISE EXCEPTION 'a grace never gets longer' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
  END IF;
  NEW.changed_seq := (SELECT seq FROM meta);
  RETURN NEW;
END $$;

CREATE FUNCTION keep_key() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF OLD.revoked_at IS NOT NULL THEN
    RAISE EXCEPTION 'a revocation is final' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN OLD;
END $$;

CREATE FUNCTION keep_secret() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF OLD.grace_ends_at = to_timestamp(0) THEN
    RAISE EXCEPTION 'the end of a grace is final' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN OLD;
END $$;

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  RAISE EXCEPTION 'the rows of % are not changed in this way', TG_TABLE_NAME
    USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER orgs_sequenced BEFORE INSERT OR UPDATE OR DELETE ON orgs EXECUTE FUNCTION raise_seq();
CREATE TRIGGER orgs_stamped BEFORE INSERT OR UPDATE ON orgs FOR EACH ROW EXECUTE FUNCTION stamp_org();
CREATE TRIGGER orgs_inserted AFTER INSERT ON orgs REFERENCING NEW TABLE AS changed EXECUTE FUNCTION changed_orgs();
CREATE TRIGGER orgs_updated AFTER UPDATE ON orgs REFERENCING NEW TABLE AS changed EXECUTE FUNCTION changed_orgs();
CREATE TRIGGER orgs_deleted AFTER DELETE ON orgs EXECUTE FUNCTION deleted_rows();
CREATE TRIGGER orgs_not_truncated BEFORE TRUNCATE ON orgs EXECUTE FUNCTION refuse_change();

CREATE TRIGGER keys_sequenced BEFORE INSERT OR UPDATE OR DELETE ON keys EXECUTE FUNCTION raise_seq();
CREATE TRIGGER keys_stamped BEFORE INSERT OR UPDATE ON keys FOR EACH ROW EXECUTE FUNCTION stamp_key();
CREATE TRIGGER keys_inserted AFTER INSERT ON keys REFERENCING NEW TABLE AS changed EXECUTE FUNCTION changed_keys();
CREATE TRIGGER keys_updated AFTER UPDATE ON keys REFERENCING OLD TABLE AS former NEW TABLE AS changed
EXECUTE FUNCTION changed_keys();
CREATE TRIGGER keys_kept BEFORE DELETE ON keys FOR EACH ROW EXECUTE FUNCTION keep_key();
CREATE TRIGGER keys_deleted AFTER DELETE ON keys EXECUTE FUNCTION deleted_rows();
CREATE TRIGGER keys_not_truncated BEFORE TRUNCATE ON keys EXECUTE FUNCTION refuse_change();

CREATE TRIGGER secrets_sequenced BEFORE INSERT OR UPDATE OR DELETE ON secrets EXECUTE FUNCTION raise_seq();
CREATE TRIGGER secrets_stamped BEFORE INSERT OR UPDATE ON secrets FOR EACH ROW EXECUTE FUNCTION stamp_secret();
CREATE TRIGGER secrets_inserted AFTER INSERT ON secrets REFERENCING NEW TABLE AS changed
EXECUTE FUNCTION changed_secrets();
CREATE TRIGGER secrets_updated AFTER UPDATE ON secrets REFERENCING NEW TABLE AS changed
EXECUTE FUNCTION changed_secrets();
CREATE TRIGGER secrets_kept BEFORE DELETE ON secrets FOR EACH ROW EXECUTE FUNCTION keep_secret();
CREATE TRIGGER secrets_deleted AFTER DELETE ON secrets EXECUTE FUNCTION deleted_rows();
CREATE TRIGGER secrets_not_truncated BEFORE TRUNCATE ON secrets EXECUTE FUNCTION refuse_change();

-- A role that may append can leave no gap: after the last possible number, no change could have an entry.
CREATE FUNCTION append_entry() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF NEW.seq <> (SELECT max(seq) FROM audit) + 1 THEN
    RAISE EXCEPTION 'an entry follows the last one' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER audit_appended BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION append_entry();
CREATE TRIGGER audit_fixed BEFORE UPDATE OR TRUNCATE ON audit EXECUTE FUNCTION refuse_change();

-- The sequence never goes back.
CREATE FUNCTION keep_seq() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF NEW.seq < OLD.seq OR NEW.deleted_seq < OLD.deleted_seq THEN
    RAISE EXCEPTION 'the sequence of changes never goes back' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER meta_raised BEFORE UPDATE ON meta FOR EACH ROW EXECUTE FUNCTION keep_seq();
CREATE TRIGGER meta_kept BEFORE DELETE OR TRUNCATE ON meta EXECUTE FUNCTION refuse_change();

CREATE FUNCTION count_request() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    UPDATE idempotency_callers
    SET kept = kept - 1, bytes = bytes - coalesce(octet_length(OLD.headers), 0) - coalesce(octet_length(OLD.body), 0)
    WHERE org = OLD.org AND caller = OLD.caller;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    INSERT INTO idempotency_callers AS c (org, caller, kept, bytes)
    VALUES (NEW.org, NEW.caller, 1, coalesce(octet_length(NEW.headers), 0) + coalesce(octet_length(NEW.body), 0))
    ON CONFLICT (org, caller) DO UPDATE SET kept = c.kept + 1, bytes = c.bytes + excluded.bytes;
  ELSE
    DELETE FROM idempotency_callers WHERE org = OLD.org AND caller = OLD.caller AND kept = 0;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER idempotency_counted AFTER INSERT OR UPDATE OR DELETE ON idempotency
FOR EACH ROW EXECUTE FUNCTION count_request();

-- A test finds a function that a migration leaves to everybody.
REVOKE EXECUTE ON FUNCTION
  raise_seq(), notify_change(text[], text[]), changed_keys(), changed_secrets(), changed_orgs(), deleted_rows(),
  stamp_org(), stamp_key(), stamp_secret(), keep_key(), keep_secret(), refuse_change(), append_entry(),
  keep_seq(), count_request()
FROM PUBLIC;
