"""DNS as dnsmasq answers and dig asks: types, EDNS, truncation and the retry over TCP, names that do not exist."""

from __future__ import annotations

import subprocess

from tests.recorded.recording import Scene

HTTPS = "0001000001000602683302683200030002 20fb 00040004 0a000002".replace(" ", "")
"""``1 . alpn="h3,h2" port="8443" ipv4hint="10.0.0.2"`` (RFC 9460, 2.2)."""
CAA = "0005" + b"issueca.shop.test".hex()
ARGUMENTS = (
    "--no-daemon --no-resolv --no-hosts --port=53 --listen-address=127.0.0.1 --bind-interfaces --user=root "
    "--group=root --local=/shop.test/ --cache-size=0 --conf-file=/dev/null "
    "--host-record=www.shop.test,10.0.0.2,fd00::2 "
    "--cname=cdn.shop.test,www.shop.test --mx-host=shop.test,www.shop.test,10 "
    "--srv-host=_ldap._tcp.shop.test,www.shop.test,389,1,2 --ptr-record=2.0.0.10.in-addr.arpa,www.shop.test "
    "--naptr-record=shop.test,100,10,S,SIP+D2U,,_sip._udp.shop.test "
    f"--dns-rr=shop.test,65,{HTTPS} --dns-rr=shop.test,257,{CAA} "
)
LONG = [f"--txt-record=long.shop.test,{letter * 250}" for letter in "abcde"]
"""More than 1232 bytes, which is what dig says it can take."""

QUESTIONS = (
    "www.shop.test A +noedns",
    "www.shop.test AAAA +nocookie +dnssec",
    "cdn.shop.test A +subnet=192.0.2.0/24",
    "shop.test MX",
    "shop.test NAPTR",
    "shop.test CAA",
    "shop.test HTTPS",
    "_ldap._tcp.shop.test SRV",
    "-x 10.0.0.2",
    "none.shop.test A",
    "elsewhere.test A",
    "WwW.sHoP.tEsT A",
    "long.shop.test TXT",
    "www.shop.test A +tcp",
    "+tcp +keepopen www.shop.test A www.shop.test AAAA",
    "version.bind TXT CH",
)


def record(scene: Scene) -> None:
    """One question after the other."""
    scene.start("dnsmasq", *ARGUMENTS.split(), *LONG, port=53)
    with scene.capture("recorded_dns_dnsmasq", "port 53"):
        for question in QUESTIONS:
            dig(question)


def dig(question: str, *where: str) -> None:
    """Whatever is answered is in the trace."""
    command = ["dig", "@127.0.0.1", "+time=2", "+tries=1", *where, *question.split()]
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL, timeout=20)
