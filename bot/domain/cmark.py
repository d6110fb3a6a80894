"""Renders Markdown to HTML as GitHub does, by GitHub's own parser (cmark-gfm).

The bindings neither free what they have parsed nor what they have rendered: every text would cost
memory for good. So the library that they ship is called here directly.
"""

import ctypes
import threading
from collections.abc import Callable
from typing import Any

from cmarkgfm import cmark

_OPTIONS = cmark.Options.CMARK_OPT_UNSAFE | cmark.Options.CMARK_OPT_SOURCEPOS
_EXTENSIONS = ("table", "autolink", "strikethrough", "tasklist")

_library = ctypes.CDLL(cmark._cmark.__file__)
_pointer, _size, _text = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p


def _function(name: str, result: type | None, *arguments: type) -> Callable[..., Any]:
    function: Any = getattr(_library, name)
    function.restype, function.argtypes = result, arguments
    return function  # type: ignore[no-any-return]


_find_extension = _function("cmark_find_syntax_extension", _pointer, _text)
_new_parser = _function("cmark_parser_new", _pointer, ctypes.c_int)
_attach = _function("cmark_parser_attach_syntax_extension", ctypes.c_int, _pointer, _pointer)
_feed = _function("cmark_parser_feed", None, _pointer, _text, _size)
_finish = _function("cmark_parser_finish", _pointer, _pointer)
_attached = _function("cmark_parser_get_syntax_extensions", _pointer, _pointer)
_render = _function("cmark_render_html", _pointer, _pointer, ctypes.c_int, _pointer)
_free_node = _function("cmark_node_free", None, _pointer)
_free_parser = _function("cmark_parser_free", None, _pointer)
_free = ctypes.CDLL(None).free
_free.restype, _free.argtypes = None, [_pointer]

cmark.core_extensions_ensure_registered()
_by_name = {name: _find_extension(name.encode()) for name in _EXTENSIONS}

# While it parses, the library keeps in global tables which characters mean something.
_one_at_a_time = threading.Lock()


def render(markdown: str, *, without: frozenset[str] = frozenset()) -> str:
    """Return `markdown` as HTML, whose blocks say in `data-sourcepos` where they stand in it.

    HTML is passed through, whatever it is. `without` names extensions to leave out.
    """
    data = markdown.encode("utf-8", "replace")
    with _one_at_a_time:
        parser = _new_parser(_OPTIONS)
        for name, extension in _by_name.items():
            if name not in without:
                _attach(parser, extension)
        _feed(parser, data, len(data))
        root = _finish(parser)
        rendered = _render(root, _OPTIONS, _attached(parser))
        html = ctypes.string_at(rendered).decode("utf-8", "replace")
        _free(rendered)
        _free_node(root)
        _free_parser(parser)
    return html
