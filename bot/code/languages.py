"""The families of languages, from what families.py describes; names.py has the files of each."""

import re

from bot.code.families import (
    BACKTICK,
    C_COMMENTS,
    DOUBLE,
    HASH,
    HASH_WORD,
    NOT_IN_WORD,
    NOT_SHORT,
    SINGLE,
    STARRED,
    Family,
    block,
    close,
    family,
    heredoc,
    literal,
    plain,
    to_end_of_line,
    until,
)
from bot.code.fillings import WORD

_PAIRS = {b"(": b")", b"[": b"]", b"{": b"}", b"<": b">", b"|": b"|", b"!": b"!", b"/": b"/"}
_TRIPLE_DOUBLE = literal("triple_double", b'"""', b'"""', spans=True)
_TRIPLE_SINGLE = literal("triple_single", b"'''", b"'''", spans=True)
_DOUBLE_SPANS = literal("double", b'"', b'"', spans=True)
_SINGLE_SPANS = literal("single", b"'", b"'", spans=True)
_SINGLE_AS_IT_IS = literal("single", b"'", b"'", spans=True, escape=b"")
_SQL_SINGLE = literal("single", b"'", b"'", spans=True, escape=b"", doubled=True)
_SQL_DOUBLE = literal("double", b'"', b'"', escape=b"", doubled=True)
_CHARACTER = plain("character", rb"'(?:\\u\{[0-9a-fA-F]{1,6}\}|\\x..|\\.|[^\\'\n]{1,4})'")
_NESTED_STARRED = block("starred", rb"/\*", b"*/", nested=b"/*")
_HEREDOC = rb"<<(?!<)[-~]?[ \t]*(?P<quote>[\"'`\\]?)(?P<word>[A-Za-z_][A-Za-z0-9_]*)(?P=quote)?"
_HEREDOC_TIGHT = rb"(?<![<\w])<<[-~]?(?P<quote>[\"'`]?)(?P<word>[A-Z_][A-Za-z0-9_]*)(?P=quote)"


