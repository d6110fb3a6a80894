-- Commands in comments.

-- A comment that holds commands: it runs once, through whichever integration it came.
-- `silent`: nothing is said of it. `throttled`: its author wrote too many.
CREATE TABLE command_comments (
    id {id},
    repository_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    number BIGINT NOT NULL,
    comment_id BIGINT NOT NULL,
    html_url TEXT,
    author TEXT NOT NULL,
    integration_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    throttled SMALLINT NOT NULL,
    silent SMALLINT NOT NULL DEFAULT 0,
    seen SMALLINT NOT NULL DEFAULT 0,
    reply_id BIGINT,
    UNIQUE (repository_id, comment_id)
);
CREATE INDEX command_comments_throttled
    ON command_comments (repository_id, author, created_at) WHERE throttled = 1;
-- `invocation` is what the parser read. `permission` is what GitHub said of the author,
-- `action_id` the tracking issue that the command waits for.
CREATE TABLE commands (
    seq {id},
    id TEXT NOT NULL UNIQUE,
    comment_row BIGINT NOT NULL,
    repository_id BIGINT NOT NULL,
    author TEXT NOT NULL,
    name TEXT NOT NULL,
    invocation TEXT NOT NULL,
    status TEXT NOT NULL,
    allowed SMALLINT,
    permission TEXT,
    reply TEXT,
    result TEXT,
    action_id TEXT,
    created_at BIGINT NOT NULL,
    finished_at BIGINT
);
CREATE INDEX commands_of_comment ON commands (comment_row, seq);
CREATE INDEX commands_by_author ON commands (repository_id, author, created_at);
CREATE INDEX commands_by_status ON commands (status, seq);
