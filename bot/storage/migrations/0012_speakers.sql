-- Who speaks for a repository: the integration that told of it first. Once others do, or one may
-- not, `is_contested` is 1 and `speakers` tells: `has_right` is what GitHub last said, null while
-- it was not asked, and `asked_at` when that was, null where it is to be asked again.
ALTER TABLE repositories ADD COLUMN speaker_id TEXT;
ALTER TABLE repositories ADD COLUMN is_contested SMALLINT NOT NULL DEFAULT 0;
CREATE TABLE speakers (
    repository_id BIGINT NOT NULL,
    integration_id TEXT NOT NULL,
    has_right SMALLINT,
    asked_at BIGINT,
    PRIMARY KEY (repository_id, integration_id)
);
CREATE INDEX speakers_by_integration ON speakers (integration_id);
-- Who told of an item or a commit beside the integration that its row names.
CREATE TABLE tellers (
    kind TEXT NOT NULL,
    target_id BIGINT NOT NULL,
    integration_id TEXT NOT NULL,
    PRIMARY KEY (kind, target_id, integration_id)
);
-- Who told what before is known by its deliveries: those of the same GUID are of the same event.
INSERT INTO tellers (kind, target_id, integration_id)
    SELECT DISTINCT 'item', items.id, integrations.id FROM items
    JOIN versions ON versions.item_id = items.id
    JOIN integrations ON integrations.id <> items.integration_id
        AND integrations.deleted_at IS NULL
    JOIN deliveries ON deliveries.integration_seq = integrations.seq
        AND deliveries.guid = versions.guid AND deliveries.status = 'processed';
INSERT INTO tellers (kind, target_id, integration_id)
    SELECT DISTINCT 'commit', commits.id, integrations.id FROM commits
    JOIN integrations ON integrations.id <> commits.integration_id
        AND integrations.deleted_at IS NULL
    JOIN deliveries ON deliveries.integration_seq = integrations.seq
        AND deliveries.guid = commits.guid AND deliveries.status = 'processed';
-- And who told of something has spoken.
INSERT INTO speakers (repository_id, integration_id)
    SELECT told.repository_id, told.integration_id FROM (
        SELECT repository_id, integration_id FROM items
        UNION SELECT repository_id, integration_id FROM commits
        UNION SELECT items.repository_id, tellers.integration_id FROM tellers
            JOIN items ON tellers.kind = 'item' AND items.id = tellers.target_id
        UNION SELECT commits.repository_id, tellers.integration_id FROM tellers
            JOIN commits ON tellers.kind = 'commit' AND commits.id = tellers.target_id) AS told
    JOIN integrations ON integrations.id = told.integration_id
    WHERE integrations.deleted_at IS NULL;
UPDATE repositories SET
    speaker_id = (SELECT MIN(integration_id) FROM speakers
        WHERE speakers.repository_id = repositories.id),
    is_contested = (SELECT CASE WHEN COUNT(*) > 1 THEN 1 ELSE 0 END FROM speakers
        WHERE speakers.repository_id = repositories.id);
DELETE FROM speakers WHERE repository_id IN (SELECT id FROM repositories WHERE is_contested = 0);
