from __future__ import annotations

import shutil
import struct
import subprocess
import sys

import pytest

from engine.capture.bpf import compile_filter
from engine.capture.links import ETHERNET, RAW
from engine.errors import CaptureError


def has_libpcap() -> bool:
    try:
        compile_filter("ip", ETHERNET)
    except CaptureError:
        return False
    return True


needs_libpcap = pytest.mark.skipif(not has_libpcap(), reason="libpcap is not installed")


@needs_libpcap
@pytest.mark.skipif(not shutil.which("tcpdump"), reason="tcpdump is not installed")
@pytest.mark.parametrize(
    ("link_type", "name"), [(ETHERNET, "EN10MB"), (RAW, "RAW"), (276, "LINUX_SLL2")], ids=["ethernet", "raw", "cooked"]
)
@pytest.mark.parametrize("expression", ["tcp port 80", "host 10.0.0.1 and not udp", "ip6 or icmp", "less 64"])
def test_filters_are_compiled_as_tcpdump_compiles_them(expression: str, link_type: int, name: str) -> None:
    run = subprocess.run(["tcpdump", "-y", name, "-ddd", expression], capture_output=True, text=True, check=True)
    rows = [tuple(map(int, line.split())) for line in run.stdout.splitlines()[1:]]
    assert list(struct.iter_unpack("HBBI", compile_filter(expression, link_type))) == rows


@needs_libpcap
def test_a_wrong_filter_is_refused_in_the_words_of_libpcap() -> None:
    with pytest.raises(CaptureError) as refusal:
        compile_filter("tcp prot 80", ETHERNET)
    assert "tap.bpfOverride: expected a packet filter such as 'tcp port 80', got 'tcp prot 80'" in str(refusal.value)
    assert "libpcap: can't parse filter expression: syntax error" in str(refusal.value)


def test_without_libpcap_it_says_how_to_get_it() -> None:
    program = (
        "from engine.capture import bpf\n"
        "from engine.errors import CaptureError\n"
        "bpf._LIBRARIES = ('libnosuchpcap.so.1',)\n"
        "try: bpf.compile_filter('tcp', 1)\n"
        "except CaptureError as error: print(error)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip().endswith("got none; sudo apt-get install -y libpcap0.8")
