-- The first schema.

CREATE TABLE api_tokens (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    is_bootstrap SMALLINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    revoked_at BIGINT
);
-- `secrets` is a sealed mapping (vault.py): token or private_key, webhook_secret, client_secret and,
-- until `previous_secret_until`, the webhook secrets before, as `previous:N:UNTIL`.
CREATE TABLE integrations (
    seq {id},
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    integration_type TEXT NOT NULL,
    description TEXT,
    is_active SMALLINT NOT NULL,
    config TEXT NOT NULL,
    secrets TEXT NOT NULL,
    previous_secret_until BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    last_error TEXT,
    deleted_at BIGINT
);
-- `guid` is X-GitHub-Delivery. `payload` is zlib-compressed JSON.
CREATE TABLE deliveries (
    seq {id},
    integration_seq BIGINT NOT NULL,
    guid TEXT NOT NULL,
    event TEXT NOT NULL,
    action TEXT,
    repository TEXT,
    status TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    processed_at BIGINT,
    attempts SMALLINT NOT NULL,
    next_attempt_at BIGINT,
    error TEXT,
    headers TEXT NOT NULL,
    payload {blob},
    UNIQUE (integration_seq, guid)
);
CREATE INDEX deliveries_by_integration ON deliveries (integration_seq, seq);
CREATE INDEX deliveries_by_status ON deliveries (integration_seq, status, seq);
CREATE INDEX deliveries_by_status_and_event
    ON deliveries (integration_seq, status, event, seq);
CREATE INDEX deliveries_by_event ON deliveries (integration_seq, event, seq);
CREATE INDEX deliveries_with_payload ON deliveries (received_at)
    WHERE payload IS NOT NULL;
CREATE INDEX deliveries_to_retry ON deliveries (next_attempt_at)
    WHERE next_attempt_at IS NOT NULL;
CREATE TABLE experiments (
    seq {id},
    key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    hypothesis TEXT,
    description TEXT,
    owner TEXT,
    url TEXT,
    tags TEXT NOT NULL,
    search TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX experiments_by_status ON experiments (status, seq);
-- `name_key` is the lower-case full name: GitHub's names ignore case. `named_at` is the
-- repository's updated_at when it was last seen under this name.
CREATE TABLE repositories (
    id {id},
    host TEXT NOT NULL,
    github_id BIGINT,
    full_name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    named_at BIGINT,
    default_branch TEXT,
    deleted_at BIGINT,
    UNIQUE (host, github_id)
);
CREATE INDEX repositories_by_name ON repositories (name_key, host);
-- Pull requests and issues, each as its newest version says.
CREATE TABLE items (
    id {id},
    repository_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    number BIGINT NOT NULL,
    title TEXT NOT NULL,
    html_url TEXT NOT NULL,
    state TEXT NOT NULL,
    draft SMALLINT NOT NULL,
    author TEXT,
    head_repository_id BIGINT,
    head_ref TEXT,
    head_sha TEXT,
    base_ref TEXT,
    labels TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    closed_at BIGINT,
    merged_at BIGINT,
    version_at BIGINT NOT NULL,
    version_rank SMALLINT NOT NULL,
    integration_id TEXT,
    gone_at BIGINT,
    UNIQUE (repository_id, kind, number)
);
CREATE INDEX items_by_head ON items (head_repository_id, head_ref)
    WHERE head_ref IS NOT NULL;
-- One row for each delivery that told something of an item: what an older one that
-- arrives late is sorted into (domain/items.py).
CREATE TABLE versions (
    id {id},
    item_id BIGINT NOT NULL,
    guid TEXT NOT NULL,
    version_at BIGINT NOT NULL,
    version_rank SMALLINT NOT NULL,
    snapshot TEXT NOT NULL,
    UNIQUE (item_id, guid)
);
CREATE TABLE commits (
    id {id},
    repository_id BIGINT NOT NULL,
    sha TEXT NOT NULL,
    message TEXT NOT NULL,
    author TEXT,
    actor TEXT,
    html_url TEXT NOT NULL,
    ref TEXT NOT NULL,
    committed_at BIGINT NOT NULL,
    pushed_at BIGINT NOT NULL,
    integration_id TEXT,
    guid TEXT,
    UNIQUE (repository_id, sha)
);
-- Where and when a commit was pushed; `ref` and `pushed_at` of the commit are its first.
CREATE TABLE branch_commits (
    id {id},
    repository_id BIGINT NOT NULL,
    ref TEXT NOT NULL,
    commit_id BIGINT NOT NULL,
    pushed_at BIGINT NOT NULL,
    UNIQUE (repository_id, ref, commit_id)
);
CREATE INDEX branch_commits_by_commit ON branch_commits (commit_id);
-- `target_id` is an item's or a commit's id; `state` is the item's, null for commits.
-- `via_item_id` is the pull request that a commit is linked through. `resolved` tells
-- whether the experiment exists.
CREATE TABLE links (
    id {id},
    experiment_key TEXT NOT NULL,
    kind TEXT NOT NULL,
    target_id BIGINT NOT NULL,
    state TEXT,
    linked_by TEXT NOT NULL,
    linked_at BIGINT NOT NULL,
    via_item_id BIGINT,
    integration_id TEXT,
    resolved SMALLINT NOT NULL,
    UNIQUE (target_id, kind, experiment_key)
);
-- An expression that is not the bare id keeps PostgreSQL from walking the primary key.
CREATE INDEX links_by_experiment ON links (experiment_key, kind, (id + 0));
CREATE INDEX links_by_state ON links (experiment_key, kind, state, (id + 0))
    WHERE state IS NOT NULL;
CREATE INDEX links_via_item ON links (via_item_id) WHERE via_item_id IS NOT NULL;
CREATE INDEX links_unresolved ON links (id) WHERE resolved = 0;
-- `position` orders the feed: the time it happened in microseconds, whose last three
-- digits are the rank of the type, so that one delivery's items keep one order.
CREATE TABLE activity (
    seq {growing_id},
    type TEXT NOT NULL,
    experiment_key TEXT NOT NULL,
    position BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL,
    actor TEXT,
    summary TEXT NOT NULL,
    html_url TEXT,
    repository_id BIGINT,
    item_id BIGINT,
    commit_id BIGINT,
    guid TEXT
);
CREATE INDEX activity_by_experiment ON activity (experiment_key, position, seq);
CREATE INDEX activity_by_type ON activity (experiment_key, type, position, seq);
CREATE INDEX activity_by_item ON activity (item_id) WHERE item_id IS NOT NULL;
CREATE INDEX activity_by_commit ON activity (commit_id) WHERE commit_id IS NOT NULL;
CREATE TABLE installations (
    id {id},
    host TEXT NOT NULL,
    installation_id BIGINT NOT NULL,
    integration_id TEXT NOT NULL,
    account TEXT,
    repository_selection TEXT,
    updated_at BIGINT NOT NULL,
    suspended_at BIGINT,
    deleted_at BIGINT,
    UNIQUE (integration_id, installation_id)
);
CREATE TABLE installation_repositories (
    installation_row BIGINT NOT NULL,
    github_id BIGINT NOT NULL,
    full_name TEXT NOT NULL,
    changed_at BIGINT NOT NULL,
    removed SMALLINT NOT NULL,
    PRIMARY KEY (installation_row, github_id)
);
