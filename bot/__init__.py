"""Experiment Bot: links GitHub pull requests, commits and issues to experiments."""

__version__ = "0.2.0"
