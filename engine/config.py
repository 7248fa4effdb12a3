"""The configuration of one instance. ``engine.configure`` builds it; children receive it with ``Start``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args

from engine.capture.options import CaptureOptions
from engine.dissect.options import DissectOptions, TlsOptions
from engine.options import Key, keys_of, option
from engine.recording.options import RecordingOptions
from engine.resolve.options import ResolveOptions, TargetOptions
from engine.scripting.options import ScriptOptions
from engine.segments.options import StorageOptions
from engine.shipping.options import ShippingOptions
from engine.streams.options import StreamOptions

Dialect = Literal["kfl", "kfl2", "auto"]


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """Who we are in items, object names and log lines."""

    name: str = option("", "node.name", "Name of this node; default: the host's name.", environment=("NODE_NAME",))
    ip: str = option(
        "127.0.0.1", "node.ip", "Address of this node in items and object names.", environment=("NODE_IP",)
    )


@dataclass(frozen=True, slots=True)
class MetricsOptions:
    """Where metrics are served."""

    port: int = option(0, "tap.metrics.port", "Port for Prometheus (Kubeshark's is 49100); 0: none.", most=65535)
    host: str = option("127.0.0.1", "tap.metrics.host", "Address to serve metrics on; 0.0.0.0: every one.")


@dataclass(frozen=True, slots=True)
class FilterOptions:
    """How texts of the filter language are read; here and not in its room, which takes 60 ms to load."""

    dialect: Dialect = option(
        "auto",
        "kfl.dialect",
        "Language of filters: `kfl`, `kfl2` (CEL), or `auto`, which finds out by their form.",
        choices=get_args(Dialect),
    )
    macros: dict[str, str] = option(
        {},
        "tap.customMacros",
        "Words that stand for filters in KFL, name to text; as `tap.customMacros.NAME=TEXT` too.",
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything an instance was told."""

    node: NodeOptions = field(default_factory=NodeOptions)
    capture: CaptureOptions = field(default_factory=CaptureOptions)
    streams: StreamOptions = field(default_factory=StreamOptions)
    storage: StorageOptions = field(default_factory=StorageOptions)
    dissect: DissectOptions = field(default_factory=DissectOptions)
    tls: TlsOptions = field(default_factory=TlsOptions)
    resolve: ResolveOptions = field(default_factory=ResolveOptions)
    filters: FilterOptions = field(default_factory=FilterOptions)
    targets: TargetOptions = field(default_factory=TargetOptions)
    scripts: ScriptOptions = field(default_factory=ScriptOptions)
    recording: RecordingOptions = field(default_factory=RecordingOptions)
    shipping: ShippingOptions = field(default_factory=ShippingOptions)
    metrics: MetricsOptions = field(default_factory=MetricsOptions)
    sources: tuple[str, ...] = ()
    """SOURCE arguments of the run; paths are absolute. None: it is there for its scripts until nobody needs it."""
    pace: str = "max"
    """``max`` or ``realtime``: how fast captures are replayed."""
    follow: bool = False
    """Captures are still being written: they end when the run does."""
    grace_s: float = 30.0
    """How long an ending run goes on uploading."""
    user: str = ""
    """Whom the children become where root starts them; empty: the owner of the data folder, else nobody."""
    data: str = "remora-data"
    """Absolute path of the data folder."""

    def without_secrets(self) -> Settings:
        """What a child process may see."""
        cleared = {
            name: replace(stage, **{attribute: "" for attribute, key, _ in keys_of(type(stage)) if key.secret})
            for name, stage in stages(self)
        }
        return replace(self, **cleared)


def stages(settings: Settings) -> Iterator[tuple[str, Any]]:
    """``(field name, options dataclass)`` of every stage that has options."""
    for stage in fields(settings):
        value = getattr(settings, stage.name)
        if stage.default_factory is not stage.default and hasattr(type(value), "__dataclass_fields__"):
            yield stage.name, value


def all_keys() -> Iterator[tuple[str, str, Key, Any]]:
    """``(stage, field, key, default)`` of every option there is, in the order of the documentation."""
    for stage, options in stages(Settings()):
        for attribute, key, default in keys_of(type(options)):
            yield stage, attribute, key, default
