-- Where keys of experiments stand in the default branch of each repository, as of the commit `sha`
-- of `branch`: null until it was read once. `status` is pending, read or partial; `unread` says what
-- was not read and why: a JSON list. `is_wanted`: something is to be read; `anew`: all of it, else
-- what the `pushes` say that were told meanwhile, a JSON list. `turned_at` is when the last push was
-- made that did not go on from where the map was. `version` is that of the vocabulary by which all
-- was read, `wanted_version` the one by which it is to be, `digest` tells which rules and names those
-- were. `checked_at` is when GitHub was last asked whether something is to be read. `step` counts
-- what was kept, so that nothing is kept twice.
CREATE TABLE code_maps (
    repository_id BIGINT NOT NULL PRIMARY KEY,
    integration_id TEXT NOT NULL,
    status TEXT NOT NULL,
    branch TEXT,
    sha TEXT,
    is_wanted SMALLINT NOT NULL,
    anew SMALLINT NOT NULL,
    pushes TEXT NOT NULL,
    turned_at BIGINT NOT NULL,
    unread TEXT NOT NULL,
    version BIGINT NOT NULL,
    wanted_version BIGINT NOT NULL,
    digest TEXT,
    files BIGINT NOT NULL,
    tree_files BIGINT NOT NULL,
    read_at BIGINT,
    checked_at BIGINT NOT NULL,
    step BIGINT NOT NULL
);
CREATE INDEX code_maps_by_integration ON code_maps (integration_id, wanted_version);
CREATE INDEX code_maps_by_check ON code_maps (checked_at);
-- `alias` is what is written there, '' where that is the key itself.
CREATE TABLE code_references (
    repository_id BIGINT NOT NULL,
    path TEXT NOT NULL,
    line BIGINT NOT NULL,
    experiment_key TEXT NOT NULL,
    alias TEXT NOT NULL,
    PRIMARY KEY (repository_id, path, line, experiment_key, alias)
);
CREATE INDEX code_references_by_key ON code_references (experiment_key, repository_id, path, line);
-- What has come to be looked for with which version of the vocabulary: a JSON list of names. Of
-- older versions nothing is kept.
CREATE TABLE vocabulary_changes (
    version BIGINT NOT NULL PRIMARY KEY,
    names TEXT NOT NULL
);
