"""Reads a page as a strict browser would, and says what is wrong with it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# What the dashboard is made of. Anything else in a page has come with what it shows.
ELEMENTS = _set(
    """html head meta title link script body header footer main nav section div span p a b i em
    strong code pre kbd h1 h2 h3 h4 ul ol li dl dt dd table caption thead tbody tfoot tr th td form
    fieldset legend label input select option optgroup textarea button details summary time img
    article figure figcaption progress meter hr br small abbr bdi svg"""
)
# Parts of drawings, which charts are; nothing in them links or runs.
DRAWING = _set(
    """g path rect circle line polyline polygon text tspan title desc defs clippath use style
    marker symbol ellipse"""
)
VOID = _set("meta link input img hr br")
ADDRESSES = ("href", "src", "action", "formaction", "xlink:href", "poster", "data")
NAMED_BY = (
    "aria-labelledby",
    "aria-describedby",
    "aria-controls",
    "aria-owns",
    "for",
    "form",
    "list",
)
CONTROLS = frozenset(("input", "select", "textarea"))


@dataclass
class Element:
    """An element with what is in it."""

    tag: str
    attributes: dict[str, str]
    parent: "Element | None" = None
    children: list["Element"] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def __getitem__(self, name: str) -> str:
        return self.attributes.get(name, "")

    def walk(self) -> Iterator["Element"]:
        yield self
        for child in self.children:
            yield from child.walk()

    def all(self, *tags: str) -> list["Element"]:
        return [one for one in self.walk() if one.tag in tags]

    def above(self, *tags: str) -> "Element | None":
        """Return the nearest element around this one that is one of `tags`."""
        around = self.parent
        while around is not None and around.tag not in tags:
            around = around.parent
        return around

    @property
    def text(self) -> str:
        return " ".join("".join(text for one in self.walk() for text in one.texts).split())


class Reader(HTMLParser):
    """Builds the tree; tags that do not fit together are remembered."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.root = self.at = Element("", {})
        self.troubles: list[str] = []
        self.declared = ""
        self.feed(text)
        self.close()
        if self.at is not self.root:
            self.troubles.append(f"<{self.at.tag}> is never closed")

    def handle_decl(self, decl: str) -> None:
        self.declared = decl

    def handle_comment(self, data: str) -> None:
        self.troubles.append(f"a comment: {data[:40]!r}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if len(set(names)) != len(names):
            self.troubles.append(f"<{tag}> has an attribute twice")
        new = Element(tag, {name: value or "" for name, value in attrs}, self.at)
        self.at.children.append(new)
        if tag not in VOID:
            self.at = new

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != self.at.tag:
            self.troubles.append(f"</{tag}> within <{self.at.tag}>")
        elif self.at.parent is not None:
            self.at = self.at.parent

    def handle_data(self, data: str) -> None:
        self.at.texts.append(data)


def read(text: str) -> Element:
    return Reader(text).root


def troubles(text: str) -> list[str]:
    """Return everything that is wrong with a page."""
    reader = Reader(text)
    found = list(reader.troubles)
    if reader.declared.lower() != "doctype html":
        found.append("no doctype")
    for check in (_frame, _foreign, _addresses, _ids, _live, _names, _forms, _tables):
        found += check(reader.root)
    return found


def _frame(root: Element) -> Iterator[str]:
    """Its language, title, headings and landmarks."""
    for tag in ("html", "main", "h1"):
        if len(root.all(tag)) != 1:
            yield f"{len(root.all(tag))} times <{tag}>"
    if not all(one["lang"] for one in root.all("html")):
        yield "no language"
    titles = [one for one in root.all("title") if not one.above("svg")]
    if len(titles) != 1 or len(titles[0].text.split("·")) < 2:
        yield "no title of its own"
    level = 0
    for heading in root.all("h1", "h2", "h3", "h4"):
        if int(heading.tag[1]) > level + 1:
            yield f"<{heading.tag}> {heading.text[:40]!r} after <h{level}>"
        if not heading.text:
            yield f"an empty <{heading.tag}>"
        level = int(heading.tag[1])


def _foreign(root: Element) -> Iterator[str]:
    """What the policy forbids, and what no template of ours holds."""
    for one in root.walk():
        drawn = one.above("svg") is not None
        if one.tag and one.tag not in (ELEMENTS | DRAWING if drawn else ELEMENTS):
            yield f"<{one.tag}>"
        if one.tag == "script" and (not one["src"] or one.text):
            yield "a script within the page"
        if one.tag == "style" and one.text:
            yield "a style within the page"
        if one.tag == "meta" and one["http-equiv"]:
            yield f"<meta http-equiv={one['http-equiv']}>"
        for name in one.attributes:
            if name.startswith("on") or name in ("style", "srcdoc", "ping", "background"):
                yield f"<{one.tag} {name}>"


def _addresses(root: Element) -> Iterator[str]:
    """Links stay here or lead into the web."""
    for one in root.walk():
        for name in ADDRESSES:
            if name not in one.attributes:
                continue
            address = one[name]
            parts = urlsplit(address)
            local = address.startswith(("/", "#", "?")) and not address.startswith(("//", "/\\"))
            if not local and parts.scheme not in ("http", "https"):
                yield f"<{one.tag} {name}={address[:60]!r}>"
            if not local and one.tag in ("script", "link", "img", "use"):
                yield f"<{one.tag}> from elsewhere"
            if not local and one.tag == "a" and "noopener" not in one["rel"].split():
                yield f"no rel=noopener: {address[:60]!r}"
            if any(ord(sign) < 33 or sign == "\\" for sign in address):
                yield f"an address that is none: {address[:60]!r}"


def _ids(root: Element) -> Iterator[str]:
    ids = Counter(one["id"] for one in root.walk() if "id" in one.attributes)
    for identifier, count in ids.items():
        if count > 1 or not identifier or any(sign.isspace() for sign in identifier):
            yield f"id {identifier!r}, {count} times"
    for one in root.walk():
        named = [name for by in NAMED_BY for name in one[by].split()]
        if one.tag == "a" and one["href"].startswith("#"):
            named.append(one["href"][1:])
        for name in named:
            if name not in ids:
                yield f"<{one.tag}> names {name!r}, which is not there"


def _live(root: Element) -> Iterator[str]:
    """What changes while somebody looks at it is known again by an id, not by its place."""
    for region in (one for one in root.walk() if "data-live" in one.attributes):
        if not region["id"]:
            yield f"<{region.tag} data-live> without an id"
        for one in region.all("a", "button", "summary"):
            around = [one]
            while (parent := around[-1].parent) is not None and parent is not region:
                around.append(parent)
            tags = {element.tag for element in around}
            is_entry = tags & {"li", "tr", "article"} and "thead" not in tags
            if is_entry and not any(element["id"] for element in around):
                yield f"<{one.tag}> {one.text[:40]!r} in a live list, in nothing that has an id"


def _names(root: Element) -> Iterator[str]:
    """Everything that is used has a name, and nothing to press is within another."""
    labelled = {one["for"] for one in root.all("label")}
    for one in root.all("a", "button", "summary", "svg", "img", "nav", *CONTROLS):
        name = one["aria-label"] or one["aria-labelledby"]
        if one.tag in ("a", "button", "summary"):
            name = name or one.text or "".join(image["alt"] for image in one.all("img"))
            if one.above("a", "button"):
                yield f"<{one.tag}> {one.text[:40]!r} within a link or a button"
        elif one.tag == "svg":
            name = name or one["aria-hidden"] or "".join(part.text for part in one.all("title"))
        elif one.tag == "img":
            name = name or ("decoration" if "alt" in one.attributes else "")
        elif one.tag in CONTROLS:
            is_seen = one["type"] != "hidden" and "hidden" not in one.attributes
            inside = one.above("label")
            name = name or (inside.text if inside else "")
            if not is_seen or one["id"] in labelled:
                continue
        if not name:
            yield f"<{one.tag}> without a name: {one.attributes}"
    for one in root.all("details"):
        if [child.tag for child in one.children].count("summary") != 1:
            yield "<details> without its one <summary>"


def _forms(root: Element) -> Iterator[str]:
    for one in root.all("form"):
        if one["method"].lower() == "post" and not one.above("form"):
            hidden = [field["name"] for field in one.all("input") if field["type"] == "hidden"]
            if hidden.count("csrf") != 1 and not one["action"].startswith(("http", "/sign-in")):
                yield f"no csrf in the form to {one['action']}"
        if one.above("form"):
            yield "a form within a form"
        buttons = [*one.all("button"), *(b for b in root.all("button") if b["form"] == one["id"])]
        if not buttons:
            yield f"no button in the form to {one['action']}"


def _tables(root: Element) -> Iterator[str]:
    for one in root.all("th"):
        if one["scope"] not in ("col", "row"):
            yield f"<th> {one.text[:40]!r} without a scope"
    for one in root.all("table"):
        if not one.all("th"):
            yield "a table without headings"


def fields_of(form: Element, text: str) -> dict[str, str]:
    """Return what a form would send with `text` typed wherever something can be."""
    filled: dict[str, Any] = {}
    for one in form.all("input", "select", "textarea", "button"):
        name, kind = one["name"], one["type"]
        if not name or "disabled" in one.attributes:
            continue
        if one.tag == "select":
            options = one.all("option")
            chosen = [option for option in options if "selected" in option.attributes]
            if options:
                filled[name] = (chosen or options)[0]["value"]
        elif kind in ("checkbox", "radio"):
            if "checked" in one.attributes:
                filled[name] = one["value"] or "on"
        elif one.tag == "button":
            filled.setdefault(name, one["value"])
        elif kind == "hidden":
            filled[name] = one["value"]
        else:
            filled[name] = text
    return filled
