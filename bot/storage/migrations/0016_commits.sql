-- What became of commits: replaced by a force push, or landed. The link of one that is no longer
-- counted has the state 'replaced'.

-- The commit as which a pull request came to its base; null unless it is merged.
ALTER TABLE items ADD COLUMN merge_sha TEXT;
CREATE INDEX items_by_merge ON items (merge_sha) WHERE merge_sha IS NOT NULL;
-- Force pushes: what the head of a branch was before each, and was made then.
CREATE TABLE rewrites (
    repository_id BIGINT NOT NULL,
    ref TEXT NOT NULL,
    pushed_at BIGINT NOT NULL,
    before_sha TEXT NOT NULL,
    after_sha TEXT NOT NULL,
    PRIMARY KEY (repository_id, ref, pushed_at, before_sha, after_sha)
);
-- When the branch last had the commit, as is known since it came there first, and when it last had
-- not any more. Null: nothing has been said of that.
ALTER TABLE branch_commits ADD COLUMN again_at BIGINT;
ALTER TABLE branch_commits ADD COLUMN gone_at BIGINT;
-- What is known of the branches of merge queues alone has landed nowhere.
UPDATE links SET state = 'replaced' WHERE kind = 'commit' AND target_id IN (
    SELECT id FROM commits WHERE SUBSTR(ref, 1, 18) = 'gh-readonly-queue/' AND NOT EXISTS (
        SELECT 1 FROM branch_commits WHERE branch_commits.commit_id = commits.id
            AND SUBSTR(branch_commits.ref, 1, 18) <> 'gh-readonly-queue/'));
