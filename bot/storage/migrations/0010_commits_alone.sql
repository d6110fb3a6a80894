-- A commit that one push alone has brought, to one branch, tells by itself where that was:
-- `made_branch` is 1 if that push made the branch, else 0, and `was_new` what `is_new` would be in
-- branch_commits. Of any other both are null, and branch_commits and branch_starts tell.
ALTER TABLE commits ADD COLUMN was_new SMALLINT;
ALTER TABLE commits ADD COLUMN made_branch SMALLINT;
CREATE INDEX commits_alone ON commits (repository_id, (ref || ''), pushed_at)
    WHERE made_branch IS NOT NULL;
CREATE INDEX commits_that_made_branches ON commits (repository_id, ref, pushed_at)
    WHERE made_branch = 1;
-- Nothing has gone by it since what an item's deliveries have told is found by them.
DROP INDEX activity_by_item;
