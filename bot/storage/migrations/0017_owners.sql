-- Owners of repositories, who may be renamed, and the names that repositories had before.

-- GitHub's id of the owner, null until a delivery tells it.
ALTER TABLE repositories ADD COLUMN owner_id BIGINT;
CREATE INDEX repositories_by_owner ON repositories (owner_id, host)
    WHERE owner_id IS NOT NULL;
-- A name that a repository had, as it was written, and when it is known to have had another: a
-- delivery that calls it so and does not tell of a later time is a late one.
CREATE TABLE former_names (
    repository_id BIGINT NOT NULL,
    full_name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    until BIGINT NOT NULL,
    PRIMARY KEY (repository_id, full_name)
);
CREATE INDEX former_names_by_name ON former_names (name_key);
