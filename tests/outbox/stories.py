"""A key, and the calls that a linked pull request leads to."""

from tests.github import REPO

KEY = "checkout-flow-v2"
LINE = f"experiment_key: {KEY}"
COMMENTS = f"POST {REPO}/issues/{{issue_number}}/comments"
