"""Configuration of scripts and their budgets, of all together and of one."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
        choices=("standard", "strict", "off"),
    )
    queue_items: int = option(4096, "scripting.queue", "Items that may wait for one script.", least=1)
    queue_bytes: int = option(64 << 20, "scripting.queueMemory", "Bytes of items that may wait for it.", kind="size")
    lossless: bool = option(
        False,
        "scripting.lossless",
        "Live items wait for a slow script as long as scripting.queueMemory allows, however many they are.",
    )
    secrets: list[str] = option(["*"], "scripting.secrets", "Secrets of env that scripts may use; *: every one.")
    memory_bytes: int = option(
        512 << 20, "scripting.memory", "Address space of one script's process.", kind="size", least=32 << 20
    )
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
    work_folder_files: int = option(50_000, "scripting.workFolderFiles", "Files and folders that it may hold.")
    upload_bytes: int = option(
        1 << 30, "scripting.uploads", "Size of the files of one script that wait for their upload.", kind="size"
    )
    calls_per_s: int = option(
        200, "scripting.calls", "Helper calls a second that are served, per script; more wait. 0: any number."
    )
    log_lines_per_s: int = option(50, "scripting.logLines", "Console lines a second, per script.")
    quarantine_after: int = option(
        5, "scripting.quarantineAfter", "Crashes within ten minutes that take a script out.", least=1
    )
    timezone: str = option("UTC", "tap.timezone", "Whose clock the cron specs of jobs mean, such as Europe/Berlin.")
    console: bool = option(
        True, "scripting.console", "Show on the terminal what scripts write; it is in <data>/console.log all the same."
    )
    scripts: dict[str, dict[str, Any]] = option(
        {},
        "scripting.scripts",
        "Settings of one script alone, by its file name: `scripting.scripts.top.py.softCpu=1s`.",
        kind="scripts",
    )
    """Name -> field -> value."""

    def of(self, script: str) -> ScriptOptions:
        """What is in force for one script, named as its file; ``.py`` may be missing in the settings."""
        own: dict[str, Any] = {}
        for name in (script.removesuffix(".py"), script):
            own |= self.scripts.get(name, {})
        return replace(self, **own) if own else self


PER_SCRIPT = frozenset(
    {
        "queue_items",
        "queue_bytes",
        "lossless",
        "secrets",
        "memory_bytes",
        "soft_cpu_s",
        "hook_cpu_s",
        "hook_wall_s",
        "soft_job_cpu_s",
        "job_cpu_s",
        "job_wall_s",
        "load_cpu_s",
        "work_folder_bytes",
        "work_folder_files",
        "calls_per_s",
        "upload_bytes",
        "log_lines_per_s",
        "quarantine_after",
    }
)
"""Fields that ``scripting.scripts`` may set."""
