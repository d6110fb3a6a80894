"""What GitHub shows of the bot, kept whole in tests/golden: pages that a reviewer can read.

A test lets something happen, and compares the page of the issue or pull request with the one that
is kept. `make golden` writes all of them anew, for their changes to be reviewed.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.kit.outbound import LOGIN, REPOSITORY, Scene, check_of

FOLDER = Path(__file__).parents[1] / "golden"
SIGNS = {"eyes": "👀", "rocket": "🚀", "confused": "😕"}


@dataclass(frozen=True)
class Golden:
    """The kept pages; `renews` writes them."""

    renews: bool

    def __call__(self, scene: Scene, number: int, name: str) -> None:
        """Compare the page of an issue or pull request, whole, with `name`.md.

        A commit status has no summary as a check has: such pages are kept as `name`.status.md.
        """
        page = page_of(scene, number)
        kind = ".status" if "**Status**:" in page else ""
        path = FOLDER / f"{re.sub('[^a-z0-9/]+', '-', name.lower())}{kind}.md"
        if self.renews:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(page, "utf-8")
            return
        if not path.exists():
            pytest.fail(f"there is no {path}; `make golden` writes it:\n\n{page}")
        assert page == path.read_text("utf-8"), f"if this is meant, `make golden` renews {path}"


def page_of(scene: Scene, number: int) -> str:
    """Return what GitHub shows of an issue or pull request, without what differs by run."""
    item = scene.github.issue_payload(REPOSITORY, number)
    labels = [one["name"] for one in item["labels"]]
    people = [one["login"] for one in item["assignees"]]
    about = [f"by {item['user']['login']}", item["state"]]
    about += [f"labels: {', '.join(labels)}"] if labels else []
    about += [f"assigned to {', '.join(people)}"] if people else []
    parts = [f"# {item['title']}\n\n{', '.join(about)}", item["body"] or "_No description._"]
    if "pull_request" in item and (check := check_of(scene, number)) is not None:
        conclusion, title, summary, details = check
        kind = "Check" if scene.is_app else "Status"
        parts.append("\n\n".join([f"**{kind}**: {conclusion}. [{title}]({details})", summary]))
    for comment in scene.github.comments(REPOSITORY, number):
        signs = [SIGNS[one] for one in scene.reactions(comment["id"])]
        said = " ".join([f"**{comment['user']['login']}**", *signs])
        parts.append(f"{said}\n\n{comment['body']}")
    page = "\n\n---\n\n".join(one.strip() for one in parts) + "\n"
    page = page.replace(f"{LOGIN}[bot]", LOGIN).replace("\u200b", "&ZeroWidthSpace;")
    page = page.replace(scene.bot.services.settings.public_url, "https://bot.example")
    page = page.replace(f"https://{urlsplit(scene.github.url).netloc}", "https://github.com")
    page = re.sub(r"(<!-- experiment-bot:[a-z]+) \S+( -->)", r"\1 …\2", page)
    return re.sub(r"(#issuecomment-)[0-9]+", r"\1…", page)
