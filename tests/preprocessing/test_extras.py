import re
import sys
from collections.abc import Callable

import pytest

from jobs import describe, detect, report, score, watch
from preprocessing.errors import InputError


@pytest.mark.parametrize(
    ("main", "arguments", "package", "extra"),
    [
        (describe.main, ["data", "--html", "page.html"], "matplotlib", "describe"),
        (describe.main, ["data", "--html", "page.html"], "jinja2", "describe"),
        (report.main, ["run", "other"], "matplotlib", "describe"),
        (score.main, ["run", "--html", "page.html"], "jinja2", "describe"),
        (watch.main, ["run"], "rich", "describe"),
        (detect.main, ["train", "run", "--to", "detector.json"], "sklearn", "detect"),
        (detect.main, ["evaluate", "run", "detector.json"], "sklearn", "detect"),
        (detect.main, ["evaluate", "run", "detector.json"], "matplotlib", "describe"),
    ],
)
def test_a_command_names_the_missing_package_and_its_extra_before_the_work(
    main: Callable[[list[str]], None],
    arguments: list[str],
    package: str,
    extra: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    expected = f"needs {package}, which is not installed: it is in the extra `{extra}`"
    with pytest.raises(InputError, match=f"^{re.escape(expected)}$"):
        main(arguments)
