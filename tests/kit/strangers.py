"""Pull requests of people who may not write to a public repository, and what they are told."""

from typing import Any

from tests.kit.outbound import REPOSITORY, Scene, check_of

KEY, OVER = "checkout-flow-v2", "old-banner"
NAME, OWNER = "One page checkout", "growth-team"
TYPO = "checkout-flow-v3"
BODY = f"experiment_key: {KEY}, {OVER}, {TYPO}"
PERMISSION = "GET /repos/{owner}/{repo}/collaborators/{username}/permission"

HOW = """<details><summary>How to link</summary>

Add a line like this to the description of a pull request to link it, and remove it to unlink \
it:

```
experiment_key: checkout-flow-v2
```

</details>"""


def insider_comment(scene: Scene) -> str:
    base = f"{scene.bot.services.settings.public_url}/experiments"
    return f"""| Experiment | Key | Status | Owner |
| --- | --- | --- | --- |
| [`One page checkout`]({base}/{KEY}) | `{KEY}` | 🟢 active | `growth-team` |
| [`The old banner`]({base}/{OVER}) | `{OVER}` | 🏁 completed |  |

- No experiment has the key `{TYPO}`. Did you mean `{KEY}`?

{HOW}"""


STRANGER_COMMENT = f"""- There is an experiment with the key `{KEY}`.
- There is an experiment with the key `{OVER}`.
- No experiment has the key `{TYPO}`.

{HOW}"""
INSIDER_SUMMARY = (
    f"- No experiment has the key `{TYPO}`. Did you mean `{KEY}`?\n\n"
    "Correct the key in the description, or create the experiment."
)
STRANGER_SUMMARY = (
    f"- No experiment has the key `{TYPO}`.\n\n"
    "Correct the key in the description, or create the experiment."
)
INSIDE = (NAME, "The old banner", OWNER, "active", "completed", "Did you mean", "Closest")


async def experiments(scene: Scene) -> None:
    await scene.bot.experiment(KEY, name=NAME, status="active", owner=OWNER)
    await scene.bot.experiment(OVER, name="The old banner", status="completed")


def comment(scene: Scene, number: int) -> str:
    """Return the one status comment, without the marker that tells it is ours."""
    (found,) = [one for one in scene.comments(number) if "experiment-bot:status" in one]
    return found.partition("\n\n<!-- experiment-bot:status")[0]


async def from_fork(
    scene: Scene, body: str = BODY, author: str = "mallory", association: str = "NONE", **more: Any
) -> int:
    """Let somebody open a pull request from a fork, and deliver it; return its number."""
    number = scene.github.open_pull(
        REPOSITORY,
        title="Mine",
        body=body,
        author=author,
        head_repo=f"{author}/shop",
    ).number
    await tell(scene, number, association=association, **more)
    return number


async def tell(
    scene: Scene,
    number: int,
    action: str = "opened",
    *,
    association: str | None = "NONE",
    repository: dict[str, Any] | None = None,
    pull: dict[str, Any] | None = None,
) -> None:
    """Deliver a pull request; `repository` and `pull` are changes, None takes a field out."""
    payload = scene.payload(action, number)
    payload["pull_request"]["author_association"] = association
    for changed, changes in (
        (payload["repository"], repository),
        (payload["pull_request"]["base"]["repo"], repository),
        (payload["pull_request"], pull),
    ):
        for name, value in (changes or {}).items():
            changed.pop(name, None)
            if value is not None or name == "user":
                changed[name] = value
    answer = await scene.bot.deliver(scene.integration, "pull_request", payload)
    assert answer.status == 200, answer.body


def texts_of(scene: Scene, number: int) -> str:
    return f"{scene.comments(number)} {check_of(scene, number)}"


def assert_nothing_is_told(text: str) -> None:
    assert [word for word in INSIDE if word in text] == []
