"""The reader of pages finds what is wrong in a bad one."""

from tests.kit import markup


def test_the_reader_sees_what_is_wrong() -> None:
    good = (
        "<!doctype html><html lang=en><head><title>A · B</title></head><body><main>"
        "<h1>A</h1>{}</main></body></html>"
    )
    assert markup.troubles(good.format("")) == []
    for bad in (
        "<x-evil>a</x-evil>",
        "<p onclick=x>a</p>",
        "<p style=x>a</p>",
        "<script>x</script>",
        "<a href=javascript:x>a</a>",
        "<a href=//example.com>a</a>",
        "<a href=https://example.com>a</a>",
        "<a href=/x></a>",
        "<input id=a name=a>",
        "<p id=a>a</p><p id=a>b</p>",
        "<h3>a</h3>",
        "<h1>a</h1>",
        "<form method=post action=/x><button>a</button></form>",
        "<table><tr><th>a</th></tr></table>",
        "<img src=/x>",
        "<label for=none>a</label>",
        "<b><i>a</b></i>",
        "<details><p>a</p></details>",
        "<!-- a -->",
        "<iframe src=/x></iframe>",
        "<div data-live>a</div>",
        "<ul id=a data-live><li><a href=/x>a</a></li></ul>",
    ):
        assert markup.troubles(good.format(bad)), bad
