-- A digest of who sent the request, whatever its key and agent. It is NULL in rows of releases that do not know it.
ALTER TABLE idempotency ADD COLUMN caller BLOB CHECK (length(caller) = 32);
-- It finds the first end among the rows of one caller.
CREATE INDEX idempotency_of_caller ON idempotency (org, caller, expires_at) WHERE caller IS NOT NULL;

-- How many rows each caller has, and how many bytes their answers take. Triggers count, so that it holds whichever program
-- writes. A caller without rows has none here.
CREATE TABLE idempotency_callers (
  org TEXT NOT NULL,
  caller BLOB NOT NULL,
  kept INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  PRIMARY KEY (org, caller)
) STRICT, WITHOUT ROWID;

-- INSERT OR REPLACE fires no DELETE trigger for the row that it replaces, so that row is deleted before.
CREATE TRIGGER idempotency_replaced BEFORE INSERT ON idempotency BEGIN
  DELETE FROM idempotency WHERE org = NEW.org AND name = NEW.name;
END;
CREATE TRIGGER idempotency_inserted AFTER INSERT ON idempotency WHEN NEW.caller IS NOT NULL BEGIN
  INSERT INTO idempotency_callers (org, caller, kept, bytes)
  SELECT NEW.org, NEW.caller, 0, 0
  WHERE NOT EXISTS (SELECT 1 FROM idempotency_callers WHERE org = NEW.org AND caller = NEW.caller);
  UPDATE idempotency_callers
  SET kept = kept + 1, bytes = bytes + ifnull(length(CAST(NEW.headers AS BLOB)), 0) + ifnull(length(NEW.body), 0)
  WHERE org = NEW.org AND caller = NEW.caller;
END;
CREATE TRIGGER idempotency_settled AFTER UPDATE OF headers, body ON idempotency WHEN NEW.caller IS NOT NULL BEGIN
  UPDATE idempotency_callers
  SET bytes = bytes + ifnull(length(CAST(NEW.headers AS BLOB)), 0) + ifnull(length(NEW.body), 0)
    - ifnull(length(CAST(OLD.headers AS BLOB)), 0) - ifnull(length(OLD.body), 0)
  WHERE org = NEW.org AND caller = NEW.caller;
END;
CREATE TRIGGER idempotency_forgotten AFTER DELETE ON idempotency WHEN OLD.caller IS NOT NULL BEGIN
  UPDATE idempotency_callers
  SET kept = kept - 1, bytes = bytes - ifnull(length(CAST(OLD.headers AS BLOB)), 0) - ifnull(length(OLD.body), 0)
  WHERE org = OLD.org AND caller = OLD.caller;
  DELETE FROM idempotency_callers WHERE org = OLD.org AND caller = OLD.caller AND kept = 0;
END;
