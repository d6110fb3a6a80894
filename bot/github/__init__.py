"""The only place that talks to GitHub, and knows its words; it imports nothing of ours above it."""

from bot.github.client import Client
from bot.github.clients import GitHub
from bot.github.credentials import Credentials
from bot.github.failures import CallFailed, Limited, NotListed, Refused, Shut, Temporary

__all__ = [
    "CallFailed",
    "Client",
    "Credentials",
    "GitHub",
    "Limited",
    "NotListed",
    "Refused",
    "Shut",
    "Temporary",
]
