"""What the lines of the week (week.py) can say.

A moment is "day hour:minute", days from 1 to 7.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Line:
    """Something that GitHub sends: usually at once, sometimes late, sometimes a second time."""

    when: str
    arrives: str = field(default="", kw_only=True)
    again: str = field(default="", kw_only=True)


@dataclass(frozen=True)
class Push(Line):
    """Commits on a branch. GitHub also tells the open pull request of that branch."""

    branch: str
    by: str
    messages: Sequence[str]


@dataclass(frozen=True)
class Tag(Line):
    """A release, which links nothing."""

    name: str
    by: str


@dataclass(frozen=True)
class Pull(Line):
    """A pull request; what a line leaves out is as the line before said."""

    number: int
    action: str
    by: str = ""
    branch: str = ""
    title: str = ""
    body: str = ""
    draft: bool = False


@dataclass(frozen=True)
class Issue(Line):
    """An issue; what a line leaves out is as the line before said. `label` is a new one."""

    number: int
    action: str
    by: str = ""
    title: str = ""
    body: str = ""
    label: str = ""


@dataclass(frozen=True)
class Transfer(Line):
    """An issue goes to another repository, under another number."""

    number: int
    by: str
    to: str
    new_number: int


@dataclass(frozen=True)
class Rename(Line):
    to: str


@dataclass(frozen=True)
class Star(Line):
    """Somebody likes the repository, which means nothing to the service."""

    by: str


@dataclass(frozen=True)
class Forgery(Line):
    """Somebody who does not know the webhook secret makes a delivery up."""


@dataclass(frozen=True)
class Create:
    when: str
    key: str
    name: str
    owner: str
    hypothesis: str
    status: str = "draft"


@dataclass(frozen=True)
class Status:
    when: str
    key: str
    status: str
