-- What the bot does in GitHub.

-- Who calls GitHub: all integrations of one token or App share this. No secret.
ALTER TABLE integrations ADD COLUMN credential TEXT NOT NULL DEFAULT '';
UPDATE integrations SET credential = 'integration:' || id;
CREATE INDEX items_by_head_sha ON items (repository_id, head_sha)
    WHERE head_sha IS NOT NULL;
-- 1 if there are decisions about the item.
ALTER TABLE items ADD COLUMN decided SMALLINT NOT NULL DEFAULT 0;
-- Links made and cut by hand, each placed after the version that was the newest then.
CREATE TABLE decisions (
    id {id},
    item_id BIGINT NOT NULL,
    guid TEXT NOT NULL UNIQUE,
    verb TEXT NOT NULL,
    experiment_key TEXT NOT NULL,
    made_by TEXT NOT NULL,
    actor TEXT,
    integration_id TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    version_at BIGINT NOT NULL,
    version_rank SMALLINT NOT NULL
);
CREATE INDEX decisions_by_item ON decisions (item_id);
CREATE TABLE repository_installations (
    integration_id TEXT NOT NULL,
    repository_id BIGINT NOT NULL,
    installation_id BIGINT NOT NULL,
    PRIMARY KEY (integration_id, repository_id)
);
-- What the bot owes GitHub. `lane`: one after the other; `collapse`: one pending is enough.
CREATE TABLE actions (
    seq {id},
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    queue TEXT NOT NULL,
    lane TEXT NOT NULL,
    collapse TEXT,
    priority SMALLINT NOT NULL,
    integration_id TEXT NOT NULL,
    installation_id BIGINT,
    repository_id BIGINT NOT NULL,
    item_id BIGINT,
    number BIGINT,
    request TEXT NOT NULL,
    idempotency_key TEXT UNIQUE,
    status TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    next_attempt_at BIGINT,
    give_up_at BIGINT NOT NULL,
    last_error TEXT,
    result TEXT,
    created_at BIGINT NOT NULL,
    finished_at BIGINT
);
CREATE UNIQUE INDEX actions_collapsing ON actions (collapse)
    WHERE status = 'pending' AND collapse IS NOT NULL;
CREATE INDEX actions_in_queue ON actions (queue, priority, seq)
    WHERE status IN ('pending', 'running');
CREATE INDEX actions_in_lane ON actions (lane, seq)
    WHERE status IN ('pending', 'running');
CREATE INDEX actions_by_status ON actions (status, seq);
CREATE INDEX actions_by_kind ON actions (kind, seq);
CREATE INDEX actions_by_status_and_kind ON actions (status, kind, seq);
CREATE INDEX actions_finished ON actions (finished_at) WHERE finished_at IS NOT NULL;
-- One per credential and installation. `due_at`: when to look again, null if nothing is
-- owed. `writes`: when it wrote to GitHub in the last hour, as far as limits count it.
CREATE TABLE queues (
    queue TEXT PRIMARY KEY,
    due_at BIGINT,
    not_before BIGINT NOT NULL DEFAULT 0,
    owner TEXT,
    leased_until BIGINT NOT NULL DEFAULT 0,
    failures BIGINT NOT NULL DEFAULT 0,
    writes TEXT NOT NULL DEFAULT '[]'
);
CREATE INDEX queues_due ON queues (due_at) WHERE due_at IS NOT NULL;
-- What the bot has put on a pull request: its comment, its check and its label.
CREATE TABLE posts (
    item_id BIGINT PRIMARY KEY,
    integration_id TEXT,
    marker TEXT NOT NULL,
    comment_id BIGINT,
    comment_digest TEXT,
    check_sha TEXT,
    check_run_id BIGINT,
    check_digest TEXT,
    label TEXT
);
