-- The counters of the agents of keys. The row whose agent is empty counts for all beyond the first thousand of a key.
CREATE TABLE agents (
  key_id TEXT NOT NULL,
  agent TEXT NOT NULL CHECK (length(agent) <= 128),
  usage_count INTEGER NOT NULL CHECK (usage_count >= 0),
  denied_count INTEGER NOT NULL CHECK (denied_count >= 0),
  last_used_at INTEGER,
  PRIMARY KEY (key_id, agent)
) STRICT, WITHOUT ROWID;

-- The entries of one agent. A text that somebody has damaged is none of them.
CREATE INDEX audit_of_agent ON audit (CASE WHEN json_valid(details) THEN json_extract(details, '$.agent') END, seq)
WHERE CASE WHEN json_valid(details) THEN json_extract(details, '$.agent') END IS NOT NULL;

-- The last day, counted from 1970, on which some process looked for keys that expire or lie idle.
ALTER TABLE meta ADD COLUMN looked_on INTEGER NOT NULL DEFAULT 0;
