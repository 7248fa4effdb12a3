"""``make fidelity``: compare every capture of ``$REMORA_CORPUS`` and write ``docs/fidelity.md``.

Ends with 1 where a difference is not explained, an explained one is gone, or too many captures differ.
"""

from __future__ import annotations

import sys

from tests.fidelity.corpus import IS_SET, UNSET
from tests.fidelity.report import MOST_THAT_DIFFER, PAGE, Result, page, result


def _complain(found: Result) -> bool:
    for what, differences in (("not explained", found.unexplained), ("explained and gone", found.gone)):
        for one in differences:
            print(f"{what}: {one.capture}: {one.quantity}\n  ours:   {one.ours}\n  theirs: {one.theirs}")
    if found.share > MOST_THAT_DIFFER:
        print(f"expected at most {MOST_THAT_DIFFER:.0%} of the captures to differ, got {found.share:.1%}")
    return bool(found.unexplained or found.gone) or found.share > MOST_THAT_DIFFER


def main() -> int:
    """The exit code."""
    if not IS_SET:
        print(UNSET)
        return 1
    found = result()
    if _complain(found):
        return 1
    PAGE.write_text(page(found), encoding="utf-8")
    print(f"{len(found.differing)} of {len(found.compared)} captures differ ({found.share:.1%}); {PAGE} tells why")
    return 0


if __name__ == "__main__":
    sys.exit(main())
