-- The dashboard.

-- `id` is the hash of what is in the cookie. `subject`: whose it is, in every browser.
CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    subject TEXT NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    token_id TEXT,
    created_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
);
CREATE INDEX sessions_by_subject ON sessions (subject);
CREATE INDEX sessions_by_use ON sessions (seen_at);
-- The `position` of the newest item in its feed, 0 while it has none.
ALTER TABLE experiments ADD COLUMN last_activity BIGINT NOT NULL DEFAULT 0;
UPDATE experiments SET last_activity = COALESCE((SELECT MAX(position) FROM activity
    WHERE activity.experiment_key = experiments.key), 0);
CREATE INDEX experiments_by_activity ON experiments (last_activity, seq);
CREATE INDEX experiments_by_name ON experiments (LOWER(name), seq);
CREATE INDEX experiments_by_owner ON experiments (owner, status);
-- The same of a repository, 0 while it has none.
ALTER TABLE repositories ADD COLUMN last_activity BIGINT NOT NULL DEFAULT 0;
UPDATE repositories SET last_activity = heard.position
    FROM (SELECT repository_id, MAX(position) AS position FROM activity
        GROUP BY repository_id) AS heard
    WHERE heard.repository_id = repositories.id;
CREATE INDEX repositories_by_activity ON repositories (last_activity, id);
-- Where a link's target is, so that what a repository has is found without its items.
ALTER TABLE links ADD COLUMN repository_id BIGINT;
UPDATE links SET repository_id = CASE
    WHEN kind = 'commit' THEN (SELECT repository_id FROM commits WHERE id = target_id)
    ELSE (SELECT repository_id FROM items WHERE id = target_id) END;
CREATE INDEX links_by_repository
    ON links (repository_id, experiment_key, kind, state);
CREATE INDEX links_in_repository ON links (repository_id, kind, state, target_id)
    WHERE state IS NOT NULL;
CREATE INDEX links_unresolved_by_key
    ON links (experiment_key, kind, repository_id, linked_at) WHERE resolved = 0;
-- While two webhook secrets verify: when deliveries came that each has signed.
ALTER TABLE integrations ADD COLUMN secret_used_at BIGINT;
ALTER TABLE integrations ADD COLUMN previous_secret_used_at BIGINT;
CREATE INDEX activity_by_delivery ON activity (guid) WHERE guid IS NOT NULL;
CREATE INDEX actions_owed ON actions (seq) WHERE status <> 'done';
CREATE INDEX actions_owed_by_integration ON actions (integration_id, status)
    WHERE status <> 'done';
