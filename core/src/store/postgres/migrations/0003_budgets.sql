-- The budgets of shared limits. A crash of the server empties the table: all budgets are full then.
CREATE UNLOGGED TABLE budgets (
  budget bytea PRIMARY KEY CHECK (octet_length(budget) = 16),
  -- When the budget is full again: in ticks of its limit since 2025, so that the numbers last.
  arrival bigint NOT NULL,
  -- The same time, rounded up.
  full_at timestamptz NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX budgets_full ON budgets (full_at);

-- Sells requests from several budgets: all needs or nothing. Each column has a place for each budget. The answer has a row for
-- each, in the same order: what is sold, the ticks until the budget is full, the time in microseconds since 1970, and the number
-- of the first budget whose need is not there.
CREATE FUNCTION buy_requests(
  budget_ids bytea[],
  ticks bigint[],
  intervals bigint[],
  tolerances bigint[],
  needs bigint[],
  wants bigint[],
  returned bigint[],
  returned_sold_at bigint[]
) RETURNS TABLE (sold bigint, backlog bigint, sold_at bigint, refused integer)
LANGUAGE plpgsql VOLATILE SET search_path FROM CURRENT AS $$
DECLARE
  epoch CONSTANT bigint := 1735689600000000;
  number CONSTANT integer := cardinality(budget_ids);
  now_at bigint;
  arrival_at bigint;
  waits bigint[] := array_fill(0::bigint, ARRAY[number]);
  amount bigint;
  lock_key bigint;
BEGIN
  -- One order for all, so that no two purchases wait for each other. The lock covers a budget that has no row yet.
  FOR lock_key IN
    SELECT DISTINCT ('x' || encode(substring(id FROM 1 FOR 8), 'hex'))::bit(64)::bigint AS place
    FROM unnest(budget_ids) AS id ORDER BY place
  LOOP
    PERFORM pg_advisory_xact_lock(lock_key);
  END LOOP;
  now_at := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;

  FOR i IN 1..number LOOP
    SELECT b.arrival INTO arrival_at FROM budgets b WHERE b.budget = budget_ids[i];
    -- After the clock went back, a budget is full at the latest after the time in which a whole one comes back.
    waits[i] := least(greatest(coalesce(arrival_at - (now_at - epoch) * ticks[i], 0), 0), tolerances[i]);
    IF returned[i] > 0 AND returned_sold_at[i] <= now_at THEN
      -- What has come back by itself meanwhile is not returned a second time.
      amount := least(returned[i], tolerances[i] / intervals[i]) * intervals[i]
        - least(now_at - returned_sold_at[i], tolerances[i] / ticks[i] + 1) * ticks[i];
      waits[i] := greatest(waits[i] - greatest(amount, 0), 0);
    END IF;
    IF refused IS NULL AND needs[i] > (tolerances[i] - waits[i]) / intervals[i] THEN
      refused := i;
    END IF;
  END LOOP;

  FOR i IN 1..number LOOP
    sold := CASE WHEN refused IS NULL THEN least(wants[i], (tolerances[i] - waits[i]) / intervals[i]) ELSE 0 END;
    backlog := waits[i] + sold * intervals[i];
    sold_at := now_at;
    IF sold > 0 OR returned[i] > 0 THEN
      INSERT INTO budgets AS b (budget, arrival, full_at)
      VALUES (
        budget_ids[i],
        (now_at - epoch) * ticks[i] + backlog,
        to_timestamp((now_at + backlog / ticks[i]) / 1000000 + 1)
      )
      ON CONFLICT (budget) DO UPDATE SET arrival = excluded.arrival, full_at = excluded.full_at;
    END IF;
    RETURN NEXT;
  END LOOP;

  -- Full budgets need no row. Each purchase deletes more rows than it adds.
  DELETE FROM budgets WHERE budget IN (
    SELECT b.budget FROM budgets b WHERE b.full_at < clock_timestamp() - interval '1 minute'
    ORDER BY b.full_at LIMIT 2 * number FOR UPDATE SKIP LOCKED
  );
END $$;
REVOKE EXECUTE ON FUNCTION buy_requests FROM PUBLIC;
