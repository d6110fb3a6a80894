"""How many bytes a process holds that have come from others and are not done with."""

MOST_HELD = 256 * 1024 * 1024  # of all together
MOST_OF_LARGE = MOST_HELD - 32 * 1024 * 1024  # the rest is for small requests


class InFlight:
    """What is held: of requests that are not answered, and of large answers of GitHub's.

    One in a process, made by `services.shared`.
    """

    def __init__(self, _: object = None) -> None:
        self.held = 0
