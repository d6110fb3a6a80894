"""Where GitHub should deliver to, and whether it can, as far as the address itself tells."""

import ipaddress
from urllib.parse import urlsplit

WEBHOOK_PATH = "/api/v1/integrations/{integration_id}/webhook/github"


def webhook_url(public_url: str, integration_id: str) -> str:
    """Return the address to which GitHub sends the deliveries of an integration."""
    return public_url + WEBHOOK_PATH.format(integration_id=integration_id)


def is_local(public_url: str) -> bool:
    """Tell whether an address means this very machine, so that nobody else can reach it."""
    host = _host(public_url)
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = _ip(host)
    return address is not None and (address.is_loopback or address.is_unspecified)


def unreachable(public_url: str, api_url: str) -> str | None:
    """Return why a GitHub cannot reach an address; None if nothing is known against it.

    An Enterprise Server may well be in the same private network.
    """
    if is_local(public_url):
        return "it is this machine itself"
    host, github = _host(public_url), _host(api_url)
    if github != "api.github.com" and not github.endswith(".ghe.com"):
        return None
    if (address := _ip(host)) is not None:
        return None if address.is_global else "it is an address of a private network"
    is_private = "." not in host or host.endswith((".local", ".internal", ".lan", ".home.arpa"))
    return "it is a name of a private network" if is_private else None


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").rstrip(".")


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
