-- What quotas have sold, by period. No trigger: a sale is no change of a key. A balance has one row, with the empty text as its
-- period. The last sale stands beside the sum, so that the statement that sells can tell what it sold.
CREATE TABLE quotas (
  per text NOT NULL CHECK (per IN ('key', 'org')),
  owner text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  every text NOT NULL CHECK (every IN ('', 'hour', 'day', 'week', 'month')),
  starts_at timestamptz NOT NULL,
  used bigint NOT NULL CHECK (used >= 0),
  credited bigint NOT NULL CHECK (credited >= 0),
  last_sale bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (per, owner, name, every, starts_at)
) WITH (fillfactor = 50);

-- A list; NULL where a key has no quotas of its own.
ALTER TABLE keys ADD COLUMN quotas jsonb CHECK (jsonb_typeof(quotas) = 'array');
