"""Rows of clean-up issues as types (see rows.py)."""

from typing import Literal

from bot.storage.rows import Row

CleanUpState = Literal["wanted", "open", "closed", "gone"]
Goal = Literal["open", "completed", "not_planned"]


class CleanUp(Row, frozen=True):
    """`clean_ups`: the issue of an experiment in a repository; migrations/0030 tells more.

    `made_by` is setting, api or command, `actor` who asked for it, null if nobody did.
    """

    repository_id: int
    experiment_key: str
    marker: str
    made_by: str
    actor: str | None
    asked_at: int
    integration_id: str
    state: CleanUpState
    author: str | None = None
    home_id: int | None = None
    number: int | None = None
    issue_id: int | None = None
    goal: Goal | None = None
    closed_as: str | None = None
    by_people: bool = False
    digest: str | None = None
    writing: str | None = None
    told_at: int = 0
    cleaned_at: int | None = None
    error: str | None = None
