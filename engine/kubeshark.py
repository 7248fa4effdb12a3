"""Keys that a Kubeshark configuration may hold and that mean nothing here: accepted, and named once."""

from __future__ import annotations

_TAP = """
    docker proxy stopped release persistentStorage
    persistentStorageStatic persistentStoragePvcVolumeMode efsFileSytemIdAndPath secrets storageClass dryRun dns
    resources probes serviceMesh tls disableTlsLog packetCapture labels annotations nodeSelectorTerms tolerations
    auth ingress priorityClass routing ipv6 debug dashboard telemetry resourceGuard watchdog gitops sentry
    defaultFilter globalFilter liveConfigMapChangesDisabled
    pprof securityContext mountBpf hostNetwork snapshots delayedDissection kernelModule ignoreTainted mcp
"""
_TAP_MISC = """
    trafficSampleRate tcpStreamChannelTimeoutMs tcpStreamChannelTimeoutShow resolutionStrategy duplicateTimeframe
    detectDuplicates disableIpv6 disableCgroupV2
"""
_TAP_CAPTURE = """
    captureSelf dbMaxSize raw stopped stopAfter
"""
_PCAPDUMP = """
    timeInterval time debug dest
"""
_TOP = """
    logs kube dumpLogs headless license cloudApiUrl cloudLicenseEnabled demoModeEnabled supportChatEnabled
    internetConnectivity aiAssistantEnabled betaEnabled timezone manifests create config
"""
_SCRIPTING = """
    enabled
"""

PREFIXES = frozenset(
    name.lower()
    for name in [
        *(f"tap.{name}" for name in _TAP.split()),
        *(f"tap.misc.{name}" for name in _TAP_MISC.split()),
        *(f"tap.capture.{name}" for name in _TAP_CAPTURE.split()),
        *(f"pcapdump.{name}" for name in _PCAPDUMP.split()),
        *_TOP.split(),
        *(f"scripting.{name}" for name in _SCRIPTING.split()),
    ]
)


def known_to_kubeshark(key: str) -> bool:
    """Whether Kubeshark has this key, or a group that holds it."""
    parts = key.lower().split(".")
    return any(".".join(parts[: count + 1]) in PREFIXES for count in range(len(parts)))
