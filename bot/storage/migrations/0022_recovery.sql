-- Recovery: deliveries that GitHub could not bring are read from its API.

-- 1 if it was read from GitHub's API; `received_at` is then when GitHub first tried to deliver it.
ALTER TABLE deliveries ADD COLUMN recovered SMALLINT NOT NULL DEFAULT 0;
-- The webhooks that bring an integration's deliveries: an App's own (`hook_id` 0), those of
-- repositories and organisations, by GitHub's ids. `target` is the name that was told last, `heard_at`
-- when one last delivered, to the hour, `confirmed_at` when GitHub last said that it leads here,
-- `read_to` the newest delivery of which GitHub's list was read. `page` is the cursor at which the list
-- is to be read on, `newest_at` the newest that has been seen in it, `is_read` whether that is done. `reason`
-- and `remedy` say why it cannot be read.
CREATE TABLE hooks (
    integration_id TEXT NOT NULL,
    hook_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    target_id BIGINT,
    target TEXT NOT NULL,
    heard_at BIGINT,
    confirmed_at BIGINT,
    asked_at BIGINT,
    read_to BIGINT,
    page TEXT,
    newest_at BIGINT,
    is_read SMALLINT NOT NULL DEFAULT 1,
    reason TEXT,
    remedy TEXT,
    PRIMARY KEY (integration_id, hook_id)
);
-- An integration's sweep: the one that is under way while `ended_at` is null, else the last. `since` is
-- from when on lists were read, `searched` whether webhooks had to be looked for and have been; then
-- how many attempts GitHub lists, what became of what they delivered, and how many calls it took.
-- `note` is why there was nothing to read, `troubles` what could not be had (JSON).
CREATE TABLE sweeps (
    integration_id TEXT PRIMARY KEY,
    action_id TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT,
    since BIGINT,
    searched SMALLINT NOT NULL DEFAULT 0,
    listed BIGINT NOT NULL DEFAULT 0,
    taken_in BIGINT NOT NULL DEFAULT 0,
    known BIGINT NOT NULL DEFAULT 0,
    not_handled BIGINT NOT NULL DEFAULT 0,
    not_allowed BIGINT NOT NULL DEFAULT 0,
    lost BIGINT NOT NULL DEFAULT 0,
    calls BIGINT NOT NULL DEFAULT 0,
    note TEXT,
    troubles TEXT NOT NULL DEFAULT '[]'
);
-- What GitHub lists and our store lacks, until its payload is read or is known to be lost. `first_at`
-- and `first_id` are those of the earliest attempt that is listed, `delivery_id` the attempt to be read.
CREATE TABLE missed (
    integration_id TEXT NOT NULL,
    guid TEXT NOT NULL,
    hook_id BIGINT NOT NULL,
    delivery_id BIGINT NOT NULL,
    first_id BIGINT NOT NULL,
    first_at BIGINT NOT NULL,
    event TEXT NOT NULL,
    repository_id BIGINT,
    attempts BIGINT NOT NULL DEFAULT 0,
    lost_at BIGINT,
    PRIMARY KEY (integration_id, guid)
);
CREATE INDEX missed_in_order ON missed (integration_id, first_at, first_id) WHERE lost_at IS NULL;
