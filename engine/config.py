"""The configuration of one instance, and where each value came from."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.dissect.options import DissectOptions
from engine.recording.options import RecordingOptions
from engine.resolve.options import ResolveOptions
from engine.scripting.options import ScriptOptions
from engine.segments.options import StorageOptions
from engine.shipping.options import ShippingOptions
from engine.streams.options import StreamOptions


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything an instance was told; secrets only where ``key.secret`` says so, and never sent on."""

    streams: StreamOptions = field(default_factory=StreamOptions)
    storage: StorageOptions = field(default_factory=StorageOptions)
    dissect: DissectOptions = field(default_factory=DissectOptions)
    resolve: ResolveOptions = field(default_factory=ResolveOptions)
    scripts: ScriptOptions = field(default_factory=ScriptOptions)
    recording: RecordingOptions = field(default_factory=RecordingOptions)
    shipping: ShippingOptions = field(default_factory=ShippingOptions)
    sources: tuple[str, ...] = ()
    """SOURCE arguments of the run, as given."""
    pace: str = "max"
    grace_s: float = 30.0
    data: str = "remora-data"
    """Absolute path of the data folder."""
    node_ip: str = "127.0.0.1"
