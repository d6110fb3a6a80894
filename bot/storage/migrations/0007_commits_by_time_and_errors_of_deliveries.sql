-- Not by the bare column, so that PostgreSQL takes it for no look-up of one commit: without
-- statistics it prefers to walk the branch.
DROP INDEX branch_commits_by_time;
CREATE INDEX branch_commits_by_time
    ON branch_commits (repository_id, (ref || ''), pushed_at);
-- The last error of a delivery is about that one, too.
UPDATE integrations SET last_error_about = (SELECT 'delivery ' || deliveries.guid FROM deliveries
        WHERE deliveries.integration_seq = integrations.seq
            AND deliveries.error = integrations.last_error
            AND deliveries.status IN ('retrying', 'failed')
        ORDER BY deliveries.seq DESC LIMIT 1)
    WHERE last_error IS NOT NULL AND last_error_about IS NULL;
