-- Whether receipts about what came by this arrival may be signed in batches: everyone they travel back to
-- understands them (W13.6). Of what came before nobody knows.
ALTER TABLE arrivals ADD COLUMN batched INTEGER NOT NULL DEFAULT 0;
