"""`/setup`: registers the GitHub App from `app.yml` and stores it as an integration."""

from bot.setup.pages import application

__all__ = ["application"]
