"""Whether what GitHub could not deliver can be read from its API."""

from bot import storage as store
from bot.doctor.examination import Examination, Stage, look


@look(Stage.AFTERWARDS, "recovery")
async def recovery(exam: Examination) -> None:
    """Tell what the last sweep could not have."""
    integration_id = exam.integration.id
    sweep = await exam.services.database.read(lambda tx: store.sweeps.find(tx, integration_id))
    for one in sweep.troubles if sweep is not None else ():
        where = one.where[:1].upper() + one.where[1:]
        exam.warning(
            f"{where}: {one.reason}. What GitHub could not deliver is not recovered from there.",
            one.remedy or "Ask for recovery again, or wait for the next sweep.",
        )
