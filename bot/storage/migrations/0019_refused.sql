-- Deliveries that were refused for their signature since the last good one, which are not stored:
-- how many, when the last one came, and in a word why (bot/domain/signatures.py).
ALTER TABLE integrations ADD COLUMN refused_count BIGINT NOT NULL DEFAULT 0;
ALTER TABLE integrations ADD COLUMN refused_at BIGINT;
ALTER TABLE integrations ADD COLUMN refused_for TEXT;
