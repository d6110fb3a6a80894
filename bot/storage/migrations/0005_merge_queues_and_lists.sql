-- Merge queues, who is told, the order of lists, commits of branches, allow-lists.

-- What GitHub last said of who sees a repository (public, private, internal), null if
-- nothing, and the repository's updated_at then.
ALTER TABLE repositories ADD COLUMN visibility TEXT;
ALTER TABLE repositories ADD COLUMN visibility_at BIGINT;
-- 1 if the payload itself shows that the author may write in the repository, 0 if not,
-- null if it was taken in before that was looked at.
ALTER TABLE items ADD COLUMN author_writes SMALLINT;
-- A merge queue's commits that are to be checked, and the check there, as in `posts`.
-- `number` is the pull request that the group's branch names, null if it names none.
CREATE TABLE merge_groups (
    repository_id BIGINT NOT NULL,
    head_sha TEXT NOT NULL,
    head_ref TEXT NOT NULL,
    number BIGINT,
    marker TEXT NOT NULL,
    check_sha TEXT,
    check_run_id BIGINT,
    check_digest TEXT,
    created_at BIGINT NOT NULL,
    ended_at BIGINT,
    PRIMARY KEY (repository_id, head_sha)
);
CREATE INDEX merge_groups_waiting ON merge_groups (repository_id, number)
    WHERE ended_at IS NULL;
CREATE INDEX merge_groups_by_age ON merge_groups (created_at);
-- When what a link leads to was last heard of: by these lists of links go. `state_at` is
-- when its state came about (of an open one, when it was last updated), `last_at` the
-- latest of all; of a commit both are when it was committed.
ALTER TABLE links ADD COLUMN state_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE links ADD COLUMN last_at BIGINT NOT NULL DEFAULT 0;
UPDATE links SET state_at = commits.committed_at, last_at = commits.committed_at
    FROM commits WHERE links.kind = 'commit' AND commits.id = links.target_id;
UPDATE links SET
        state_at = CASE
            WHEN items.state = 'merged' AND items.merged_at IS NOT NULL THEN items.merged_at
            WHEN items.state <> 'open' AND items.closed_at IS NOT NULL THEN items.closed_at
            ELSE items.version_at END,
        last_at = CASE
            WHEN items.version_at >= COALESCE(items.merged_at, 0)
                AND items.version_at >= COALESCE(items.closed_at, 0) THEN items.version_at
            WHEN COALESCE(items.merged_at, 0) >= COALESCE(items.closed_at, 0)
                THEN items.merged_at
            ELSE items.closed_at END
    FROM items WHERE links.kind <> 'commit' AND items.id = links.target_id;
DROP INDEX links_by_experiment;
DROP INDEX links_by_state;
DROP INDEX links_in_repository;
CREATE INDEX links_by_experiment ON links (experiment_key, kind, last_at, id);
CREATE INDEX links_by_state ON links (experiment_key, kind, state, state_at, id)
    WHERE state IS NOT NULL;
CREATE INDEX links_in_repository
    ON links (repository_id, kind, state, state_at, target_id) WHERE state IS NOT NULL;
-- Whether the first push to that branch called the commit `distinct`: new to the
-- repository. Null where it did not say.
ALTER TABLE branch_commits ADD COLUMN is_new SMALLINT;
CREATE INDEX branch_commits_by_time
    ON branch_commits (repository_id, ref, pushed_at);
CREATE INDEX commits_by_sha ON commits (sha);
-- When a pull request was led to another base than it was opened for, the last time.
ALTER TABLE items ADD COLUMN base_since BIGINT;
DROP INDEX items_by_head;
CREATE INDEX items_by_head ON items (head_repository_id, head_ref, created_at)
    WHERE head_ref IS NOT NULL;
CREATE INDEX items_by_head_and_end ON items (head_repository_id, head_ref, closed_at)
    WHERE head_ref IS NOT NULL;
CREATE INDEX items_by_base ON items (repository_id, base_ref, created_at, base_since)
    WHERE base_ref IS NOT NULL;
-- When branches were made, each time: from another, whose commits no push then lists.
CREATE TABLE branch_starts (
    repository_id BIGINT NOT NULL,
    ref TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    PRIMARY KEY (repository_id, ref, started_at)
);
-- What GitHub has answered: whether its page of a pull request, while it led into that
-- base, lists a commit of which the deliveries do not tell.
CREATE TABLE listed_commits (
    item_id BIGINT NOT NULL,
    commit_id BIGINT NOT NULL,
    base_ref TEXT NOT NULL,
    listed SMALLINT NOT NULL,
    PRIMARY KEY (item_id, commit_id)
);
-- Which repositories have come under an entry (in lower case) of an integration's
-- allow-list, where they stay whatever they are called later.
CREATE TABLE allowed_repositories (
    id {id},
    integration_id TEXT NOT NULL,
    repository_id BIGINT NOT NULL,
    entry TEXT NOT NULL,
    UNIQUE (integration_id, repository_id, entry)
);
CREATE INDEX allowed_repositories_by_entry
    ON allowed_repositories (integration_id, entry);
-- While GitHub may or may not have carried out a change of the bot's comment, check or
-- label: which attempt makes it. What is stored beside it is not to be relied on then.
ALTER TABLE posts ADD COLUMN comment_writing TEXT;
ALTER TABLE posts ADD COLUMN check_writing TEXT;
ALTER TABLE posts ADD COLUMN label_writing TEXT;
UPDATE posts SET comment_writing = 'before this column' WHERE item_id IN (
    SELECT item_id FROM actions WHERE kind = 'status_comment' AND attempts > 0
        AND status IN ('pending', 'running'));
UPDATE posts SET check_writing = 'before this column' WHERE item_id IN (
    SELECT item_id FROM actions WHERE kind = 'check' AND attempts > 0
        AND status IN ('pending', 'running'));
UPDATE posts SET label_writing = 'before this column' WHERE item_id IN (
    SELECT item_id FROM actions WHERE kind = 'label' AND attempts > 0
        AND status IN ('pending', 'running'));
-- `news_at`: when something last made the action necessary, null if only its making did.
-- `aside`: it waits by itself, and others of its lane need not wait for it.
ALTER TABLE actions ADD COLUMN news_at BIGINT;
ALTER TABLE actions ADD COLUMN aside SMALLINT NOT NULL DEFAULT 0;
