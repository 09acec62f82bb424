-- The last flush of the meters of each engine in each process. A flush whose answer was lost is sent again, and counts once.
CREATE TABLE usage_flushes (
  meters bytea PRIMARY KEY CHECK (octet_length(meters) = 16),
  number bigint NOT NULL,
  flushed_at timestamptz NOT NULL
) WITH (fillfactor = 50);
