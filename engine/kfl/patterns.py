"""Regular expressions: the one place that knows whose they are."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable


class PatternError(ValueError):
    """Not a regular expression; its text says why."""


def compile_pattern(text: str) -> Callable[[str], object]:
    """A function that finds ``text`` anywhere in a string; what it returns is true if it did.

    Raises:
        PatternError: ``text`` is not a regular expression.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about constructs that may change their meaning one day
            return re.compile(text).search
    except RecursionError:
        raise PatternError("nested too deeply") from None
    except (re.error, OverflowError) as error:
        raise PatternError(str(error)) from None
