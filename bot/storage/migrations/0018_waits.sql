-- What waits for people, and the errors that an integration shows.

-- Whether a repository is archived and a conversation locked: 1 as deliveries say, 2 as GitHub alone
-- has said in answer to a call. `archived_at` is GitHub's time of the delivery that said so last.
ALTER TABLE repositories ADD COLUMN archived SMALLINT;
ALTER TABLE repositories ADD COLUMN archived_at BIGINT;
ALTER TABLE items ADD COLUMN locked SMALLINT NOT NULL DEFAULT 0;
-- 1 once the bot has put its label on a pull request: until then one that is there is somebody else's.
ALTER TABLE posts ADD COLUMN labelled SMALLINT NOT NULL DEFAULT 0;
UPDATE posts SET labelled = 1 WHERE label IS NOT NULL OR label_writing IS NOT NULL;
-- How often an installation was given something: each time its tokens are minted anew.
ALTER TABLE installations ADD COLUMN granted BIGINT NOT NULL DEFAULT 0;
-- What people have to end before an action can be done (bits of Hindrance, bot/github/failures.py),
-- and whether somebody wants it tried all the same.
ALTER TABLE actions ADD COLUMN waits BIGINT NOT NULL DEFAULT 0;
ALTER TABLE actions ADD COLUMN by_hand SMALLINT NOT NULL DEFAULT 0;
UPDATE actions SET waits = waits + 4
    WHERE status = 'failed' AND last_error LIKE '%does not reach it%';
UPDATE actions SET waits = waits + 8
    WHERE status = 'failed' AND last_error LIKE '%give it the permission%';
CREATE INDEX actions_waiting_in ON actions (repository_id) WHERE waits <> 0;
CREATE INDEX actions_waiting_of ON actions (integration_id) WHERE waits <> 0;
-- What went wrong, each until what it is `about` works again; `integrations` shows the newest.
CREATE TABLE integration_errors (
    integration_id TEXT NOT NULL,
    about TEXT NOT NULL,
    error TEXT NOT NULL,
    at BIGINT NOT NULL,
    repository_id BIGINT,
    PRIMARY KEY (integration_id, about)
);
CREATE INDEX integration_errors_by_time ON integration_errors (integration_id, at);
CREATE INDEX integration_errors_by_subject ON integration_errors (about);
-- One of an action was about all of its kind in its repository, and is about that action now.
INSERT INTO integration_errors (integration_id, about, error, at, repository_id)
    SELECT integrations.id,
        REPLACE(last_error_about, ' in ' || full_name, '') || ' '
            || COALESCE(CAST(item_id AS TEXT), actions.id),
        integrations.last_error, COALESCE(MAX(finished_at), 0), MAX(repository_id)
    FROM integrations
    JOIN actions ON actions.integration_id = integrations.id AND actions.status = 'failed'
    JOIN repositories ON repositories.id = actions.repository_id
    WHERE integrations.deleted_at IS NULL AND number IS NOT NULL
        AND last_error_about LIKE '% in ' || full_name
        AND integrations.last_error LIKE last_error_about || '#' || number || ': %'
    GROUP BY integrations.id, last_error_about, full_name, COALESCE(CAST(item_id AS TEXT), actions.id),
        integrations.last_error;
INSERT INTO integration_errors (integration_id, about, error, at)
    SELECT id, last_error_about, last_error, updated_at FROM integrations
    WHERE deleted_at IS NULL AND last_error IS NOT NULL AND last_error_about IS NOT NULL
        AND (last_error_about LIKE 'delivery %' OR last_error_about LIKE 'speaking for %'
            OR last_error_about LIKE 'asking %'
            OR last_error_about = 'the host of deliveries');
UPDATE integrations SET last_error = NULL, last_error_about = NULL WHERE last_error IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM integration_errors WHERE integration_id = integrations.id);
UPDATE integrations SET last_error_about = (SELECT MIN(about) FROM integration_errors
    WHERE integration_id = integrations.id) WHERE last_error IS NOT NULL;
