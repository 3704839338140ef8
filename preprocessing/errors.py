"""The user's mistake: what a command reports in one line and ends with exit code 2."""


class InputError(ValueError):
    """Input or configuration that no retry can mend; the message names what, where and what was expected."""
