"""The only place that talks to GitHub, and knows its words; it imports nothing of ours above it."""

from bot.github.client import Client
from bot.github.clients import Credentials, GitHub
from bot.github.failures import (
    CallFailed,
    Hindrance,
    Limited,
    NoQueries,
    NotListed,
    NoToken,
    Refused,
    Shut,
    Temporary,
)

__all__ = [
    "CallFailed",
    "Client",
    "Credentials",
    "GitHub",
    "Hindrance",
    "Limited",
    "NoQueries",
    "NoToken",
    "NotListed",
    "Refused",
    "Shut",
    "Temporary",
]