C = family(
    "c",
    *C_COMMENTS,
    literal("raw", rb'R"\(', b')"', escape=b"", spans=True),
    DOUBLE,
    SINGLE,
    dollar=True,
    stars=True,
)
JAVA = family("java", *C_COMMENTS, _TRIPLE_DOUBLE, DOUBLE, SINGLE, dollar=True, stars=True)
CSHARP = family(
    "csharp",
    *C_COMMENTS,
    literal("raw", b'"""', b'"""', escape=b"", spans=True),
    literal(
        "verbatim_holes",
        rb'(?:\$@|@\$)"',
        b'"',
        escape=b"",
        doubled=True,
        spans=True,
        inside=b"{",
        twice=True,
    ),
    literal("verbatim", rb'@"', b'"', escape=b"", doubled=True, spans=True),
    literal("holes", rb'\$"', b'"', inside=b"{", twice=True),
    DOUBLE,
    SINGLE,
    stars=True,
)
GO = family(
    "go",
    *C_COMMENTS,
    literal("backtick", b"`", b"`", escape=b"", spans=True),
    DOUBLE,
    SINGLE,
    stars=True,
)
JVM = family(
    "kotlin",
    *C_COMMENTS[:1],
    _NESTED_STARRED,
    C_COMMENTS[2],
    literal("triple_double", b'"""', b'"""', escape=b"", spans=True, inside=b"${"),
    literal("triple_single", b"'''", b"'''", spans=True, inside=b"${"),
    literal("double", b'"', b'"', inside=b"${"),
    literal("single", NOT_IN_WORD + b"'", b"'", inside=b"${"),
    BACKTICK,
    stars=True,
)
SWIFT = family(
    "swift",
    *C_COMMENTS[:1],
    _NESTED_STARRED,
    C_COMMENTS[2],
    literal("raw", rb'#"', b'"#', escape=b"", spans=True),
    literal("triple_double", b'"""', b'"""', spans=True, inside=rb"\("),
    literal("double", b'"', b'"', inside=rb"\("),
    stars=True,
)
JS = family(
    "javascript",
    *C_COMMENTS,
    literal("regex", rb"/(?![/*>])", b"/", regex=True, kind="plain"),
    literal("double", b'"', b'"'),
    literal("single", NOT_SHORT + b"'", b"'"),
    literal("template", b"`", b"`", spans=True, inside=b"${"),
    dollar=True,
    stars=True,
)
RUST = family(
    "rust",
    *C_COMMENTS[:1],
    _NESTED_STARRED,
    C_COMMENTS[2],
    literal("raw3", rb'r###"', b'"###', escape=b"", spans=True),
    literal("raw2", rb'r##"', b'"##', escape=b"", spans=True),
    literal("raw1", rb'r#"', b'"#', escape=b"", spans=True),
    literal("raw", rb'\bb?r"', b'"', escape=b"", spans=True),
    _DOUBLE_SPANS,
    _CHARACTER,
    stars=True,
)
CSS = family("css", *C_COMMENTS, DOUBLE, literal("single", b"'", b"'"), stars=True)
PHP_CODE = family(
    "php code",
    *C_COMMENTS,
    to_end_of_line("hash", rb"#(?!\[)"),
    heredoc("heredoc", rb"<<<[ \t]*(?P<quote>[\"']?)(?P<word>[A-Za-z_][A-Za-z0-9_]*)(?P=quote)"),
    literal("double", b'"', b'"', spans=True, inside=b"{$"),
    _SINGLE_SPANS,
    stars=True,
)
HCL = family(
    "terraform",
    *C_COMMENTS,
    HASH,
    heredoc("heredoc", _HEREDOC),
    literal("double", b'"', b'"', inside=b"${"),
)
PYTHON = family(
    "python",
    HASH,
    *(
        literal(
            f"{'f' if formatted else ''}{name}",
            (rb"(?<![%s])(?:[fFtT][rR]?|[rR][fFtT])" % WORD if formatted else b"") + quote,
            quote,
            spans=len(quote) > 1,
            inside=b"{" if formatted else b"",
            twice=formatted,
        )
        for formatted in (True, False)
        for name, quote in (
            ("triple_double", b'"""'),
            ("triple_single", b"'''"),
            ("double", b'"'),
            ("single", b"'"),
        )
    ),
)
SHELL = family(
    "shell",
    plain("escaped", rb"\\."),
    HASH_WORD,
    heredoc("heredoc", rb"(?<!<)" + _HEREDOC),
    literal("ansi", rb"\$'", b"'", spans=True),
    literal("double", b'"', b'"', spans=True, inside=b"$("),
    _SINGLE_AS_IT_IS,
)
POWERSHELL = family(
    "powershell",
    plain("escaped", b"`."),
    block("block", b"<#", b"#>"),
    close("block_end", b"#>"),
    HASH_WORD,
    literal("here_double", rb'@"[ \t]*$', b'\n"@', escape=b"", spans=True),
    literal("here_single", rb"@'[ \t]*$", b"\n'@", escape=b"", spans=True),
    literal("double", b'"', b'"', escape=b"`", doubled=True, spans=True, inside=b"$("),
    _SQL_SINGLE,
)
RUBY = family(
    "ruby",
    block("block", rb"^=begin\b", b"\n=end"),
    close("block_end", rb"^=end\b"),
    plain("character", rb"(?<![\w)\]])\?(?:\\.|[^\s\w])"),
    HASH,
    heredoc("heredoc", _HEREDOC_TIGHT),
    until("percent", rb"%[qQwWiIrxs][(\[{<|!]", _PAIRS),
    literal("regex", b"/", b"/", regex=True, kind="plain"),
    literal("double", b'"', b'"', spans=True, inside=b"#{"),
    literal("backtick", b"`", b"`", spans=True, inside=b"#{"),
    _SINGLE_SPANS,
)
PERL = family(
    "perl",
    block("block", rb"^=(?:pod|head\d|begin|over|item|for|encoding)\b", b"\n=cut"),
    close("block_end", rb"^=cut\b"),
    plain("escaped", rb"\\."),
    HASH_WORD,
    heredoc("heredoc", rb"<<~?(?P<quote>[\"'])(?P<word>[A-Za-z_]\w*)(?P=quote)"),
    until("percent", rb"(?<![\w$@%&>])q[qwr]?[ ]?[(\[{<|!/]", _PAIRS),
    _DOUBLE_SPANS,
    literal("single", NOT_IN_WORD + b"'", b"'", spans=True),
    BACKTICK,
)
ELIXIR = family(
    "elixir",
    plain("character", rb"(?<![\w)\]])\?(?:\\.|[\"'])"),
    HASH,
    literal("triple_double", b'"""', b'"""', spans=True, inside=b"#{"),
    literal("triple_single", b"'''", b"'''", spans=True, inside=b"#{"),
    literal("double", b'"', b'"', spans=True, inside=b"#{"),
    literal("single", NOT_IN_WORD + b"'", b"'", inside=b"#{"),
)
JULIA = family(
    "julia",
    block("block", b"#=", b"=#", nested=b"#="),
    HASH,
    literal("triple_double", b'"""', b'"""', spans=True, inside=b"$("),
    literal("double", b'"', b'"', spans=True, inside=b"$("),
    _CHARACTER,
    BACKTICK,
)
# R, Nim, GraphQL, Starlark and others with a # and no more.
HASHED = family("hash", HASH, _TRIPLE_DOUBLE, _TRIPLE_SINGLE, DOUBLE, SINGLE, BACKTICK)
NIX = family(
    "nix", HASH, STARRED, literal("indented", b"''", b"''", escape=b"", spans=True), _DOUBLE_SPANS
)
# Makefiles, Dockerfiles and settings of servers: a # that begins a word.
LINES = family("lines", plain("escaped", rb"\\."), HASH_WORD, DOUBLE, SINGLE)
SQL = family(
    "sql", to_end_of_line("dashes", b"--"), *C_COMMENTS[1:], _SQL_SINGLE, _SQL_DOUBLE, BACKTICK
)
LUA = family(
    "lua",
    block("block", rb"--\[\[", b"]]"),
    block("block1", rb"--\[=\[", b"]=]"),
    to_end_of_line("dashes", b"--"),
    literal("brackets", rb"\[\[", b"]]", escape=b"", spans=True, kind="plain"),
    DOUBLE,
    literal("single", b"'", b"'"),
)
HASKELL = family(
    "haskell",
    block("block", rb"\{-", b"-}", nested=b"{-"),
    close("block_end", rb"-\}"),
    to_end_of_line("dashes", rb"--+(?![!#$%&*+./<=>?@\\^|~:])"),
    _CHARACTER,
    _TRIPLE_DOUBLE,
    DOUBLE,
)
ADA = family("ada", to_end_of_line("dashes", b"--"), _CHARACTER, _SQL_DOUBLE)
LISP = family(
    "lisp",
    plain("character", rb"\\[^\s]"),
    block("block", rb"#\|", b"|#", nested=b"#|"),
    to_end_of_line("semicolon", b";"),
    _DOUBLE_SPANS,
)
ERLANG = family(
    "erlang",
    plain("character", rb"\$(?:\\.|[\"'%])"),
    to_end_of_line("percent", b"%"),
    _DOUBLE_SPANS,
    SINGLE,
)
ML = family(
    "ml",
    block("block", rb"\(\*(?!\))", b"*)", nested=b"(*"),
    close("block_end", rb"\*\)"),
    to_end_of_line("slashes", rb"(?<!:)//"),
    _CHARACTER,
    _TRIPLE_DOUBLE,
    _DOUBLE_SPANS,
)
PASCAL = family(
    "pascal",
    to_end_of_line("slashes", b"//"),
    block("braces", rb"\{", b"}"),
    block("block", rb"\(\*", b"*)"),
    literal("single", b"'", b"'", escape=b"", doubled=True),
)
BASIC = family("basic", to_end_of_line("apostrophe", b"'"), _SQL_DOUBLE)
FORTRAN = family("fortran", to_end_of_line("mark", b"!"), _SQL_DOUBLE, SINGLE)
BATCH = family(
    "batch", to_end_of_line("rem", rb"(?i:^[ \t]*@?(?:rem\b|::))"), literal("double", b'"', b'"')
)
UNKNOWN = family("unknown", DOUBLE, SINGLE, BACKTICK)

