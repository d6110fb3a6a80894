"""The schema, as numbered migrations in SQL that every engine understands.

`{id}`, `{growing_id}` (never given out twice, even after a deletion) and `{blob}` are filled in by
the engine; all else is common. Times are BIGINT
microseconds, flags SMALLINT 0 or 1, lists JSON text. A migration that has been released is never
edited: add another.
"""

from collections.abc import Sequence

from bot.storage.database import StorageRefused

MIGRATIONS: Sequence[Sequence[str]] = (
    (  # 1: the first schema
        """CREATE TABLE api_tokens (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL,
            role TEXT NOT NULL,
            hash TEXT NOT NULL UNIQUE,
            is_bootstrap SMALLINT NOT NULL DEFAULT 0,
            created_at BIGINT NOT NULL,
            last_used_at BIGINT,
            revoked_at BIGINT
        )""",
        # `secrets` is a sealed mapping (vault.py): token or private_key, webhook_secret and,
        # until `previous_secret_until`, previous_webhook_secret.
        """CREATE TABLE integrations (
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
        )""",
        # `guid` is X-GitHub-Delivery. `payload` is zlib-compressed JSON.
        """CREATE TABLE deliveries (
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
        )""",
        "CREATE INDEX deliveries_by_integration ON deliveries (integration_seq, seq)",
        "CREATE INDEX deliveries_by_status ON deliveries (integration_seq, status, seq)",
        """CREATE INDEX deliveries_by_status_and_event
            ON deliveries (integration_seq, status, event, seq)""",
        "CREATE INDEX deliveries_by_event ON deliveries (integration_seq, event, seq)",
        """CREATE INDEX deliveries_with_payload ON deliveries (received_at)
            WHERE payload IS NOT NULL""",
        """CREATE INDEX deliveries_to_retry ON deliveries (next_attempt_at)
            WHERE next_attempt_at IS NOT NULL""",
        """CREATE TABLE experiments (
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
        )""",
        "CREATE INDEX experiments_by_status ON experiments (status, seq)",
        # `name_key` is the lower-case full name: GitHub's names ignore case. `named_at` is the
        # repository's updated_at when it was last seen under this name.
        """CREATE TABLE repositories (
            id {id},
            host TEXT NOT NULL,
            github_id BIGINT,
            full_name TEXT NOT NULL,
            name_key TEXT NOT NULL,
            named_at BIGINT,
            default_branch TEXT,
            deleted_at BIGINT,
            UNIQUE (host, github_id)
        )""",
        "CREATE INDEX repositories_by_name ON repositories (name_key, host)",
        # Pull requests and issues, each as its newest version says.
        """CREATE TABLE items (
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
        )""",
        """CREATE INDEX items_by_head ON items (head_repository_id, head_ref)
            WHERE head_ref IS NOT NULL""",
        # One row for each delivery that told something of an item: what an older one that
        # arrives late is sorted into (domain/items.py).
        """CREATE TABLE versions (
            id {id},
            item_id BIGINT NOT NULL,
            guid TEXT NOT NULL,
            version_at BIGINT NOT NULL,
            version_rank SMALLINT NOT NULL,
            snapshot TEXT NOT NULL,
            UNIQUE (item_id, guid)
        )""",
        """CREATE TABLE commits (
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
        )""",
        # Where and when a commit was pushed; `ref` and `pushed_at` of the commit are its first.
        """CREATE TABLE branch_commits (
            id {id},
            repository_id BIGINT NOT NULL,
            ref TEXT NOT NULL,
            commit_id BIGINT NOT NULL,
            pushed_at BIGINT NOT NULL,
            UNIQUE (repository_id, ref, commit_id)
        )""",
        "CREATE INDEX branch_commits_by_commit ON branch_commits (commit_id)",
        # `target_id` is an item's or a commit's id; `state` is the item's, null for commits.
        # `via_item_id` is the pull request that a commit is linked through. `resolved` tells
        # whether the experiment exists.
        """CREATE TABLE links (
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
        )""",
        # An expression that is not the bare id keeps PostgreSQL from walking the primary key.
        "CREATE INDEX links_by_experiment ON links (experiment_key, kind, (id + 0))",
        """CREATE INDEX links_by_state ON links (experiment_key, kind, state, (id + 0))
            WHERE state IS NOT NULL""",
        "CREATE INDEX links_via_item ON links (via_item_id) WHERE via_item_id IS NOT NULL",
        "CREATE INDEX links_unresolved ON links (id) WHERE resolved = 0",
        # `position` orders the feed: the time it happened in microseconds, whose last three
        # digits are the rank of the type, so that one delivery's items keep one order.
        """CREATE TABLE activity (
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
        )""",
        "CREATE INDEX activity_by_experiment ON activity (experiment_key, position, seq)",
        "CREATE INDEX activity_by_type ON activity (experiment_key, type, position, seq)",
        "CREATE INDEX activity_by_item ON activity (item_id) WHERE item_id IS NOT NULL",
        "CREATE INDEX activity_by_commit ON activity (commit_id) WHERE commit_id IS NOT NULL",
        """CREATE TABLE installations (
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
        )""",
        """CREATE TABLE installation_repositories (
            installation_row BIGINT NOT NULL,
            github_id BIGINT NOT NULL,
            full_name TEXT NOT NULL,
            changed_at BIGINT NOT NULL,
            removed SMALLINT NOT NULL,
            PRIMARY KEY (installation_row, github_id)
        )""",
    ),
    (  # 2: what the bot does in GitHub
        # Who calls GitHub: all integrations of one token or App share this. No secret.
        "ALTER TABLE integrations ADD COLUMN credential TEXT NOT NULL DEFAULT ''",
        "UPDATE integrations SET credential = 'integration:' || id",
        """CREATE INDEX items_by_head_sha ON items (repository_id, head_sha)
            WHERE head_sha IS NOT NULL""",
        # 1 if there are decisions about the item.
        "ALTER TABLE items ADD COLUMN decided SMALLINT NOT NULL DEFAULT 0",
        # Links made and cut by hand, each placed after the version that was the newest then.
        """CREATE TABLE decisions (
            id {id},
            item_id BIGINT NOT NULL,
            guid TEXT NOT NULL UNIQUE,
            verb TEXT NOT NULL,
            experiment_key TEXT NOT NULL,
            made_by TEXT NOT NULL,
            actor TEXT,
            integration_id TEXT NOT NULL,
            made_at BIGINT NOT NULL,
            version_at BIGINT NOT NULL,
            version_rank SMALLINT NOT NULL
        )""",
        "CREATE INDEX decisions_by_item ON decisions (item_id)",
        """CREATE TABLE repository_installations (
            integration_id TEXT NOT NULL,
            repository_id BIGINT NOT NULL,
            installation_id BIGINT NOT NULL,
            PRIMARY KEY (integration_id, repository_id)
        )""",
        # What the bot owes GitHub. `lane`: one after the other; `collapse`: one pending is enough.
        """CREATE TABLE actions (
            seq {id},
            id TEXT NOT NULL UNIQUE,
            kind TEXT NOT NULL,
            queue TEXT NOT NULL,
            lane TEXT NOT NULL,
            collapse TEXT,
            priority SMALLINT NOT NULL,
            integration_id TEXT NOT NULL,
            installation_id BIGINT,
            repository_id BIGINT NOT NULL,
            item_id BIGINT,
            number BIGINT,
            request TEXT NOT NULL,
            idempotency_key TEXT UNIQUE,
            status TEXT NOT NULL,
            attempts BIGINT NOT NULL,
            next_attempt_at BIGINT,
            give_up_at BIGINT NOT NULL,
            last_error TEXT,
            result TEXT,
            created_at BIGINT NOT NULL,
            finished_at BIGINT
        )""",
        """CREATE UNIQUE INDEX actions_collapsing ON actions (collapse)
            WHERE status = 'pending' AND collapse IS NOT NULL""",
        """CREATE INDEX actions_in_queue ON actions (queue, priority, seq)
            WHERE status IN ('pending', 'running')""",
        """CREATE INDEX actions_in_lane ON actions (lane, seq)
            WHERE status IN ('pending', 'running')""",
        "CREATE INDEX actions_by_status ON actions (status, seq)",
        "CREATE INDEX actions_by_kind ON actions (kind, seq)",
        "CREATE INDEX actions_by_status_and_kind ON actions (status, kind, seq)",
        "CREATE INDEX actions_finished ON actions (finished_at) WHERE finished_at IS NOT NULL",
        # One per credential and installation. `due_at`: when to look again, null if nothing is
        # owed. `writes`: when it wrote to GitHub in the last hour, as far as limits count it.
        """CREATE TABLE queues (
            queue TEXT PRIMARY KEY,
            due_at BIGINT,
            not_before BIGINT NOT NULL DEFAULT 0,
            owner TEXT,
            leased_until BIGINT NOT NULL DEFAULT 0,
            failures BIGINT NOT NULL DEFAULT 0,
            writes TEXT NOT NULL DEFAULT '[]'
        )""",
        "CREATE INDEX queues_due ON queues (due_at) WHERE due_at IS NOT NULL",
        # What the bot has put on a pull request: its comment, its check and its label.
        """CREATE TABLE posts (
            item_id BIGINT PRIMARY KEY,
            integration_id TEXT,
            marker TEXT NOT NULL,
            comment_id BIGINT,
            comment_digest TEXT,
            check_sha TEXT,
            check_run_id BIGINT,
            check_digest TEXT,
            label TEXT
        )""",
    ),
    (  # 3: commands in comments
        # A comment that holds commands: it runs once, through whichever integration it came.
        # `silent`: nothing is said of it. `throttled`: its author wrote too many.
        """CREATE TABLE command_comments (
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
        )""",
        """CREATE INDEX command_comments_throttled
            ON command_comments (repository_id, author, created_at) WHERE throttled = 1""",
        # `invocation` is what the parser read. `permission` is what GitHub said of the author,
        # `action_id` the tracking issue that the command waits for.
        """CREATE TABLE commands (
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
        )""",
        "CREATE INDEX commands_of_comment ON commands (comment_row, seq)",
        "CREATE INDEX commands_by_author ON commands (repository_id, author, created_at)",
        "CREATE INDEX commands_by_status ON commands (status, seq)",
    ),
    (  # 4: the dashboard
        # `id` is the hash of what is in the cookie. `subject`: whose it is, in every browser.
        """CREATE TABLE sessions (
            id TEXT PRIMARY KEY,
            subject TEXT NOT NULL,
            name TEXT NOT NULL,
            role TEXT NOT NULL,
            token_id TEXT,
            created_at BIGINT NOT NULL,
            seen_at BIGINT NOT NULL
        )""",
        "CREATE INDEX sessions_by_subject ON sessions (subject)",
        "CREATE INDEX sessions_by_use ON sessions (seen_at)",
        # The `position` of the newest item in its feed, 0 while it has none.
        "ALTER TABLE experiments ADD COLUMN last_activity BIGINT NOT NULL DEFAULT 0",
        """UPDATE experiments SET last_activity = COALESCE((SELECT MAX(position) FROM activity
            WHERE activity.experiment_key = experiments.key), 0)""",
        "CREATE INDEX experiments_by_activity ON experiments (last_activity, seq)",
        "CREATE INDEX experiments_by_name ON experiments (LOWER(name), seq)",
        "CREATE INDEX experiments_by_owner ON experiments (owner, status)",
        # The same of a repository, 0 while it has none.
        "ALTER TABLE repositories ADD COLUMN last_activity BIGINT NOT NULL DEFAULT 0",
        """UPDATE repositories SET last_activity = heard.position
            FROM (SELECT repository_id, MAX(position) AS position FROM activity
                GROUP BY repository_id) AS heard
            WHERE heard.repository_id = repositories.id""",
        "CREATE INDEX repositories_by_activity ON repositories (last_activity, id)",
        # Where a link's target is, so that what a repository has is found without its items.
        "ALTER TABLE links ADD COLUMN repository_id BIGINT",
        """UPDATE links SET repository_id = CASE
            WHEN kind = 'commit' THEN (SELECT repository_id FROM commits WHERE id = target_id)
            ELSE (SELECT repository_id FROM items WHERE id = target_id) END""",
        """CREATE INDEX links_by_repository
            ON links (repository_id, experiment_key, kind, state)""",
        """CREATE INDEX links_in_repository ON links (repository_id, kind, state, target_id)
            WHERE state IS NOT NULL""",
        """CREATE INDEX links_unresolved_by_key
            ON links (experiment_key, kind, repository_id, linked_at) WHERE resolved = 0""",
        # While two webhook secrets verify: when deliveries came that each has signed.
        "ALTER TABLE integrations ADD COLUMN secret_used_at BIGINT",
        "ALTER TABLE integrations ADD COLUMN previous_secret_used_at BIGINT",
        "CREATE INDEX activity_by_delivery ON activity (guid) WHERE guid IS NOT NULL",
        "CREATE INDEX actions_owed ON actions (seq) WHERE status <> 'done'",
        """CREATE INDEX actions_owed_by_integration ON actions (integration_id, status)
            WHERE status <> 'done'""",
    ),
    (  # 5: merge queues, who is told, the order of lists, commits of branches, allow-lists
        # What GitHub last said of who sees a repository (public, private, internal), null if
        # nothing, and the repository's updated_at then.
        "ALTER TABLE repositories ADD COLUMN visibility TEXT",
        "ALTER TABLE repositories ADD COLUMN visibility_at BIGINT",
        # 1 if the payload itself shows that the author may write in the repository, 0 if not,
        # null if it was taken in before that was looked at.
        "ALTER TABLE items ADD COLUMN author_writes SMALLINT",
        # A merge queue's commits that are to be checked, and the check there, as in `posts`.
        # `number` is the pull request that the group's branch names, null if it names none.
        """CREATE TABLE merge_groups (
            repository_id BIGINT NOT NULL,
            head_sha TEXT NOT NULL,
            head_ref TEXT NOT NULL,
            number BIGINT,
            marker TEXT NOT NULL,
            check_sha TEXT,
            check_run_id BIGINT,
            check_digest TEXT,
            created_at BIGINT NOT NULL,
            ended_at BIGINT,
            PRIMARY KEY (repository_id, head_sha)
        )""",
        """CREATE INDEX merge_groups_waiting ON merge_groups (repository_id, number)
            WHERE ended_at IS NULL""",
        "CREATE INDEX merge_groups_by_age ON merge_groups (created_at)",
        # When what a link leads to was last heard of: by these lists of links go. `state_at` is
        # when its state came about (of an open one, when it was last updated), `last_at` the
        # latest of all; of a commit both are when it was committed.
        "ALTER TABLE links ADD COLUMN state_at BIGINT NOT NULL DEFAULT 0",
        "ALTER TABLE links ADD COLUMN last_at BIGINT NOT NULL DEFAULT 0",
        """UPDATE links SET state_at = commits.committed_at, last_at = commits.committed_at
            FROM commits WHERE links.kind = 'commit' AND commits.id = links.target_id""",
        """UPDATE links SET
                state_at = CASE
                    WHEN items.state = 'merged' AND items.merged_at IS NOT NULL THEN items.merged_at
                    WHEN items.state <> 'open' AND items.closed_at IS NOT NULL THEN items.closed_at
                    ELSE items.version_at END,
                last_at = CASE
                    WHEN items.version_at >= COALESCE(items.merged_at, 0)
                        AND items.version_at >= COALESCE(items.closed_at, 0) THEN items.version_at
                    WHEN COALESCE(items.merged_at, 0) >= COALESCE(items.closed_at, 0)
                        THEN items.merged_at
                    ELSE items.closed_at END
            FROM items WHERE links.kind <> 'commit' AND items.id = links.target_id""",
        "DROP INDEX links_by_experiment",
        "DROP INDEX links_by_state",
        "DROP INDEX links_in_repository",
        "CREATE INDEX links_by_experiment ON links (experiment_key, kind, last_at, id)",
        """CREATE INDEX links_by_state ON links (experiment_key, kind, state, state_at, id)
            WHERE state IS NOT NULL""",
        """CREATE INDEX links_in_repository
            ON links (repository_id, kind, state, state_at, target_id) WHERE state IS NOT NULL""",
        # Whether the first push to that branch called the commit `distinct`: new to the
        # repository. Null where it did not say.
        "ALTER TABLE branch_commits ADD COLUMN is_new SMALLINT",
        # Not by the bare column, so that PostgreSQL takes it for no look-up of one commit: without
        # statistics it prefers to walk the branch.
        """CREATE INDEX branch_commits_by_time
            ON branch_commits (repository_id, (ref || ''), pushed_at)""",
        "CREATE INDEX commits_by_sha ON commits (sha)",
        # When a pull request was led to another base than it was opened for, the last time.
        "ALTER TABLE items ADD COLUMN base_since BIGINT",
        "DROP INDEX items_by_head",
        """CREATE INDEX items_by_head ON items (head_repository_id, head_ref, created_at)
            WHERE head_ref IS NOT NULL""",
        """CREATE INDEX items_by_head_and_end ON items (head_repository_id, head_ref, closed_at)
            WHERE head_ref IS NOT NULL""",
        """CREATE INDEX items_by_base ON items (repository_id, base_ref, created_at, base_since)
            WHERE base_ref IS NOT NULL""",
        # When branches were made, each time: from another, whose commits no push then lists.
        """CREATE TABLE branch_starts (
            repository_id BIGINT NOT NULL,
            ref TEXT NOT NULL,
            started_at BIGINT NOT NULL,
            PRIMARY KEY (repository_id, ref, started_at)
        )""",
        # What GitHub has answered: whether its page of a pull request, while it led into that
        # base, lists a commit of which the deliveries do not tell.
        """CREATE TABLE listed_commits (
            item_id BIGINT NOT NULL,
            commit_id BIGINT NOT NULL,
            base_ref TEXT NOT NULL,
            listed SMALLINT NOT NULL,
            PRIMARY KEY (item_id, commit_id)
        )""",
        # Which repositories have come under an entry (in lower case) of an integration's
        # allow-list, where they stay whatever they are called later.
        """CREATE TABLE allowed_repositories (
            id {id},
            integration_id TEXT NOT NULL,
            repository_id BIGINT NOT NULL,
            entry TEXT NOT NULL,
            UNIQUE (integration_id, repository_id, entry)
        )""",
        """CREATE INDEX allowed_repositories_by_entry
            ON allowed_repositories (integration_id, entry)""",
        # While GitHub may or may not have carried out a change of the bot's comment, check or
        # label: which attempt makes it. What is stored beside it is not to be relied on then.
        "ALTER TABLE posts ADD COLUMN comment_writing TEXT",
        "ALTER TABLE posts ADD COLUMN check_writing TEXT",
        "ALTER TABLE posts ADD COLUMN label_writing TEXT",
        *(
            f"""UPDATE posts SET {what}_writing = 'before this column' WHERE item_id IN (
                SELECT item_id FROM actions WHERE kind = '{kind}' AND attempts > 0
                    AND status IN ('pending', 'running'))"""
            for what, kind in (
                ("comment", "status_comment"),
                ("check", "check"),
                ("label", "label"),
            )
        ),
        # `news_at`: when something last made the action necessary, null if only its making did.
        # `aside`: it waits by itself, and others of its lane need not wait for it.
        "ALTER TABLE actions ADD COLUMN news_at BIGINT",
        "ALTER TABLE actions ADD COLUMN aside SMALLINT NOT NULL DEFAULT 0",
    ),
    (  # 6: failures as data
        # `last_error` is both: why an action is not done, and what people can do about it.
        "ALTER TABLE actions ADD COLUMN reason TEXT",
        "ALTER TABLE actions ADD COLUMN remedy TEXT",
        # What an integration's last error is about: it is forgotten once that works again.
        "ALTER TABLE integrations ADD COLUMN last_error_about TEXT",
        # Until now its text began with that; of two that it may be, the longer is the greater.
        """UPDATE integrations SET last_error_about = (SELECT MAX(about) FROM (
                SELECT actions.kind || ' in ' || repositories.full_name AS about
                    FROM actions JOIN repositories ON repositories.id = actions.repository_id
                    WHERE actions.integration_id = integrations.id
                UNION SELECT 'asking who may use commands in ' || full_name FROM repositories
            ) AS candidates
            WHERE SUBSTR(integrations.last_error, 1, LENGTH(about)) = about)
            WHERE last_error IS NOT NULL""",
    ),
)

VERSION = len(MIGRATIONS)


def check_version(found: int) -> None:
    """Raise StorageRefused if a database is of a version that this program does not know."""
    if found > VERSION:
        raise StorageRefused(
            f"the database has schema version {found}, made by a newer Experiment Bot; "
            f"this one knows versions up to {VERSION}: upgrade it, or restore an older backup"
        )


def statements_after(found: int, *, id: str, growing_id: str, blob: str) -> list[str]:
    """Return the statements that lead from version `found` to VERSION, with the engine's types."""
    return [
        statement.format(id=id, growing_id=growing_id, blob=blob)
        for migration in MIGRATIONS[found:]
        for statement in migration
    ]
