"""Carries out what the bot owes GitHub: the kinds of action, and the runner of queues.

An action is a function registered for its kind. It may be run again after any crash or timeout,
so it looks for what an earlier attempt may have left before it creates anything.
"""
