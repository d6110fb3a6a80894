-- What is deployed, and which merged pull requests are live where.

-- Environments of a repository, each with what was deployed there last. `sha` is deployed since
-- `deployed_at`; that deployment was begun at `begun_at`. By `told_at` and `told_id`, the time and id
-- of the newest status, it is known what is older. `settled_sha` is the commit for which `live` has
-- been decided, null while that is not known.
CREATE TABLE environments (
    id {id},
    repository_id BIGINT NOT NULL,
    name_key TEXT NOT NULL,
    name TEXT NOT NULL,
    is_production SMALLINT NOT NULL,
    sha TEXT NOT NULL,
    deployed_at BIGINT NOT NULL,
    begun_at BIGINT NOT NULL,
    told_at BIGINT NOT NULL,
    told_id BIGINT NOT NULL,
    settled_sha TEXT,
    actor TEXT,
    guid TEXT NOT NULL,
    integration_id TEXT NOT NULL,
    UNIQUE (repository_id, name_key)
);
-- Pull requests that are live in an environment, or were until `ended_at`. `guid` is the delivery
-- that told of the deployment.
CREATE TABLE live (
    item_id BIGINT NOT NULL,
    environment_id BIGINT NOT NULL,
    at BIGINT NOT NULL,
    ended_at BIGINT,
    guid TEXT NOT NULL,
    PRIMARY KEY (item_id, environment_id)
);
CREATE INDEX live_in_environment ON live (environment_id, ended_at, item_id);
CREATE INDEX live_ended ON live (ended_at) WHERE ended_at IS NOT NULL;
