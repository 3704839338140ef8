"""A time as people say it."""


def duration(seconds: float) -> str:
    """In the two largest of its units: 42 s, 3 min 5 s, 2 h 4 min, 3 d 2 h."""
    whole = round(seconds)
    for large, small, length, part in (("d", "h", 86400, 3600), ("h", "min", 3600, 60), ("min", "s", 60, 1)):
        if whole >= length:
            return f"{whole // length} {large} {whole % length // part} {small}"
    return f"{whole} s"
