-- The issues that ask for what is left of an experiment that is over to be taken out of the code, one
-- for each repository and experiment. `repository_id` is whose code it is about; the issue stands in
-- `home_id` under `number`, which a transfer changes, both null until it is made. `marker` stands in
-- its body. `state` is what GitHub shows of it as far as is known, wanted, open or closed, or gone once
-- it was deleted. `goal` is what the bot made of it last: open, completed or not_planned;
-- `by_people`: somebody has closed it that the bot had left open, as `closed_as`. `digest` is that of
-- what stands there, and `writing` the attempt whose outcome is not known. `told_at` is how new what is
-- known of it is, `cleaned_at` when the feed was told that nothing is left.
CREATE TABLE clean_ups (
    repository_id BIGINT NOT NULL,
    experiment_key TEXT NOT NULL,
    marker TEXT NOT NULL,
    made_by TEXT NOT NULL,
    actor TEXT,
    asked_at BIGINT NOT NULL,
    integration_id TEXT NOT NULL,
    state TEXT NOT NULL,
    author TEXT,
    home_id BIGINT,
    number BIGINT,
    issue_id BIGINT,
    goal TEXT,
    closed_as TEXT,
    by_people SMALLINT NOT NULL DEFAULT 0,
    digest TEXT,
    writing TEXT,
    told_at BIGINT NOT NULL DEFAULT 0,
    cleaned_at BIGINT,
    error TEXT,
    PRIMARY KEY (repository_id, experiment_key)
);
CREATE UNIQUE INDEX clean_ups_by_marker ON clean_ups (marker);
CREATE INDEX clean_ups_by_key ON clean_ups (experiment_key);
CREATE INDEX clean_ups_by_home ON clean_ups (home_id);
