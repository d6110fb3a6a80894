-- No delivery has told of it: it was read from GitHub later.
ALTER TABLE activity ADD COLUMN backfilled SMALLINT NOT NULL DEFAULT 0;

-- The last backfill of each integration, counted by `number`. `listing`, while it is not null: which
-- installations, and which page of their repositories, are still to be asked for what they may see.
-- `error`, while it is not null: why it cannot be found out now which repositories are to be read.
CREATE TABLE backfill_runs (
    integration_id TEXT NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL,
    dry_run SMALLINT NOT NULL,
    days BIGINT NOT NULL,
    listing TEXT,
    error TEXT,
    started_at BIGINT NOT NULL
);

-- The repositories that an integration has read, or is to read, and in which run. `status` is
-- waiting, reading, done, failed or stopped; `stage` is pull_request or issue, `page` the query of
-- the page that is next, `boundary` the `updated_at` of the last item read, `top` that of the first.
-- At the end of a stage what was updated since is read once more, down to `caught_up_to`. `unread` are
-- the ids of items whose commits are to be read first. `step` counts what was kept, so that nothing is
-- kept twice.
CREATE TABLE backfills (
    integration_id TEXT NOT NULL,
    name_key TEXT NOT NULL,
    full_name TEXT NOT NULL,
    github_id BIGINT,
    repository_id BIGINT,
    run BIGINT NOT NULL,
    days BIGINT NOT NULL,
    dry_run SMALLINT NOT NULL,
    status TEXT NOT NULL,
    since BIGINT NOT NULL,
    stage TEXT NOT NULL,
    page TEXT,
    boundary BIGINT,
    top BIGINT,
    caught_up_to BIGINT,
    unread TEXT NOT NULL,
    step BIGINT NOT NULL,
    pull_requests BIGINT NOT NULL,
    issues BIGINT NOT NULL,
    linked BIGINT NOT NULL,
    error TEXT,
    started_at BIGINT,
    finished_at BIGINT,
    PRIMARY KEY (integration_id, name_key)
);
CREATE INDEX backfills_by_run ON backfills (integration_id, run, status);
CREATE INDEX backfills_by_repository ON backfills (repository_id);

-- When the next pull request that was backfilled may get its comment, check and label.
CREATE TABLE backfill_paces (
    credential TEXT NOT NULL PRIMARY KEY,
    next_at BIGINT NOT NULL
);

-- When a pull request, or with number 0 a repository, was last read again. The row of repository 0
-- has when that was last looked for.
CREATE TABLE reconciled (
    repository_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    read_at BIGINT NOT NULL,
    PRIMARY KEY (repository_id, number)
);
