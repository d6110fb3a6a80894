-- Whose commands may change an experiment, and comments that more than one delivery tells of.

-- `[{name, ids}]`: names of repositories, each with the ids of ours that it has stood for since it
-- was first known; null for all.
ALTER TABLE experiments ADD COLUMN repositories TEXT;
-- What a delivery says of a comment counts for nothing until GitHub has confirmed it, so what
-- another says of the same comment is kept beside it: `claim` stands for all that it says. Of a
-- comment one claim at most is `verified`.
ALTER TABLE command_comments RENAME COLUMN comment_id TO claim;
ALTER TABLE command_comments ADD COLUMN comment_id BIGINT NOT NULL DEFAULT 0;
ALTER TABLE command_comments ADD COLUMN verified SMALLINT NOT NULL DEFAULT 0;
UPDATE command_comments SET comment_id = claim,
    verified = CASE WHEN seen = 1 OR silent = 1 THEN 1 ELSE 0 END;
CREATE INDEX command_comments_of_comment ON command_comments (repository_id, comment_id);
