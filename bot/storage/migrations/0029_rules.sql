-- What `.github/experiments.yml` says in a repository. `source` is own, or owner where the repository
-- has none and its owner's `.github` repository has one, or null where there is none. `sha` is that of
-- the blob. `settings` are null where there is none or it cannot be used, which `problems` says, a JSON
-- list. `is_stale`: it is to be read again, since a delivery has told that it may be another.
CREATE TABLE repository_rules (
    repository_id BIGINT NOT NULL PRIMARY KEY,
    source TEXT,
    sha TEXT,
    settings TEXT,
    problems TEXT NOT NULL,
    is_stale SMALLINT NOT NULL,
    read_at BIGINT NOT NULL,
    integration_id TEXT NOT NULL
);

-- What is wrong with that file at the head of a pull request that changes it.
CREATE TABLE rules_problems (
    item_id BIGINT NOT NULL PRIMARY KEY,
    head_sha TEXT NOT NULL,
    problems TEXT NOT NULL
);
