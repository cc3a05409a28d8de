-- Until when a client's certificate holds; NULL: not known, for those that were registered before.
ALTER TABLE client ADD COLUMN not_after BIGINT;
