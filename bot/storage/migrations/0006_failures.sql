-- Failures as data: `last_error` is both, why an action is not done and what people can do about it.
ALTER TABLE actions ADD COLUMN reason TEXT;
ALTER TABLE actions ADD COLUMN remedy TEXT;
-- What an integration's last error is about: it is forgotten once that works again. Until now its
-- text began with that; of two that it may be, the longer is the greater.
ALTER TABLE integrations ADD COLUMN last_error_about TEXT;
UPDATE integrations SET last_error_about = (SELECT MAX(about) FROM (
        SELECT actions.kind || ' in ' || repositories.full_name AS about
            FROM actions JOIN repositories ON repositories.id = actions.repository_id
            WHERE actions.integration_id = integrations.id
        UNION SELECT 'asking who may use commands in ' || full_name FROM repositories
    ) AS candidates
    WHERE SUBSTR(integrations.last_error, 1, LENGTH(about)) = about)
    WHERE last_error IS NOT NULL;
