"""The dashboard: pages rendered on the server, live where there is JavaScript.

`page.py` declares pages and gives each handler a Visit; every other module holds the pages of one
subject and is found by its `pages`. Pages change things by the functions of `bot/operations`, as
the API does, so there is one set of rules; `forms.py` tells people why a form was refused.
"""

from bot.dashboard.page import application_routes

__all__ = ["application_routes"]
