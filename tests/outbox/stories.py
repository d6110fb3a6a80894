"""A key, and the calls that a linked pull request leads to."""

KEY = "checkout-flow-v2"
LINE = f"experiment_key: {KEY}"
COMMENTS = "POST /repos/{owner}/{repo}/issues/{issue_number}/comments"
