"""The types of the activity feed: one registry, which documentation, API and pages follow."""

import pytest

from bot.domain import activity

# With the ranks that stand in databases: none may change or go.
RANKS = {
    "experiment.created": 0,
    "experiment.status_changed": 1,
    "pull_request.opened": 2,
    "issue.created": 2,
    "pull_request.linked": 3,
    "issue.linked": 3,
    "pull_request.updated": 4,
    "issue.labeled": 4,
    "pull_request.ready_for_review": 5,
    "pull_request.merged": 6,
    "pull_request.closed": 6,
    "pull_request.reopened": 6,
    "issue.closed": 6,
    "issue.reopened": 6,
    "pull_request.unlinked": 7,
    "issue.unlinked": 7,
    "commit.pushed": 8,
    "command.executed": 9,
    "command.refused": 9,
    "pull_request.live": 10,
    "code.reference_added": 11,
    "code.reference_removed": 12,
    "experiment.cleaned_up": 13,
}


def test_types_keep_their_ranks() -> None:
    known = {name: one.rank for name, one in activity.TYPES.items()}
    assert known == RANKS


@pytest.mark.parametrize(
    ("name", "rank"), [("merged", 1), ("Pull.merged", 1), ("a.b", 1000), ("a.b", -1)]
)
def test_what_no_page_could_show_is_no_type(name: str, rank: int) -> None:
    with pytest.raises(ValueError, match="cannot be a type of the feed"):
        activity.Type(name, rank, "x", "x")
    assert name not in activity.TYPES


def test_a_type_is_declared_once() -> None:
    with pytest.raises(ValueError, match=r"two types of the feed are called commit\.pushed"):
        activity.Type("commit.pushed", 8, "x", "x")


def test_what_stands_in_a_gap_is_not_read_as_words() -> None:
    labeled = activity.TYPES["issue.labeled"]
    assert labeled.says(subject="issue #1: {x}", labels="{0}, {}") == (
        "Labeled issue #1: {x} ({0}, {})"
    )
