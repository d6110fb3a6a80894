-- Sessions that end with the access, and tokens that say who made them. With it what is sealed in
-- integrations is bound to its row (schema.py).

-- Sessions begin anew: nothing tells whether GitHub would still let those in whom it once did.
DROP TABLE sessions;
-- `hash` is of what is in the cookie. `subject`: whose it is, in every browser. Of somebody who came
-- through GitHub also the App and its client, and `credential`: their own token, sealed (vault.py).
-- `confirmed_at` is when GitHub said what they may, `ask_at` when it is to be asked next, and while
-- it is being asked nobody else does so before `asking_until`.
CREATE TABLE sessions (
    seq {id},
    id TEXT NOT NULL UNIQUE,
    hash TEXT NOT NULL UNIQUE,
    subject TEXT NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    token_id TEXT,
    integration_id TEXT,
    client_id TEXT,
    credential TEXT,
    confirmed_at BIGINT,
    ask_at BIGINT,
    asking_until BIGINT,
    created_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
);
CREATE INDEX sessions_by_subject ON sessions (subject);
CREATE INDEX sessions_by_use ON sessions (seen_at);
-- The place in lists. `maker` is the id of the token that made it, or the subject of the session;
-- `created_by` is what that was called then. Both are null if the command line, or a version before, did.
ALTER TABLE api_tokens ADD COLUMN seq BIGINT NOT NULL DEFAULT 0;
ALTER TABLE api_tokens ADD COLUMN maker TEXT;
ALTER TABLE api_tokens ADD COLUMN created_by TEXT;
UPDATE api_tokens SET seq = (SELECT COUNT(*) FROM api_tokens AS earlier
    WHERE (earlier.created_at, earlier.id) <= (api_tokens.created_at, api_tokens.id));
