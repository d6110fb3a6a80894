"""Spellings and patterns that a repository switches on, and what a vocabulary is."""

import subprocess
import sys

import pytest

from bot.code.fillings import why_unusable
from bot.code.matching import Reference, references
from bot.code.spellings import Spelling
from bot.code.vocabulary import Rules, Vocabulary

EXPERIMENTS = [("checkout-flow.v2", ["coFlow"]), ("b", [])]


def lines(rules: Rules, text: str, path: str = "a.ts") -> list[int]:
    found = references(Vocabulary(EXPERIMENTS, rules), path, text.encode())
    return sorted({one.line for one in found})


@pytest.mark.parametrize(
    "spelling, right, wrong",
    [
        ("camel", "checkoutFlowV2 coFlow", "checkoutFlowV2x xcheckoutFlowV2 checkoutFlowV2$ éb"),
        ("pascal", "CheckoutFlowV2 CoFlow", "checkoutFlowV2 CheckoutFlowV23 _CheckoutFlowV2"),
        ("snake", "checkout_flow_v2 co_flow", "checkout_flow_v2_ CHECKOUT_FLOW_V2 bé"),
        ("upper_snake", "CHECKOUT_FLOW_V2 CO_FLOW", "CHECKOUT_FLOW_V2_X checkout_flow_v2"),
        ("kebab", "checkout-flow-v2 co-flow", "checkout-flow-v2-x b-b b_ -co-flow co-flow1"),
    ],
)
def test_spellings(spelling: Spelling, right: str, wrong: str) -> None:
    """A whole identifier counts outside of comments, nothing else; and none while it is off."""
    text = "\n".join(
        [*(f"x({one})" for one in right.split()), *(f"x({one})" for one in wrong.split())]
    )
    assert lines(Rules(aliases=(spelling,)), text) == [1, 2]
    assert lines(Rules(aliases=(spelling,)), f"/*\n{text} */") == []
    assert lines(Rules(), text) == []


def test_what_is_written_is_the_alias() -> None:
    vocabulary = Vocabulary([("new-flow", ["nf"])], Rules(aliases=("camel",)))
    assert references(vocabulary, "a.js", b"'new-flow', newFlow, newFlow, 'nf'\nnf") == [
        Reference(1, "new-flow", None),
        Reference(1, "new-flow", "newFlow"),
        Reference(1, "new-flow", "nf"),
        Reference(2, "new-flow", "nf"),
    ]


def test_who_shares_an_alias_is_referred_to_too() -> None:
    vocabulary = Vocabulary([("one", ["both"]), ("two", ["both"])])
    found = references(vocabulary, "a.js", b"'both'")
    assert [one.key for one in found] == ["one", "two"]


@pytest.mark.parametrize(
    "pattern, right, wrong",
    [
        ("use( KEY )", "use( b )|use(  \tcoFlow  )|x.use( checkout-flow.v2 )", "use(b)|reuse( b )"),
        (
            "Flags.KEY",
            "Flags.b|Flags.b.on|Flags.checkout-flow.v2|a.Flags.coFlow",
            "Flags.b1|Flag.b",
        ),
        ("KEY()", "b()|x.b()|checkout-flow.v2()", "xb()|b ()|bb()"),
        ("flags.KEY.on", "flags.b.on|flags.checkout-flow.v2.on", "flags.b.only|flags.x.b.on"),
        ("isKEYOn", "isbOn|x.isbOn()", "isbOnly|thisbOn"),
    ],
)
def test_patterns(pattern: str, right: str, wrong: str) -> None:
    rules = Rules(patterns=(pattern,))
    good, bad = right.split("|"), wrong.split("|")
    assert lines(rules, "\n".join(good)) == [*range(1, len(good) + 1)]
    assert lines(rules, "\n".join(bad)) == []
    assert lines(rules, "\n".join(f"// {one}" for one in good)) == []


def test_patterns_take_spellings_too() -> None:
    rules = Rules(aliases=("pascal",), patterns=("isKEYOn",))
    assert lines(rules, "isCheckoutFlowV2On isB") == [1]


@pytest.mark.parametrize("pattern", ["KEY", " KEY ", "use()", "KEY KEY.", "x" * 300 + "KEY"])
def test_patterns_that_say_too_little_are_not_used(pattern: str) -> None:
    assert why_unusable(pattern)
    assert lines(Rules(patterns=(pattern,)), "b use() b b.") == []


def test_digests_are_the_same_everywhere() -> None:
    program = """
from bot.code.vocabulary import Rules, Vocabulary
print(Vocabulary([("b", ["x", "y"]), ("a", [])], Rules(aliases=("camel",))).digest)
"""
    digest = subprocess.check_output([sys.executable, "-c", program], text=True).strip()
    rules = Rules(aliases=("camel",))
    assert Vocabulary([("a", []), ("b", ["y", "x"])], rules).digest == digest
    assert Vocabulary([("a", ["x"]), ("b", ["y"])], rules).digest != digest
    assert Vocabulary([("a", []), ("b", ["y", "x"])]).digest != digest


def test_nothing_to_look_for() -> None:
    assert not Vocabulary([])
    assert references(Vocabulary([], Rules(patterns=("x KEY",))), "a.js", b"'x' x b") == []
