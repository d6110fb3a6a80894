"""The only place that talks to GitHub: gidgethub's client with our authentication and manners."""

from bot.github.client import Client, GitHub
from bot.github.failures import CallFailed, Limited, NotListed, Refused, Shut, Temporary

__all__ = [
    "CallFailed",
    "Client",
    "GitHub",
    "Limited",
    "NotListed",
    "Refused",
    "Shut",
    "Temporary",
]
