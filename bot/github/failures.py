"""What can become of a call to GitHub that did not succeed, and which of it a wait can mend."""


class CallFailed(Exception):
    """A call to GitHub did not succeed. The message is for people and holds no secret."""


class Temporary(CallFailed):
    """No answer, or one that says that GitHub is not well: try again later.

    The call may have taken effect all the same.
    """


class Limited(CallFailed):
    """GitHub asks for a pause, or we make one of our own accord; nothing took effect.

    `seconds` is how long, None if nobody says.
    """

    def __init__(self, message: str, seconds: float | None) -> None:
        super().__init__(message)
        self.seconds = seconds


class Refused(CallFailed):
    """GitHub says no, and would say so again: somebody has to do something first.

    `lags`: it does not know what was asked for, which it may yet, if a delivery has just named it.
    """

    def __init__(self, message: str, status: int, *, lags: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.lags = lags


class Shut(Refused):
    """A conversation is locked, or a repository archived: it may be opened again."""


class NotListed(Refused):
    """The address is not in GITHUB_API_URLS (any more): nothing was called."""
