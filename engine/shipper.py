"""The shipper: from the outbox to where recordings are kept. Deletes here only what is verified there."""

from __future__ import annotations

import contextlib
import os
import random
import selectors
from collections.abc import Mapping

from engine import clock
from engine.frames.control import Finished, Flush, Hurry, Quit, ToChild
from engine.process import Child, run
from engine.shipping.address import BUCKET_SCHEME, KEY_VARIABLE, credentials_for, destination_text
from engine.shipping.choose import Destinations
from engine.shipping.destination import DestinationMisconfigured
from engine.shipping.options import ShippingOptions
from engine.shipping.shipper import Shipper
from engine.shipping.web import Web

SYSTEM_CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
"""Authorities that Debian and Ubuntu trust. The bundle of a private virtual environment cannot be read any more once
the privileges are gone."""
SENDABLE = ("KEY", "TOKEN", "SECRET", "PASSWORD")
SCAN_S = 0.25
"""How soon a new entry is noticed."""
HURRY_S = 1.0
"""Between two attempts at the end, instead of the back-off."""


def main(child: Child) -> None:
    """The loop: look into the outbox until the supervisor says that it is over."""
    secrets = child.start.secrets
    os.environ.update(client_environment(secrets))
    destinations = Destinations()
    load_credentials(destinations, child.settings.shipping, secrets)
    child.up()
    parallel = child.settings.shipping.parallel
    web = Web(child.settings.shipping.egress, sendable(secrets))
    shipper = Shipper(
        child.data / "outbox",
        parallel,
        destinations,
        web,
        secrets,
        child.counters,
        random.random,
        child.settings.shipping.dead_limit_bytes,
    )
    Loop(shipper, child).run()


def sendable(secrets: Mapping[str, str]) -> dict[str, str]:
    """What scripts may send to the hosts they may reach: neither the destination's key nor what its client needs."""
    return {name: secrets[name] for name in secrets if name.endswith(SENDABLE) and name != KEY_VARIABLE}


def client_environment(secrets: Mapping[str, str]) -> dict[str, str]:
    """Variables for the storage client, whose process began with a clean environment."""
    environment = dict(secrets)
    bundle = secrets.get("SSL_CERT_FILE") or (SYSTEM_CA_BUNDLE if os.path.exists(SYSTEM_CA_BUNDLE) else "")
    if bundle:
        environment.setdefault("REQUESTS_CA_BUNDLE", bundle)  # requests looks at this one alone
    return environment


def load_credentials(destinations: Destinations, options: ShippingOptions, secrets: Mapping[str, str]) -> None:
    """Read key files while that is allowed: they may belong to the operator, whose rights are dropped next."""
    address = destination_text(options)
    key = secrets.get(credentials_for(address), "")
    if address.startswith(BUCKET_SCHEME) and (key or "GOOGLE_APPLICATION_CREDENTIALS" in secrets):
        with contextlib.suppress(DestinationMisconfigured):  # said again, and louder, at the first upload
            destinations.get(address, key)


class Loop:
    """Steps of the shipper between messages of the supervisor."""

    def __init__(self, shipper: Shipper, child: Child) -> None:
        self._shipper, self._child = shipper, child
        self._selector = selectors.DefaultSelector()
        self._selector.register(child.endpoint, selectors.EVENT_READ)
        self._selector.register(shipper, selectors.EVENT_READ)
        self._in_trouble = self._over = False

    def run(self) -> None:
        """Until the supervisor says that it is over, or is gone."""
        while not self._over:
            message = self._step(SCAN_S)
            if isinstance(message, Flush):
                self._flush(clock.monotonic_s() + message.grace_s)
            elif isinstance(message, Hurry):
                self._shipper.hurry(clock.monotonic_s())

    def _step(self, longest_s: float) -> ToChild | None:
        """Ship what is due, then wait for an upload to end or the supervisor to speak; what it said."""
        self._shipper.step(clock.monotonic_s())
        self._tell()
        if not any(key.fileobj is self._child.endpoint for key, _ in self._selector.select(longest_s)):
            return None
        received = self._child.endpoint.receive()
        self._over = received is None or isinstance(received[0], Quit)
        return received[0] if received else None

    def _tell(self) -> None:
        """Totals; and in words when uploads begin to fail and when they work again."""
        self._child.report(clock.monotonic_s())
        trouble = self._shipper.trouble
        if bool(trouble) != self._in_trouble:
            self._in_trouble = bool(trouble)
            note = f"uploads wait ({self._shipper.pending}): {trouble}" if trouble else "uploads go on"
            self._child.tell_totals(note)

    def _flush(self, until_s: float) -> None:
        """Upload until nothing is left or the time is over, then say what remains and where."""
        hurry_s = 0.0
        while not self._over:
            now_s = clock.monotonic_s()
            if now_s >= hurry_s:
                self._shipper.hurry(now_s)
                hurry_s = now_s + HURRY_S
            self._step(min(SCAN_S, max(until_s - now_s, 0.0)))
            if not self._shipper.pending or clock.monotonic_s() >= until_s:
                break
        self._child.tell_totals()  # the last totals
        self._child.endpoint.send(Finished(self._shipper.pending, self._remains()))

    def _remains(self) -> str:
        left, trouble = self._shipper.pending, self._shipper.trouble
        if not left:
            return ""
        what, goes_on = ("upload waits", "goes on") if left == 1 else ("uploads wait", "go on")
        note = f"{left} {what} in {self._child.settings.data}/outbox/ready and {goes_on} with the next start"
        return f"{note}; last error: {trouble}" if trouble else note


if __name__ == "__main__":
    run("shipper", main)
