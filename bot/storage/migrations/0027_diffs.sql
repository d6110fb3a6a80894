-- What was read of the diff of a pull request: at which head, into which branch, and from which merge
-- base on (null where nobody had to know it). `status` is read or partial; `unread` says what was not
-- read and why, `unread_count` how much that is in all. `vocabulary` and `rules` are what was looked
-- for. `words` are the words of the changed lines, as hashes (domain/fingerprints.py); null: any may
-- be among them.
CREATE TABLE diffs (
    item_id BIGINT NOT NULL PRIMARY KEY,
    head_sha TEXT NOT NULL,
    base_ref TEXT NOT NULL,
    base_sha TEXT,
    status TEXT NOT NULL,
    unread TEXT NOT NULL,
    unread_count BIGINT NOT NULL,
    vocabulary BIGINT NOT NULL,
    rules TEXT NOT NULL,
    words {blob},
    files BIGINT NOT NULL,
    read_at BIGINT NOT NULL,
    integration_id TEXT NOT NULL
);

-- The references that a pull request adds, removes or moves. `line` is of the new file for what is
-- added or moved, of the old one for what is removed. `alias` is '' where it is the key itself.
CREATE TABLE diff_references (
    item_id BIGINT NOT NULL,
    experiment_key TEXT NOT NULL,
    change TEXT NOT NULL,
    path TEXT NOT NULL,
    line BIGINT NOT NULL,
    alias TEXT NOT NULL,
    PRIMARY KEY (item_id, path, line, experiment_key, change, alias)
);
CREATE INDEX diff_references_by_key ON diff_references (experiment_key, item_id);

-- The annotations that stand on the check run `check_run_id`, as a digest; null for none.
ALTER TABLE posts ADD COLUMN check_annotated TEXT;
