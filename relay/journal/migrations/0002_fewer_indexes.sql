-- The deliveries of a transfer are those of its message that name it: an index of their own cost every
-- document more than it saved anyone. What is in flight stays in the index of what waits, so that
-- freezing a transfer does not take its deliveries out only for a failure to put them back.
DROP INDEX deliveries_in_flight;
DROP INDEX deliveries_waiting;
CREATE INDEX deliveries_waiting ON deliveries (expires_at)
    WHERE state IN ('sealing', 'queued', 'in-flight', 'in-doubt');
