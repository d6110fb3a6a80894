"""The dashboard: pages rendered on the server, live where there is JavaScript.

`page.py` declares pages and gives each handler a Visit; every other module holds the pages of one
subject and is found by its `pages`. Pages change things by the operations of the API, as its
callers do, so there is one set of rules and of messages.
"""

from bot.dashboard.page import application_routes

__all__ = ["application_routes"]
