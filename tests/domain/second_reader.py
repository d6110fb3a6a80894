"""Reads Markdown with parsers that the product does not use, to have a second opinion.

markdown-it-py is a port of markdown-it, which follows CommonMark; html.parser is Python's own. Both
share nothing with GitHub's parser and the browser's that the product reads by.
"""

import re
from html.parser import HTMLParser

from markdown_it import MarkdownIt


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
_HIDDEN = _names("blockquote pre samp kbd del s strike q script style textarea h1 h2 h3 h4 h5 h6")
_CODE = _names("code tt")
_BLOCKS = _names("p div li ul ol details summary section center table thead tbody tr td th hr br")
_INVISIBLE = "\u200b"
_KEY_LINE = re.compile(r"(?i)\s*(?:[-*+]\s+|[0-9]+[.)]\s+)*(?:\[[ x]\]\s+)?experiment[ _-]key\s*:")


class _Shown(HTMLParser):
    """Gathers the lines that are shown: each begins where a block or a line of the source does."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines = [""]
        self._opened: list[tuple[str, bool]] = []  # quotes and code, and whether each hides
        self._linked = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in _BLOCKS or tag in _HIDDEN:
            self.lines.append("")
        if tag in _HIDDEN or (tag in _CODE and self._is_over_lines(tag)):
            self._opened.append((tag, True))
        elif tag in _CODE:
            self._opened.append((tag, False))
            self.lines[-1] += "`"
        self._linked = self._linked or tag == "a"

    def handle_endtag(self, tag: str) -> None:
        if tag in _BLOCKS or tag in _HIDDEN:
            self.lines.append("")
        if tag in _HIDDEN or tag in _CODE:
            self._close(tag)
        if tag == "a":
            self._linked = False

    def _close(self, tag: str) -> None:
        at = max((at for at, one in enumerate(self._opened) if one[0] == tag), default=None)
        if at is not None and not self._opened.pop(at)[1]:
            self.lines[-1] += "`"

    def parse_comment(self, i: int, report: bool = True) -> int:
        """Let a comment end as browsers do; Python's idea of it changes with its version."""
        end = self.rawdata.find("-->", i + 4)
        return end + 3 if end >= 0 else -1

    def handle_data(self, data: str) -> None:
        if not any(hides for _, hides in self._opened):
            first, *rest = data.split("\n")
            # What is linked may be a key, and is no key line.
            self.lines[-1] += first.replace(":", "\N{RATIO}") if self._linked else first
            self.lines += rest

    def _is_over_lines(self, tag: str) -> bool:
        line, column = self.getpos()
        rest = "\n".join(self.rawdata.split("\n")[line - 1 :])[column:]
        return "\n" in rest[: rest.find(f"</{tag}")]


def lines(markdown: str) -> list[str]:
    """Return the lines of a text that are shown as its author's words, without decoration."""
    shown = _Shown()
    shown.feed(_MARKDOWN.render(markdown.replace(_INVISIBLE, "")))
    shown.close()
    return shown.lines


def names(markdown: str, key: str) -> bool:
    """Tell whether a key line names a key."""
    for line in lines(markdown):
        plain = re.sub(r"[*`]", "", line)
        if match := _KEY_LINE.match(plain):
            return key in [one.strip() for one in plain[match.end() :].split(",")]
    return False


def commands(markdown: str, key: str) -> bool:
    """Tell whether a command names a key: inline code is code, and stays as it is here."""
    return any(
        line.strip().lower() == f"/experiment link {key}".lower() for line in lines(markdown)
    )
