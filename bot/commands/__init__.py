"""Commands in comments, registered by decorator, and found without a list.

A command is a function that is given a Run, changes things through the domain in the transaction
it is in, and returns what to reply, in Markdown, or None. It raises Refusal to say no; nothing of
it is kept then. It uses no network: what GitHub has to do becomes an action.
"""

from bot.commands.document import document
from bot.commands.registry import Command, Misuse, Refusal, Run, command, load, registered

__all__ = ["Command", "Misuse", "Refusal", "Run", "command", "document", "load", "registered"]
