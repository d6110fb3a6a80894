-- What an installation was granted, as its events or the doctor told it last: permissions by name, and
-- the events that it is sent, both as JSON and null while they are not known; and its page on GitHub,
-- where its owner accepts more.
ALTER TABLE installations ADD COLUMN permissions TEXT;
ALTER TABLE installations ADD COLUMN events TEXT;
ALTER TABLE installations ADD COLUMN html_url TEXT;
