"""Configuration of scripts and their budgets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.options import option


@dataclass(frozen=True, slots=True)
class ScriptOptions:
    """Where scripts come from, what they see, and what they may use."""

    source: str = option("", "scripting.source", "Folder of scripts (*.py); watched while running.", kind="path")
    sources: list[str] = option([], "scripting.sources", "More folders of scripts.", kind="paths")
    active: list[str] = option(
        [], "scripting.active", "Titles or file names of the scripts to run; default: all of the folders."
    )
    watch: bool = option(True, "scripting.watchScripts", "Load, replace and unload scripts when the folder changes.")
    env: dict[str, Any] = option(
        {}, "scripting.env", "What scripts see as env; KEY, TOKEN, SECRET, PASSWORD are hidden."
    )
    pass_env: list[str] = option(
        ["RECORDING_KFL", "RECORDING_CRON", "GCS_BUCKET"],
        "scripting.passEnv",
        "Environment variables that scripts see in env as well.",
    )
    sandbox: str = option(
        "standard",
        "scripting.sandbox",
        "standard: scripts run with all the protection of this machine; strict: not without all; off: for development.",
    )
    queue_items: int = option(4096, "scripting.queue", "Items that may wait for one script.")
    memory_bytes: int = option(512 << 20, "scripting.memory", "Address space of one script's process.", kind="size")
    soft_cpu_s: float = option(
        0.2, "scripting.softCpu", "CPU after which a hook call is abandoned, the script's state kept.", kind="duration"
    )
    hook_cpu_s: float = option(
        1.0, "scripting.hookCpu", "CPU after which one hook call costs the script its process.", kind="duration"
    )
    hook_wall_s: float = option(
        60.0, "scripting.hookWall", "The same in wall time; waiting and sleeping count.", kind="duration"
    )
    soft_job_cpu_s: float = option(
        10.0, "scripting.softJobCpu", "CPU after which a job is abandoned, the script's state kept.", kind="duration"
    )
    job_cpu_s: float = option(
        60.0, "scripting.jobCpu", "CPU after which a job costs the script its process.", kind="duration"
    )
    job_wall_s: float = option(600.0, "scripting.jobWall", "The same in wall time.", kind="duration")
    load_cpu_s: float = option(
        2.0, "scripting.loadCpu", "CPU for compiling a script and running its top level.", kind="duration"
    )
    work_folder_bytes: int = option(256 << 20, "scripting.workFolder", "Size of one script's work folder.", kind="size")
    log_lines_per_s: int = option(50, "scripting.logLines", "Console lines a second, per script.")
    quarantine_after: int = option(5, "scripting.quarantineAfter", "Crashes within ten minutes that take a script out.")
    timezone: str = option("UTC", "tap.timezone", "Whose clock the cron specs of jobs mean, such as Europe/Berlin.")
