"""Calls of hosts: each is answered once, in order, and a slow one does not hold up other scripts."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from engine.counters import Counters
from engine.errors import ProtocolViolation
from engine.frames.host import Call, Reply
from engine.helpers.calls import answer, is_once, is_slow
from engine.helpers.running import JobRunner
from engine.helpers.script import Host, Script
from engine.helpers.slow import SlowCalls


class Serving:
    """The state of calls is in ``Host`` and ``Script``; this moves it on. Owned by the loop."""

    def __init__(
        self,
        counters: Counters,
        slow: SlowCalls,
        runner: JobRunner,
        send: Callable[[Host, msgspec.Struct], None],
    ) -> None:
        self._counters, self._slow, self._runner, self._send = counters, slow, runner, send

    def take(self, host: Host, call: Call, now_s: float) -> None:
        """A call has come; over ``scripting.calls`` it waits, and with it the script.

        Raises:
            ProtocolViolation: out of order, or its arguments are not msgpack.
        """
        if host.serving is not None and host.serving.seq == call.seq:
            return  # sent again; it is answered when it is done
        if host.replied is not None and host.replied.seq == call.seq:
            self._counters.add("broker_resent_total")
            self._send(host, host.replied)
            return
        if host.serving is not None or host.next_seq not in (None, call.seq) or not 0 <= call.seq < 1 << 63:
            raise ProtocolViolation(f"expected call {host.next_seq or 1}, got {call.seq}")
        host.serving, host.next_seq = call, call.seq + 1
        if self._is_early(host.script, now_s):
            host.delayed = True
            host.script.held.append(host)
            self._count("calls_delayed", host.script)
        else:
            self._take_turn(host, call)

    @staticmethod
    def _is_early(script: Script, now_s: float) -> bool:
        return bool(script.held) or (script.calls is not None and not script.calls.take(now_s))

    def _take_turn(self, host: Host, call: Call) -> None:
        if host.script.busy:
            host.script.waiting.append(host)
        else:
            self._serve(host, call)

    def next_held(self, script: Script, now_s: float) -> Host | None:
        """The host whose call is in time now."""
        while script.held and (script.calls is None or script.calls.take(now_s)):
            host = script.held.popleft()
            if not host.gone:
                return host
        return None

    def _serve(self, host: Host, call: Call) -> None:
        host.last_call.begin(call.seq)
        if is_slow(host.methods, call):
            host.script.busy = True
            self._slow.start(host, call)
        else:
            self._finish(host, call, answer(host.methods, call))

    def done(self, host: Host, call: Call, reply: Reply | None) -> None:
        """A slow call is over, ``None`` where it broke the protocol; those that waited for it may begin."""
        host.script.busy = False
        if reply is not None and not host.gone:
            self._finish(host, call, reply)

    def next_waiting(self, script: Script) -> Host | None:
        """The host whose call may begin now."""
        while script.waiting and not script.busy:
            host = script.waiting.popleft()
            if not host.gone:
                return host
        return None

    def begin(self, host: Host) -> None:
        """Serve the call of a host that waited.

        Raises:
            ProtocolViolation: its arguments are not msgpack.
        """
        assert host.serving is not None, "a host waits with a call"
        self._take_turn(host, host.serving)

    def _finish(self, host: Host, call: Call, reply: Reply) -> None:
        self._count("calls", host.script)
        if host.delayed:
            host.delayed, reply.delayed = False, True
        if reply.error:
            self._counters.add("broker_call_errors_total")
        if is_once(host.methods, call):
            self._remember(host, reply)
        host.serving, host.replied = None, reply
        self._send(host, reply)
        self._runner.start_due(host.script)

    def _count(self, name: str, script: Script) -> None:
        self._counters.add(f"broker_{name}_total")
        self._counters.add(f"script_{name}_total{{script={script.name}}}")

    def _remember(self, host: Host, reply: Reply) -> None:
        try:
            host.last_call.save(reply)
        except OSError:  # the call succeeded; only a death of ours at this moment could make it happen twice
            self._counters.add("broker_replies_unsaved_total")
