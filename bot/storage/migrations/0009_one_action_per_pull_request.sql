-- What a pull request owes GitHub is one action, which says what of it is to be brought up to date.

-- Sets of parts, one bit for each (domain/posts.py): what is `stale`, and of that, what is written
-- even if it seems to be there (`again`), or whatever the settings are by now (`rewrite`). `parts`
-- is what has become of each.
ALTER TABLE actions ADD COLUMN stale SMALLINT NOT NULL DEFAULT 0;
ALTER TABLE actions ADD COLUMN again SMALLINT NOT NULL DEFAULT 0;
ALTER TABLE actions ADD COLUMN rewrite SMALLINT NOT NULL DEFAULT 0;
ALTER TABLE actions ADD COLUMN parts TEXT;
-- What is next in a queue is found however many wait: by priority, then by when they are due.
DROP INDEX actions_in_queue;
CREATE INDEX actions_in_queue ON actions (queue, priority, next_attempt_at, seq)
    WHERE status = 'pending';
-- Of what a pull request owed until now, the first action stays for what is open, and the last for
-- what has failed. Texts are sorted so that a refused credential comes first: a new one mends it.
CREATE TEMPORARY TABLE merged_actions AS
    SELECT item_id, 'pending' AS status, MIN(seq) AS seq, COUNT(*) AS rows_of_it,
        MAX(CASE WHEN kind = 'check' THEN 1 ELSE 0 END)
            + MAX(CASE WHEN kind = 'status_comment' THEN 2 ELSE 0 END)
            + MAX(CASE WHEN kind = 'label' THEN 4 ELSE 0 END) AS stale,
        MAX(CASE WHEN kind = 'check' AND request LIKE '%"again"%' THEN 1 ELSE 0 END) AS again,
        MAX(CASE WHEN kind = 'check' AND request LIKE '%"rewrite"%' THEN 1 ELSE 0 END)
            + MAX(CASE WHEN kind = 'status_comment' AND request LIKE '%"rewrite"%'
                THEN 2 ELSE 0 END) AS rewrite,
        MAX(attempts) AS attempts, MIN(next_attempt_at) AS next_attempt_at,
        MAX(give_up_at) AS give_up_at, MAX(COALESCE(news_at, created_at)) AS news_at,
        MIN(aside) AS aside, NULL AS finished_at, NULL AS result,
        MAX(CASE WHEN kind = 'check' THEN last_error END) AS check_error,
        MAX(CASE WHEN kind = 'status_comment' THEN last_error END) AS comment_error,
        MAX(CASE WHEN kind = 'label' THEN last_error END) AS label_error,
        MAX(last_error) AS last_error
    FROM actions WHERE status IN ('pending', 'running') AND item_id IS NOT NULL
        AND kind IN ('check', 'status_comment', 'label') GROUP BY item_id
    UNION ALL SELECT item_id, 'failed', MAX(seq), COUNT(*),
        MAX(CASE WHEN kind = 'check' THEN 1 ELSE 0 END)
            + MAX(CASE WHEN kind = 'status_comment' THEN 2 ELSE 0 END)
            + MAX(CASE WHEN kind = 'label' THEN 4 ELSE 0 END),
        MAX(CASE WHEN kind = 'check' AND request LIKE '%"again"%' THEN 1 ELSE 0 END),
        MAX(CASE WHEN kind = 'check' AND request LIKE '%"rewrite"%' THEN 1 ELSE 0 END)
            + MAX(CASE WHEN kind = 'status_comment' AND request LIKE '%"rewrite"%'
                THEN 2 ELSE 0 END),
        MAX(attempts), NULL, MAX(give_up_at), MAX(COALESCE(news_at, created_at)), 0,
        MAX(finished_at), MIN(result),
        MAX(CASE WHEN kind = 'check' THEN last_error END),
        MAX(CASE WHEN kind = 'status_comment' THEN last_error END),
        MAX(CASE WHEN kind = 'label' THEN last_error END),
        MAX(last_error)
    FROM actions WHERE status = 'failed' AND item_id IS NOT NULL
        AND kind IN ('check', 'status_comment', 'label') GROUP BY item_id;
DELETE FROM actions WHERE status <> 'done' AND item_id IS NOT NULL
    AND kind IN ('check', 'status_comment', 'label')
    AND seq NOT IN (SELECT seq FROM merged_actions);
-- The reason alone is kept where only one had one; else all are named, each with what it is about.
UPDATE actions SET kind = 'pull_request', priority = 1, request = '{{}}',
    collapse = 'pull_request:' || merged_actions.item_id, status = merged_actions.status,
    stale = merged_actions.stale, again = merged_actions.again, rewrite = merged_actions.rewrite,
    attempts = merged_actions.attempts, next_attempt_at = merged_actions.next_attempt_at,
    give_up_at = merged_actions.give_up_at, news_at = merged_actions.news_at,
    aside = merged_actions.aside, finished_at = merged_actions.finished_at,
    result = merged_actions.result,
    reason = CASE WHEN merged_actions.rows_of_it = 1 THEN actions.reason END,
    remedy = CASE WHEN merged_actions.rows_of_it = 1 THEN actions.remedy END,
    last_error = CASE WHEN merged_actions.rows_of_it = 1 THEN actions.last_error
        -- This is looked for by its exact text, once the address is listed again.
        WHEN merged_actions.last_error LIKE 'nothing is called at %' THEN merged_actions.last_error
        ELSE NULLIF(SUBSTR(COALESCE('; Check: ' || merged_actions.check_error, '')
            || COALESCE('; Status comment: ' || merged_actions.comment_error, '')
            || COALESCE('; Label: ' || merged_actions.label_error, ''), 3), '') END
    FROM merged_actions WHERE merged_actions.seq = actions.seq;
DROP TABLE merged_actions;
