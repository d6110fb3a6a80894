"""Whether a delivery comes from the GitHub that its integration is of."""

from collections.abc import Iterable

from bot import storage as store
from bot.domain.integrations import Integration
from bot.github import names
from bot.services import Services


def is_another(told: Iterable[str], integration: Integration) -> bool:
    """Tell whether X-GitHub-Enterprise-Host, as often as it is given, names another host."""
    expected = names.without_port(integration.host)
    return any(names.without_port(one.strip().lower()) != expected for one in told)


async def tell(services: Services, integration: Integration) -> str:
    """Show with an integration that another GitHub has delivered; return what is said."""
    detail = (
        f"The delivery comes from another GitHub than {names.without_port(integration.host)}, "
        "which the integration's api_url belongs to: set its api_url, or point the webhook at "
        "another integration."
    )
    await services.database.write(
        lambda tx: store.integrations.set_last_error(
            tx, integration.id, detail, store.integrations.HOST
        )
    )
    services.forget_integration(integration.id)  # so that the next good one takes it back
    return detail
