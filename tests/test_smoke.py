from bot.demo import payloads
from tests.running import Bot


async def test_a_delivery_links(bot: Bot) -> None:
    integration = await bot.integration()
    repo = payloads.repository("acme/shop")
    payload = payloads.pull_request(
        "opened", 7, "2026-03-02T10:00:00Z", repo=repo, body="experiment_key: a"
    )
    answer = await bot.deliver(integration, "pull_request", payload)
    assert (answer.status, answer.body) == (200, {"processed": True})
    await bot.experiment("a")
    assert [
        one["number"] for one in (await bot.get("/api/v1/experiments/a/pull-requests")).items
    ] == [7]
