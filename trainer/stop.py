"""How a run that is asked to stop leaves its loops."""


class Stopped(Exception):
    """The run was asked to stop, and what has to be kept is saved."""
