"""Why a request failed, in few words: libraries wrap the cause several times and quote whole URLs around it."""

from __future__ import annotations


def reason(error: BaseException) -> str:
    """The innermost cause, such as ``ConnectionRefusedError: Connection refused``."""
    innermost, deeper = error, _cause(error)
    while deeper is not None and deeper is not innermost:
        innermost, deeper = deeper, _cause(deeper)
    words = getattr(innermost, "strerror", None)
    return f"{type(innermost).__name__}: {words}" if words else type(innermost).__name__


def _cause(error: BaseException) -> BaseException | None:
    """urllib3 and requests say it in ``reason`` or as their first argument."""
    candidates = (getattr(error, "reason", None), *error.args[:1], error.__cause__, error.__context__)
    return next((found for found in candidates if isinstance(found, BaseException)), None)
