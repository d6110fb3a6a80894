-- Lists of experiments, of what shipped and of all activity, each in the order of an index.

-- How much is linked to an experiment, of its pull requests how many are open and merged, and when
-- the last one was merged, 0 if none was (storage/tallies.py): no list counts or sorts for these.
ALTER TABLE experiments ADD COLUMN pull_request_count BIGINT NOT NULL DEFAULT 0;
ALTER TABLE experiments ADD COLUMN issue_count BIGINT NOT NULL DEFAULT 0;
ALTER TABLE experiments ADD COLUMN commit_count BIGINT NOT NULL DEFAULT 0;
ALTER TABLE experiments ADD COLUMN open_count BIGINT NOT NULL DEFAULT 0;
ALTER TABLE experiments ADD COLUMN merged_count BIGINT NOT NULL DEFAULT 0;
ALTER TABLE experiments ADD COLUMN last_merged BIGINT NOT NULL DEFAULT 0;
UPDATE experiments SET pull_request_count = linked.pull_requests, issue_count = linked.issues,
        commit_count = linked.commits, open_count = linked.open, merged_count = linked.merged,
        last_merged = linked.last_merged
    FROM (SELECT experiment_key,
            SUM(CASE WHEN kind = 'pull_request' THEN 1 ELSE 0 END) AS pull_requests,
            SUM(CASE WHEN kind = 'issue' THEN 1 ELSE 0 END) AS issues,
            SUM(CASE WHEN kind = 'commit' AND state IS NULL THEN 1 ELSE 0 END) AS commits,
            SUM(CASE WHEN kind = 'pull_request' AND state = 'open' THEN 1 ELSE 0 END) AS open,
            SUM(CASE WHEN state = 'merged' THEN 1 ELSE 0 END) AS merged,
            MAX(CASE WHEN state = 'merged' THEN state_at ELSE 0 END) AS last_merged
        FROM links GROUP BY experiment_key) AS linked
    WHERE linked.experiment_key = experiments.key;
-- Of each status, so that one index serves those of one and of all.
DROP INDEX experiments_by_activity;
CREATE INDEX experiments_by_activity ON experiments (status, last_activity, seq);
CREATE INDEX experiments_by_open ON experiments (status, open_count, seq);
CREATE INDEX experiments_by_last_merged ON experiments (status, last_merged, seq);
-- Texts are looked for in tags, too; those of before as they stand in JSON.
UPDATE experiments SET search = search || ' ' || LOWER(tags) WHERE tags <> '[]';
-- Whose the experiment of a link is, '' for nobody's or none. What shipped is found by it.
ALTER TABLE links ADD COLUMN owner TEXT NOT NULL DEFAULT '';
UPDATE links SET owner = experiments.owner FROM experiments
    WHERE experiments.key = links.experiment_key AND links.kind = 'pull_request'
        AND experiments.owner IS NOT NULL;
-- Nothing but a merge is written here.
CREATE INDEX links_shipped ON links (state_at, target_id)
    WHERE state = 'merged' AND resolved = 1;
CREATE INDEX links_shipped_by_owner ON links (owner, state_at, target_id)
    WHERE state = 'merged' AND resolved = 1;
CREATE INDEX links_shipped_in_repository ON links (repository_id, state_at, target_id)
    WHERE state = 'merged' AND resolved = 1;
CREATE INDEX links_shipped_by_owner_in_repository
    ON links (owner, repository_id, state_at, target_id)
    WHERE state = 'merged' AND resolved = 1;
CREATE INDEX links_shipped_of_experiment ON links (experiment_key, state_at, target_id)
    WHERE state = 'merged' AND resolved = 1;
CREATE INDEX links_shipped_of_experiment_in_repository
    ON links (experiment_key, repository_id, state_at, target_id)
    WHERE state = 'merged' AND resolved = 1;
-- The feed of all experiments. Types are few, so that one index serves one and all of them.
CREATE INDEX activity_of_type ON activity (type, position, seq);
CREATE INDEX activity_in_repository ON activity (repository_id, type, position, seq)
    WHERE repository_id IS NOT NULL;
CREATE INDEX activity_by_experiment_in_repository
    ON activity (experiment_key, repository_id, type, position, seq)
    WHERE repository_id IS NOT NULL;
