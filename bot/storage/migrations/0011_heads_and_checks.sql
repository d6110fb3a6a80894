-- A pull request that opens is in one index of its head instead of three. What had ended by a time
-- is found among those that have ended, and what a check is on by the check that was put there.
CREATE INDEX items_open_by_head ON items (head_repository_id, head_ref, created_at)
    WHERE closed_at IS NULL AND head_ref IS NOT NULL;
CREATE INDEX items_ended_by_head ON items (head_repository_id, head_ref, closed_at, created_at)
    WHERE closed_at IS NOT NULL AND head_ref IS NOT NULL;
DROP INDEX items_by_head;
DROP INDEX items_by_head_and_end;
CREATE INDEX posts_by_check ON posts (check_sha) WHERE check_sha IS NOT NULL;
DROP INDEX items_by_head_sha;
