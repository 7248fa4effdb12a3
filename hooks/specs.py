"""Every moment a script or an installed package can listen to; a script listens by defining a function of that name."""

from __future__ import annotations

import inspect
import sys
from types import FunctionType
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from hooks.items import Item, PacketInfo

PROJECT = "remora"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def onPacketCaptured(info: PacketInfo) -> None:
    """Called once per captured packet, whatever protocol it carries.

    When:   in capture order, before the items that the packet completes.
    Where:  in the script's own child; jobs and hooks of one script never overlap.
    Budget: 200 ms of CPU, then the call is abandoned; 1 s of CPU or 60 s of wall time, then the child is replaced.
            At more than some 10,000 packets a second, count here and do the work in a job.
    """


@hookspec
def onItemCaptured(data: Item) -> None:
    """Called once per item, after its last byte was dissected.

    When:   in the order in which exchanges finish, which is not the order in which they began.
    Where:  in the script's own child; jobs and hooks of one script never overlap.
    Budget: 200 ms of CPU, then the call is abandoned; 1 s of CPU or 60 s of wall time, then the child is replaced.
            The stream's PCAP is promised until the call is acknowledged, and for its TTL after.
    """


@hookspec
def onItemQueried(data: Item) -> Item | dict[str, Any] | None:
    """Called before somebody is shown an item of a running instance; what it returns is shown instead, if anything.

    When:   while the asker (``remora show``, ``remora query --data``) waits, two seconds at most.
    Where:  in the script's own child; jobs and hooks of one script never overlap.
    Budget: 200 ms of CPU, then the call is abandoned; 1 s of CPU or 60 s of wall time, then the child is replaced.
    """


@hookspec
def onJobPassed(tag: str, cron: str, limit: int) -> None:
    """Called after a job of this script returned.

    When:   after the job, before the next hook; not where the job cost the child its life.
    Where:  in the script's own child; jobs and hooks of one script never overlap.
    Budget: 200 ms of CPU, then the call is abandoned; beyond that the budget of the job.
    """


@hookspec
def onJobFailed(tag: str, cron: str, limit: int, err: str) -> None:
    """Called after a job of this script raised or was abandoned; ``err`` says why.

    When:   after the job, before the next hook; not where the job cost the child its life.
    Where:  in the script's own child; jobs and hooks of one script never overlap.
    Budget: 200 ms of CPU, then the call is abandoned; beyond that the budget of the job.
    """


@hookspec
def onLogCall(level: str, msg: str) -> None:
    """Called for each line that any script writes to the console.

    When:   within about 100 ms after the line was written; lines that an ``onLogCall`` writes are told to nobody. Where
            512 lines wait for a script, further ones are dropped and counted.
    Where:  in the script's own child; jobs and hooks of one script never overlap.
    Budget: 200 ms of CPU, then the call is abandoned; for some lines together, the budget of a job.
    """


@hookspec
def onStreamClosed(stream: str) -> None:
    """Called when a stream ended: closed, reset or idle.

    When:   after the last item of the stream.
    Where:  in the script's own child; jobs and hooks of one script never overlap.
    Budget: 200 ms of CPU, then the call is abandoned; 1 s of CPU or 60 s of wall time, then the child is replaced.
            The stream's PCAP is promised until the call is acknowledged, and for its TTL after.
    """


@hookspec
def onShutdown() -> None:
    """Called once, before the script's process ends in an orderly way.

    When:   after the last item and, where the input has ended, after one last run of each job.
    Where:  in the script's own child; helpers still work.
    Budget: 5 s of wall time for all scripts together, 10 s of CPU.
    """


@hookspec
def onHubAction(action: str, object: Any) -> None:
    """Called when a script somewhere called ``hub.action``.

    When:   there is no hub here. Nothing fires it yet.
    Where:  in the script's own child; jobs and hooks of one script never overlap.
    Budget: 200 ms of CPU, then the call is abandoned; 1 s of CPU or 60 s of wall time, then the child is replaced.
    """


@hookspec
def onPodEvent(event: str, pod: Any) -> None:
    """Called when a pod is added, modified or deleted.

    When:   there is no Kubernetes here. Nothing fires it yet.
    Where:  in the script's own child; jobs and hooks of one script never overlap.
    Budget: 200 ms of CPU, then the call is abandoned; 1 s of CPU or 60 s of wall time, then the child is replaced.
    """


FIRED = frozenset(
    {
        "onPacketCaptured",
        "onItemCaptured",
        "onItemQueried",
        "onJobPassed",
        "onJobFailed",
        "onLogCall",
        "onStreamClosed",
        "onShutdown",
    }
)
"""Hooks that something fires in this version; a script that defines another is loaded with a warning."""


def specifications() -> dict[str, FunctionType]:
    """Name of each hook -> its specification, in the order of this file."""
    module = vars(sys.modules[__name__])
    return {name: value for name, value in module.items() if isinstance(value, FunctionType) and name.startswith("on")}


def hook_names() -> tuple[str, ...]:
    """Every hook there is, fired or not."""
    return tuple(specifications())


def parameters_of(hook: str) -> tuple[str, ...]:
    """What a hook is called with, in order; authors may name their parameters as they like.

    Raises:
        KeyError: no such hook.
    """
    return tuple(inspect.signature(specifications()[hook]).parameters)
