"""The entry of Debian's backports suite, as this machine would write it: ``python3 -m benchmarks.backports``.

Suricata 7 is there, not in the release of 2023. The mirror is the one that the machine already uses for the release, so
no host is named here. Standard library alone: it runs before anything is installed.

Prints nothing where the suite is known already, or where the machine is not a Debian release.
"""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterable
from pathlib import Path

SOURCES = Path("/etc/apt")
ONE_LINE = re.compile(r"deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.+)")

Fields = dict[str, str]


def main() -> None:
    """Print the entry."""
    release = platform.freedesktop_os_release()
    if release.get("ID") == "debian":
        sys.stdout.write(entry(read_sources(SOURCES), release.get("VERSION_CODENAME", "")))


def entry(sources: Iterable[Fields], codename: str) -> str:
    """A stanza of a ``.sources`` file; empty where there is nothing to add or nothing to derive it from."""
    binary = [fields for fields in sources if "deb" in fields.get("types", "").split() and _on(fields)]
    backports = f"{codename}-backports"
    if any(backports in fields["suites"].split() for fields in binary):
        return ""
    for fields in binary:
        if codename in fields["suites"].split():
            wanted = {"Types": "deb", "URIs": fields["uris"], "Suites": backports, "Components": fields["components"]}
            if "signed-by" in fields:
                wanted["Signed-By"] = fields["signed-by"]
            return "".join(f"{name}: {value}\n" for name, value in wanted.items())
    return ""


def read_sources(folder: Path) -> list[Fields]:
    """What apt reads: one mapping per entry, names of fields in lower case."""
    found: list[Fields] = []
    for path in [folder / "sources.list", *sorted(folder.glob("sources.list.d/*"))]:
        if path.suffix == ".sources":
            found += map(stanza, re.split(r"\n\s*\n", path.read_text()))
        elif path.suffix == ".list" and path.exists():
            found += [fields for line in path.read_text().splitlines() if (fields := one_line(line))]
    return [fields for fields in found if {"uris", "suites", "components"} <= fields.keys()]


def stanza(text: str) -> Fields:
    """The fields of one deb822 stanza; a value of several lines, such as a key, stays one."""
    fields: Fields = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        if line[:1].isspace() and name:
            fields[name] += f"\n{line}"
        elif ":" in line:
            name, value = line.split(":", 1)
            name = name.strip().lower()
            fields[name] = value.strip()
    return fields


def one_line(line: str) -> Fields:
    """The same of a line ``deb [options] uri suite components``; empty for anything else."""
    match = ONE_LINE.match(line.strip())
    if match is None:
        return {}
    fields = {"types": "deb", "uris": match["uri"], "suites": match["suite"], "components": match["components"].strip()}
    options = dict(pair.split("=", 1) for pair in (match["options"] or "").split() if "=" in pair)
    return {**fields, **({"signed-by": options["signed-by"]} if "signed-by" in options else {})}


def _on(fields: Fields) -> bool:
    return fields.get("enabled", "yes").lower() not in ("no", "false", "without", "off", "disable")


if __name__ == "__main__":
    main()
