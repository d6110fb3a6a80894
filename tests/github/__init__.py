"""A GitHub of the tests' own: the part of its REST API that the bot uses, over HTTP on loopback.

It keeps state as GitHub does (repositories, issues, pull requests, comments, labels, check runs,
statuses, hooks, Apps, installations, tokens, rate limits), checks every request against GitHub's
description of its API if that file is at hand, logs them, and fails in any way a test asks for.
A module for each subject has what is kept of it, how it looks, and the requests about it.

    github = await GitHub.start()
    github.add_repository("acme/shop")
    github.add_token("ghp_secret", "octocat")
    ...
    assert github.violations == []
    await github.close()
"""

from tests.github.faults import (
    Fault,
    diff_too_large,
    primary_limit,
    secondary_limit,
    secondary_limit_bare,
)
from tests.github.server import GitHub
from tests.github.sign_in import SignIn
from tests.github.values import CONVERT, MINT, REPO, new_rsa_key, rsa_key, sha_of

__all__ = [
    "CONVERT",
    "MINT",
    "REPO",
    "Fault",
    "GitHub",
    "SignIn",
    "diff_too_large",
    "new_rsa_key",
    "primary_limit",
    "rsa_key",
    "secondary_limit",
    "secondary_limit_bare",
    "sha_of",
]
