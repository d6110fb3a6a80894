-- What an experiment is called in code beside its key: a JSON list.
ALTER TABLE experiments ADD COLUMN aliases TEXT NOT NULL DEFAULT '[]';
-- One row: it counts how often what is looked for in code has become something else.
CREATE TABLE vocabulary (id SMALLINT PRIMARY KEY, version BIGINT NOT NULL);
INSERT INTO vocabulary (id, version) VALUES (1, 1);
