"""Whether the clock of this machine agrees with GitHub's."""

from bot.doctor.examination import Examination, Stage, look
from bot.doctor.findings import Findings, ok, problem, warning

_SKEW, _APP_SKEW = 30, 60  # seconds


@look(Stage.AFTERWARDS, "clock")
async def clock(exam: Examination) -> Findings:
    if exam.drift is None:
        return
    seconds = round(abs(exam.drift))
    if seconds <= _SKEW:
        yield ok("The clock of this machine agrees with GitHub's.")
        return
    where = "behind" if exam.drift > 0 else "ahead of"
    message = f"The clock of this machine is {seconds} seconds {where} GitHub's"
    remedy = "Let NTP set the clock, for example with `timedatectl set-ntp true`."
    if exam.credential == "app" and seconds > _APP_SKEW:
        yield problem(f"{message}: more than GitHub allows the tokens that an App signs.", remedy)
    else:
        yield warning(f"{message}.", remedy)
