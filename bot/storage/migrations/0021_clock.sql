-- What the clock has said, by which time was last cleared away, and which times the clock has told
-- twice, as it was set back: a single row.
CREATE TABLE clock (
    id SMALLINT PRIMARY KEY,
    seen_at BIGINT NOT NULL,
    cleared_to BIGINT NOT NULL,
    twice_from BIGINT NOT NULL DEFAULT 0,
    twice_to BIGINT NOT NULL DEFAULT 0
);
