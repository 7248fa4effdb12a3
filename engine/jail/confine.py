"""Lock this process down for good."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.jail.layers import LAYERS, Jail, insisted, wanted
from engine.jail.privileges import NAMESPACES, leave_namespaces_as_user


class JailBroken(Exception):
    """A layer that the mode insists on is not to be had; nothing of a script may run."""


@dataclass(frozen=True, slots=True)
class Confined:
    """What came of it."""

    layers: list[str] = field(default_factory=list)
    """Obtained, in this order."""
    missing: dict[str, str] = field(default_factory=dict)
    """Layer -> why this machine does not give it."""


def confine(jail: Jail) -> Confined:
    """Put on every layer of the mode. Descriptors were closed before: only the caller knows which are needed.

    Raises:
        JailBroken: one that the mode insists on is not to be had.
    """
    found = Confined(["descriptors"])
    for layer in LAYERS:
        if layer.name not in wanted(jail.mode):
            continue
        if layer.name == "capabilities":
            _retry_namespaces(found)  # who gave up being root may still own a user namespace
            _insist(jail, found, before="capabilities")
        try:
            layer.put_on(jail)
            found.layers.append(layer.name)
        except OSError as error:
            found.missing[layer.name] = error.strerror or str(error)
    _insist(jail, found)
    return found


def _retry_namespaces(found: Confined) -> None:
    """Without CAP_SYS_ADMIN: all missing ones at once, in a user namespace of our own."""
    names = [name for name in NAMESPACES if name in found.missing]
    if not names:
        return
    try:
        leave_namespaces_as_user(names)
    except OSError as error:
        for name in names:
            found.missing[name] += f"; in a user namespace: {error.strerror}"
        return
    for name in names:
        del found.missing[name]
        found.layers.append(name)


def _insist(jail: Jail, found: Confined, before: str = "") -> None:
    for layer in LAYERS:
        if layer.name == before:
            return
        if layer.name in found.missing and insisted(jail.mode, layer):
            raise JailBroken(
                f"the layer {layer.name!r} cannot be had here ({found.missing[layer.name]});"
                " 'remora doctor' shows all of them"
            )
