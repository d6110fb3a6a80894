"""What is taken for an e-mail address, and hidden."""

# ruff: noqa: RUF001  (signs that look like another)

import pytest

from bot.emails import name_without_email, without_emails

HIDDEN = {
    "plain": ("jane@example.com", ""),
    "in a sentence": ("Ask jane@example.com about it", "Ask  about it"),
    "without a domain": ("Seen by root@buildhost", "Seen by "),
    "of this machine": ("jane@localhost", ""),
    "in a trailer": ("Signed-off-by: Jane <jane@example.com>", "Signed-off-by: Jane"),
    "in a trailer, of a machine": ("Acked-by: root <root@buildhost>", "Acked-by: root"),
    "of a number": ("Co-authored-by: J <jane@10.0.0.1>", "Co-authored-by: J"),
    "of a number alone": ("jane@10.0.0.1", ""),
    "of a number in brackets": ("jane@[10.0.0.1]", ""),
    "of a longer number": ("<jane@[IPv6:fe80::1]>", ""),
    "in brackets like a version": ("M <m@v4>", "M"),
    "bold": ("**jane@example.com**", "****"),
    "italic": ("_jane@example.com_", ""),
    "in backticks": ("`jane@example.com`", "``"),
    "a link": ("[Jane](mailto:jane@example.com)", "[Jane]()"),
    "its own link": ("[jane@localhost](mailto:jane@localhost)", "[]()"),
    "an autolink": ("<mailto:jane@localhost>", ""),
    "before a full stop": ("By jane@localhost.", "By ."),
    "before a comma": ("jane@a.example, joe@b.example: both", ", : both"),
    "before other signs": ("(jane@localhost)! jane@x? jane@y; 'jane@z'", "()! ? ; ''"),
    "in quotation marks": ('"jane@localhost"', '""'),
    "with a quoted name": ('"jane doe"@example.com', ""),
    "with a quoted name in brackets": ('J <"jane doe"@example.com>', "J"),
    "with an apostrophe": ("o'brien@example.com", ""),
    "with a plus": ("a+b@x", ""),
    "with a percent sign": ("user%host@relay.example", ""),
    "with dots": ("first.last@mail.example.co.uk", ""),
    "no ASCII": ("möp@exämple.com дима@пример.рф 用户@例子.公司", "  "),
    "punycode": ("jane@xn--exmple-cua.com", ""),
    "digits as a domain": ("jane@163.com jane@3com.com jane@4chan.example", "  "),
    "a domain like a version": ("jane@v2.example.com", ""),
    "in an address of a page": ("https://jane@example.com/x", "https:///x"),
    "with a password": ("ssh://jane@buildhost/x", "ssh:///x"),
    "in a query": ("?mail=jane%40example.com&x", "?mail=&x"),
    "as an entity": ("jane&#64;example.com jane&commat;localhost jane&#x40;x", "  "),
    "escaped": ("jane\\@example.com", ""),
    "wide": ("jane＠example.com", ""),
    "with a break": ("jane@\u200bexample.com", ""),
    "many signs": ("jane@x@y", "@y"),
    "of the bot of an App": ("1+x[bot]@users.noreply.github.com", ""),
    "of that bot, in a trailer": ("By: x[bot] <1+x[bot]@users.noreply.github.com>", "By: x[bot]"),
    "of a container": ("Built by root@3f2a1b4c5d6e", "Built by "),
    "like a branch": ("root@main root@v2-builder", " "),
    "of this machine, below a path": ("a/jane@localhost b/jane@LocalHost.localdomain", "a/ b/"),
}
KEPT = [
    "@mona",
    "(@mona) cc @acme/team, thanks",
    "react@18.2.0",
    "react@18",
    "react@18.x next@15.0.0-canary.12 spring@5.3.0.RELEASE",
    "pkg@^1.2 pkg@~1.2 pkg@>=1 pkg@*",
    "Bump actions/checkout@v4 to actions/checkout@v5",
    "uses: acme/shop/.github/workflows/x.yml@release-1",
    "actions/checkout@8f4b7f84864484a7bf31766abe9204da3cbe65b3",
    "go get example.com/x@8f4b7f8",
    "checkout@v4",
    "lodash@latest, lodash@next",
    "@scope/pkg@next @scope/pkg@1.2.3",
    "@scope/pkg@some-branch",
    "node:20@sha256:0123",
    "user@{upstream} HEAD@{1} main@{2 days ago}",
    "git@github.com:acme/shop.git",
    "ssh://git@github.com/acme/shop.git",
    "org-123@github.com:acme/shop.git",
    "icon@2x.png icon@1.5x.webp",
    "https://medium.com/@jane/x",
    "https://unpkg.com/react@18/umd",
    "a @ b",
    "@@ -1,2 +1,2 @@",
    "x<y> <>",
    "50%",
]


@pytest.mark.parametrize("text, expected", HIDDEN.values(), ids=HIDDEN.keys())
def test_addresses_are_hidden(text: str, expected: str) -> None:
    """Whatever they look like."""
    assert without_emails(text) == expected


@pytest.mark.parametrize("text", KEPT)
def test_what_only_looks_like_one_is_kept(text: str) -> None:
    """Versions, mentions, revisions and addresses of repositories."""
    assert without_emails(text) == text


@pytest.mark.parametrize(
    "name, expected",
    [
        ("Jane Doe", "Jane Doe"),
        ("jane@example.com", None),
        ("root@buildhost", None),
        ("jane@v4", None),
        ("jane@latest", None),
        ("git@example.com", None),
        ("Jane <jane@10.0.0.1>", "Jane"),
        ("Jane (jane@localhost)", "Jane ()"),
        ("@jane", "@jane"),
        ("", None),
        (None, None),
    ],
)
def test_addresses_as_names(name: str | None, expected: str | None) -> None:
    """A name is none, whatever it looks like."""
    assert name_without_email(name) == expected


def test_something_may_stand_instead() -> None:
    text = "Jane <jane@example.com>, joe@localhost, react@18.2.0"
    assert without_emails(text, "(hidden)") == "Jane <(hidden)>, (hidden), react@18.2.0"


def test_of_a_text_full_of_signs_whole_words_go() -> None:
    """It is no person's; mentions stay."""
    text = "Subject\n\n" + "@mona jane@localhost\nreact@18.2.0 x@\n" * 1_000
    assert without_emails(text) == "Subject\n\n" + "@mona \n \n" * 1_000
