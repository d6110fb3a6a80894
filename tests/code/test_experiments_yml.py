"""`.github/experiments.yml` as a text: what it says, and what is wrong with it, and where."""

import time
from typing import Any

import pytest
import yaml
from jsonschema_rs import Draft202012Validator

from bot.code import experiments_yml
from bot.code.experiments_yml import Code, Environments, Settings, owner_of, parse
from tests.kit.marks import sqlite_only
from tests.kit.running import Bot

WHOLE = b"""# yaml-language-server: $schema=https://bot.example/api/v1/experiments-yml.schema.json
code:
  include: [services/, "*.ts"]
  exclude:
    - "**/generated/**"
    - '!services/keep/generated/'
  aliases: [camel, upper_snake]
  patterns: ['useExperiment("KEY")', Flags.KEY]
owners:
  "*": web team
  services/checkout/: '@acme/checkout'
environments:
  production: [live, "eu-*"]
comments: once
label: ab-test
check: required
cleanup: on
"""
SAYS = Settings(
    code=Code(
        include=("services/", "*.ts"),
        exclude=("**/generated/**", "!services/keep/generated/"),
        aliases=("camel", "upper_snake"),
        patterns=('useExperiment("KEY")', "Flags.KEY"),
    ),
    owners={"*": "web team", "services/checkout/": "@acme/checkout"},
    environments=Environments(production=("live", "eu-*")),
    comments="once",
    label="ab-test",
    check="required",
    cleanup="on",
)

GOOD: list[tuple[bytes, Settings]] = [
    (WHOLE, SAYS),
    (WHOLE.replace(b"\n", b"\r\n"), SAYS),
    (b"\xef\xbb\xbf" + WHOLE, SAYS),
    (b"", Settings()),
    (b"# nothing yet\n---\n", Settings()),
    # In YAML 1.1 these are booleans, and no words.
    (
        b"comments: on\ncheck: off\ncleanup: Off",
        Settings(comments="on", check="off", cleanup="off"),
    ),
    (b"comments: true\ncleanup: false", Settings(comments="on", cleanup="off")),
    (b"check: 'on'", Settings(check="on")),
    (b"code: off", Settings(code="off")),
    (b"code: on", Settings(code="on")),
    (b"label: null", Settings(label=None)),
    (b"label: off", Settings(label=None)),
    (b"label: 'no'", Settings(label="no")),
    (b"code: {include: &a [a/], exclude: *a}", Settings(code=Code(("a/",), ("a/",)))),
]

# What is wrong, where, and words that say so.
BAD: list[tuple[bytes, tuple[int, int, str], str]] = [
    (b"chekc: on", (1, 1, ""), 'no setting "chekc": did you mean "check"?'),
    (b"code:\n  includes: []", (2, 3, "code"), 'did you mean "include"?'),
    (b"zebra: on", (1, 1, ""), "known are code, owners"),
    (b"comments: loud", (1, 11, "comments"), 'one of off, on, once, not "loud"'),
    (b"comments: yes", (1, 11, "comments"), 'not "yes"'),
    (b"code: yes", (1, 7, "code"), "must be a mapping, or one of"),
    (b"check: On\ncheck: off", (2, 1, "check"), "stands here twice"),
    (b"owners:\n  a/: x\n  a/: y", (3, 3, "owners[a/]"), "stands here twice"),
    (b"code:\n  aliases: [camle]", (2, 13, "code.aliases[0]"), 'did you mean "camel"'),
    (b"code:\n  include: src/", (2, 12, "code.include"), 'must be a list, such as ["src/"]'),
    (b"code:\n  include:\n", (2, 11, "code.include"), "has no value"),
    (b"code: {include: [a, 12]}", (1, 21, "code.include[1]"), 'a number to YAML: write "12"'),
    (b"code: {include: [no]}", (1, 18, "code.include[0]"), 'a boolean to YAML: write "no"'),
    (b"owners: {a/: 2026-01-01}", (1, 14, "owners[a/]"), "a date to YAML"),
    (b"code:\n  include:\n    - #tmp", (3, 6, "code.include[0]"), "what follows # is a comment"),
    (b"code: {include: ['#tmp']}", (1, 18, "code.include[0]"), "no pattern of gitignore"),
    (b"code: {include: ['']}", (1, 18, "code.include[0]"), "must not be empty"),
    (b"code: {patterns: [isOn()]}", (1, 19, "code.patterns[0]"), "KEY"),
    (b"code: {patterns: [KEY]}", (1, 19, "code.patterns[0]"), "more in it than KEY"),
    (b"code: {exclude: [{a: b}]}", (1, 18, "code.exclude[0]"), "is a mapping to YAML"),
    (b"label: " + b"x" * 51, (1, 8, "label"), "at most 50 characters"),
    (b"label: '..'", (1, 8, "label"), "cannot be taken off"),
    (b"label: ' x'", (1, 8, "label"), "printable"),
    (b"environments: production", (1, 15, "environments"), "must be a mapping"),
    (b"- code", (1, 1, ""), "must be a mapping"),
    # What is no YAML, mostly for want of quotes
    (b"code:\n  include:\n    - *.py", (3, 7, ""), "In YAML, * begins a reference"),
    (b"code: {include: [*src]}", (1, 18, ""), '"*src" refers to nothing'),
    (b"owners:\n  a/: @acme/web", (2, 7, ""), "no text begins with @"),
    (b"code:\n  exclude:\n    - !keep/", (3, 7, ""), "is a tag of YAML"),
    (b'code:\n  patterns:\n    - "use("KEY")"', (3, 7, ""), "Put one that has \" in it between '"),
    (b"code:\n\tinclude: []", (2, 1, ""), "indented with spaces"),
    (b"check: on\n---\ncheck: off", (2, 1, ""), "second document"),
    (b"? [a]\n: b", (1, 5, ""), "A name is expected here"),
    (b"check: on\nlabel: \xff", (2, 8, ""), "not in UTF-8"),
    (b"label: a\x00", (1, 9, ""), "U+0000"),
    (b'code:\n  exclude: ["a\\ud800"]', (2, 13, ""), "U+D800"),
    (b'owners:\n  "a\\0": x', (2, 3, ""), "U+0000"),
    (b'code:\n  exclude: ["\\U00110000"]', (1, 1, ""), "a character that there is not"),
    (b"a: &a [*a]", (1, 8, ""), "refers to nothing"),
    (b"[" * 1_000, (1, 11, ""), "more than 10 levels deep"),
    (b"#" * (64 * 1024 + 1), (1, 1, ""), "larger than 64 KB"),
]