# What is quoted in markup counts wherever it stands: templates have expressions in attributes
# (`:on="flag('key')"`) and in text. Quotes around it are therefore no literal of their own.
_SHORT = rb"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
_QUOTED = (
    literal("double", rb'"(?=%s")' % _SHORT, b'"'),
    literal("single", rb"'(?=%s')" % _SHORT, b"'"),
    literal("backtick", rb"`(?=%s`)" % _SHORT, b"`"),
)
_MARKUP_COMMENTS = (
    block("markup", rb"<!--", b"-->"),
    close("markup_end", b"-->"),
    block("jsp", rb"<%--", b"--%>"),
    block("erb", rb"<%#", b"%>"),
    block("handlebars_long", rb"\{\{!--", b"--}}"),
    block("handlebars", rb"\{\{!", b"}}"),
    block("razor", rb"@\*", b"*@"),
)
_ISLANDS = (
    rb"(?:<script\b[^>]*>)(?P<script>.*?)(?=</script|\Z)|<style\b[^>]*>(?P<style>.*?)(?=</style|\Z)"
)


def _in_markup(found: re.Match[bytes]) -> Family:
    return JS if found.lastgroup == "script" else CSS


MARKUP = family(
    "markup", *_MARKUP_COMMENTS, *_QUOTED, islands=_ISLANDS, island_family=_in_markup, dollar=True
)
TEMPLATES = family(
    "templates",
    *_MARKUP_COMMENTS,
    block("jinja", rb"\{#", b"#}"),
    *_QUOTED,
    islands=_ISLANDS,
    island_family=_in_markup,
)
PHP = family(
    "php",
    *_MARKUP_COMMENTS[:2],
    *_QUOTED,
    islands=rb"<\?(?:php\b|=|(?!xml))(?P<php>.*?)(?=\?>|\Z)",
    island_family=lambda found: PHP_CODE,
)
JSON = family("json", *C_COMMENTS, DOUBLE, literal("single", b"'", b"'"))
TOML = family(
    "toml",
    HASH,
    _TRIPLE_DOUBLE,
    literal("triple_single", b"'''", b"'''", escape=b"", spans=True),
    DOUBLE,
    literal("single", b"'", b"'", escape=b""),
)
