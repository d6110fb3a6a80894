-- What is known of an item after each of its versions and decisions, so that one that arrives late
-- is put in its place without telling the whole story again.
ALTER TABLE versions ADD COLUMN known TEXT;
ALTER TABLE decisions ADD COLUMN known TEXT;
CREATE INDEX versions_in_order ON versions (item_id, version_at, version_rank);
-- What a delivery told of an item that concerned no experiment then: a version, kept here alone.
ALTER TABLE deliveries ADD COLUMN item_id BIGINT;
ALTER TABLE deliveries ADD COLUMN told TEXT;
CREATE INDEX deliveries_of_item ON deliveries (item_id) WHERE item_id IS NOT NULL;
-- 1 if some versions of an item are in `deliveries`, or lack what was known after them.
ALTER TABLE items ADD COLUMN loose SMALLINT NOT NULL DEFAULT 1;
-- On PostgreSQL, where transactions commit in any order: the first number that no transaction had
-- been given when the row's id was taken. Once all before it have ended, no lower id can still come.
ALTER TABLE activity ADD COLUMN horizon BIGINT;
ALTER TABLE versions ADD COLUMN horizon BIGINT;