@pytest.mark.parametrize(("text", "says"), GOOD)
def test_what_a_file_says(text: bytes, says: Settings) -> None:
    assert parse(text) == (says, [])


@pytest.mark.parametrize(("text", "place", "words"), BAD)
def test_what_is_wrong(text: bytes, place: tuple[int, int, str], words: str) -> None:
    settings, problems = parse(text)
    assert settings is None
    (problem,) = problems
    assert (problem.line, problem.column, problem.path) == place
    assert words in problem.message
    assert problem.message.endswith((".", "?")) and problem.message.isprintable()


def test_all_is_told_in_the_order_of_the_lines() -> None:
    text = b"check: loud\ncode:\n  aliases: [x, camel, y]\nlable: a\n"
    _, problems = parse(text)
    assert [(one.line, one.column) for one in problems] == [(1, 8), (3, 13), (3, 23), (4, 1)]
    assert len(parse(b"\n".join(b"x%d: 1" % one for one in range(500)))[1]) == 50


def test_aliases_of_aliases_cost_little() -> None:
    """A billion laughs, in a place where lists are read."""
    lines = ["a0: &a0 {include: [x]}"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    lines += ["code: {include: *a8}"]
    begun = time.process_time()
    settings, problems = parse("\n".join(lines).encode())
    assert settings is None and problems
    many = "owners: &o {" + ", ".join(f"'{n}': x" for n in range(500)) + "}\n"
    assert parse(many.encode())[0] is not None
    assert parse(many.encode() + b"code: {include: [" + b"*o, " * 199 + b"]}")[0] is None
    assert time.process_time() - begun < 30  # not the age of the universe


def test_whose_a_file_is() -> None:
    """The last pattern that matches counts, as in CODEOWNERS."""
    assert owner_of(SAYS, "services/checkout/a/b.ts") == "@acme/checkout"
    assert owner_of(SAYS, "web/index.ts") == "web team"
    assert owner_of(Settings(owners={"web/": "web"}), "api/x.py") is None
    assert owner_of(Settings(), "api/x.py") is None


# --- The schema that editors complete the file by

# It cannot tell what a list of names is too little for: gitignore, the number of KEYs, printable.
UNTOLD = ("no pattern of gitignore", "more in it than KEY", "cannot be taken off", "printable")


@sqlite_only
async def test_the_schema_says_the_same(bot: Bot) -> None:
    answer = await bot.get("/api/v1/experiments-yml.schema.json", token=None)
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("application/schema+json")
    assert answer.body["$id"].endswith("/api/v1/experiments-yml.schema.json")
    validator = Draft202012Validator(answer.body)

    def fits(text: bytes) -> bool:
        return validator.is_valid(plain(text))

    for text, _ in GOOD:
        assert fits(text), text
    told = [text for text, place, words in BAD if place[2] and words not in UNTOLD]
    of_yaml = (b"check: On", b"a/: x", b"[no]", b"2026")  # twice, and what JSON has not
    told = [text for text in told if not any(one in text for one in of_yaml)]
    assert len(told) > 10
    for text in told:
        assert not fits(text), text
    assert not fits(b"chekc: on") and not fits(b"- code")


def plain(text: bytes) -> Any:
    """Return what a reader of YAML 1.1 makes of it, but for `yes` and `no`, as editors read it."""

    class Loader(yaml.SafeLoader):
        pass

    Loader.yaml_implicit_resolvers = {
        first: [one for one in found if first not in [*"yYnN"] or not one[0].endswith("bool")]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    loaded = yaml.load(text.decode("utf-8-sig"), Loader)
    return {} if loaded is None else loaded


def test_every_setting_is_described() -> None:
    found = experiments_yml.schema("https://bot.example/x")

    def undescribed(part: Any, path: str) -> list[str]:
        properties = part.get("properties", {})
        missing = [
            f"{path}.{name}"
            for name, one in properties.items()
            if "description" not in one and "$ref" not in one
        ]
        return missing + [
            name for one in properties.items() for name in undescribed(one[1], one[0])
        ]

    assert undescribed(found, "") == []
    assert all("description" in part for part in found["$defs"].values())
