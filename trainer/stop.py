"""How a command that is asked to stop leaves what it is doing."""


class Stopped(BaseException):
    """It was asked to stop, and what has to be kept is saved.

    No Exception: it may come in the midst of a library that catches all of them to go on.
    """
