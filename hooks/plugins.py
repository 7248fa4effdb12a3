"""How an installed package adds protocols: pluggy, entry point group ``remora``. For trusted code only.

A package names a module in its metadata::

    [project.entry-points.remora]
    my_protocol = "my_package.remora"

and the module implements ``remora_dissectors``, marked with ``hookimpl``. The built-in dissectors come the same way.
"""

from __future__ import annotations

from collections.abc import Sequence

import pluggy

PROJECT = "remora"
"""Name of the pluggy project and of the entry point group."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def remora_dissectors() -> Sequence[object]:  # type: ignore[empty-body] # a specification
    """Rows of the protocol table (``engine.dissect.table.ProtocolRow``), in the order in which they are asked.

    When:   once, when a process that dissects starts.
    Where:  in that process, with its privileges.
    Budget: none; a plug-in that raises stops the start with a message that names it.
    """
