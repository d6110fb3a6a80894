"""Settings that matter for security: what a start finds changed is told in the audit."""

from bot import storage as store
from bot.domain import audit
from bot.domain.actors import SYSTEM
from bot.services import Services


async def note(services: Services) -> None:
    """Record how these settings differ from those that the service last started with."""
    now = services.settings.audited()
    target = audit.Target("settings", "environment", "environment")

    def job(tx: store.Transaction) -> None:
        before = store.audit.settings(tx)
        if before == now:
            return
        if before:
            audit.record_change(tx, SYSTEM, audit.SETTINGS_CHANGED, target, before, now)
        else:
            audit.record(tx, SYSTEM, audit.SETTINGS_CHANGED, target, None, now)
        store.audit.set_settings(tx, now)

    await services.database.write(job)
