-- Who told of what another had told of first, of before this was noted (0012): also where one alone
-- was first with all of a repository, and of commits. A delivery of the same GUID is the same event.
INSERT INTO tellers (kind, target_id, integration_id)
    SELECT DISTINCT 'item', items.id, integrations.id FROM items
    JOIN versions ON versions.item_id = items.id
    JOIN integrations ON integrations.id <> items.integration_id
        AND integrations.deleted_at IS NULL
    JOIN deliveries ON deliveries.integration_seq = integrations.seq
        AND deliveries.guid = versions.guid AND deliveries.status = 'processed'
    WHERE 1 = 1
    ON CONFLICT DO NOTHING;
INSERT INTO tellers (kind, target_id, integration_id)
    SELECT DISTINCT 'commit', commits.id, integrations.id FROM commits
    JOIN integrations ON integrations.id <> commits.integration_id
        AND integrations.deleted_at IS NULL
    JOIN deliveries ON deliveries.integration_seq = integrations.seq
        AND deliveries.guid = commits.guid AND deliveries.status = 'processed'
    WHERE 1 = 1
    ON CONFLICT DO NOTHING;
-- So they have spoken for its repository.
INSERT INTO speakers (repository_id, integration_id)
    SELECT DISTINCT items.repository_id, tellers.integration_id FROM tellers
    JOIN items ON tellers.kind = 'item' AND items.id = tellers.target_id
    WHERE 1 = 1
    ON CONFLICT DO NOTHING;
INSERT INTO speakers (repository_id, integration_id)
    SELECT DISTINCT commits.repository_id, tellers.integration_id FROM tellers
    JOIN commits ON tellers.kind = 'commit' AND commits.id = tellers.target_id
    WHERE 1 = 1
    ON CONFLICT DO NOTHING;
INSERT INTO speakers (repository_id, integration_id)
    SELECT id, speaker_id FROM repositories
    WHERE is_contested = 0 AND speaker_id IS NOT NULL
        AND EXISTS (SELECT 1 FROM speakers WHERE speakers.repository_id = repositories.id)
    ON CONFLICT DO NOTHING;
UPDATE repositories SET is_contested = 1
    WHERE EXISTS (SELECT 1 FROM speakers WHERE speakers.repository_id = repositories.id);
