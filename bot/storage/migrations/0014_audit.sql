-- Who changed what. `actor_id` is a token's id, else what `actor_kind` has instead of one;
-- `before` and `after` hold the fields that changed, in JSON, without secrets.
CREATE TABLE audit (
    seq {growing_id},
    id TEXT NOT NULL,
    at BIGINT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    actor_name TEXT NOT NULL,
    type TEXT NOT NULL,
    target_kind TEXT NOT NULL,
    target_id TEXT NOT NULL,
    target_name TEXT NOT NULL,
    before TEXT,
    after TEXT
);
CREATE INDEX audit_by_type ON audit (type, seq);
CREATE INDEX audit_by_actor ON audit (actor_id, seq);
CREATE INDEX audit_by_name_of_actor ON audit (actor_name, seq);
CREATE INDEX audit_by_time ON audit (at);
-- What the settings that matter for security were when the service last started, in JSON.
CREATE TABLE recorded_settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
