-- What the clock has said, and by which time it was last cleared away: a single row.
CREATE TABLE clock (
    id SMALLINT PRIMARY KEY,
    seen_at BIGINT NOT NULL,
    cleared_to BIGINT NOT NULL
);
