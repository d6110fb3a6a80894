"""The only place that talks to GitHub, and knows its words; it imports nothing of ours above it."""

from bot.github.client import Client
from bot.github.clients import Credentials, GitHub
from bot.github.failures import (
    CallFailed,
    Hindrance,
    Limited,
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
    "NoToken",
    "NotListed",
    "Refused",
    "Shut",
    "Temporary",
]
