"""Calls into a script: under a budget, and what went wrong becomes a line for its author."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from engine.scripting.budget import Budget
from engine.scripting.calls import Calls
from engine.scripting.complaints import Complaints, describe


class Caller:
    """The hooks of one script, and its jobs. Nothing that a script raises gets past it."""

    def __init__(
        self,
        script: str,
        hooks: Mapping[str, Callable[..., Any]],
        calls: Calls,
        budget: Budget,
        soft_cpu_s: float,
        job_cpu_s: float,
    ) -> None:
        self._script, self.hooks, self._calls, self._budget = script, hooks, calls, budget
        self.soft_cpu_s, self._job_cpu_s = soft_cpu_s, job_cpu_s
        self._complaints = Complaints()

    def call(self, hook: str, *values: Any) -> None:
        """A hook that comes now and then; nothing where the script has none of this name."""
        function = self.hooks.get(hook)
        if function is None:
            return
        try:
            self._budget.begin(self.soft_cpu_s)
            function(*values)
            self._budget.end()
        except BaseException as error:
            self._budget.end()
            self.complain(hook, error)

    def attempt(self, function: Callable[[], Any]) -> str:
        """Call ``function`` under the budget of a job; what went wrong, or nothing."""
        try:
            self._budget.begin(self._job_cpu_s)
            function()
            self._budget.end()
        except BaseException as error:
            self._budget.end()
            return describe(error, self._script, self._budget.cpu_s)
        return ""

    def complain(self, hook: str, error: BaseException) -> None:
        """Tell the author, ten times a second at most."""
        self.say(f"{hook}: {describe(error, self._script, self._budget.cpu_s)}")

    def say(self, text: str) -> None:
        """An error line."""
        line = self._complaints.line(text, time.monotonic())
        if line is not None:
            self._calls.log("error", line)
