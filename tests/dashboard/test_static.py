"""The files that pages load."""

import hashlib
import re
from pathlib import Path

STATIC = Path(__file__).parents[2] / "bot" / "dashboard" / "static"


def test_what_is_not_ours_is_as_it_was_published() -> None:
    """Beside each minified file stands a note that says what it is, and under which licence."""
    files = list(STATIC.glob("*.min.*"))
    assert files
    for file in files:
        note = (STATIC / f"{file.name.partition('.')[0]}.md").read_text()
        digest = re.search(r"\| SHA-256 \| `([0-9a-f]{64})` \|", note)
        assert digest is not None and digest[1] == hashlib.sha256(file.read_bytes()).hexdigest()
        assert re.search(r"\| Version \| \d+\.\d+\.\d+ \|", note) and "licence" in note
