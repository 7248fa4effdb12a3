"""What scripts may ``import``: the harmless names of some modules, each behind a facade, never a module.

A module leads to ``sys`` within five attributes. What is offered here was chosen by name; a test walks from it along
every public attribute and finds neither a module nor anything that opens, runs or imports.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

from engine.scripting.facades.facade import Facade, functions_of
from engine.scripting.facades.language import Json, Math, Time

_NAMES: dict[str, str] = {
    "base64": "b16decode b16encode b32decode b32encode b64decode b64encode b85decode b85encode standard_b64decode"
    " standard_b64encode urlsafe_b64decode urlsafe_b64encode",
    "binascii": "Error a2b_base64 a2b_hex b2a_base64 b2a_hex crc32 hexlify unhexlify",
    "bisect": "bisect bisect_left bisect_right insort insort_left insort_right",
    "collections": "ChainMap Counter OrderedDict defaultdict deque namedtuple",
    "datetime": "MAXYEAR MINYEAR UTC date datetime time timedelta timezone",
    "functools": "cache cmp_to_key lru_cache partial reduce",
    "hashlib": "blake2b blake2s md5 sha1 sha224 sha256 sha384 sha3_224 sha3_256 sha3_384 sha3_512 sha512",
    "heapq": "heapify heappop heappush heappushpop heapreplace merge nlargest nsmallest",
    "hmac": "compare_digest digest",
    "ipaddress": "AddressValueError NetmaskValueError collapse_addresses ip_address ip_interface ip_network"
    " summarize_address_range",
    "itertools": "accumulate chain combinations combinations_with_replacement compress count cycle dropwhile"
    " filterfalse groupby islice pairwise permutations product repeat starmap takewhile tee zip_longest",
    "random": "betavariate choice choices expovariate gauss getrandbits normalvariate paretovariate randbytes randint"
    " random randrange sample seed shuffle triangular uniform",
    "re": "error escape compile findall finditer fullmatch match search split sub subn",
    "statistics": "StatisticsError correlation covariance fmean geometric_mean harmonic_mean linear_regression mean"
    " median median_grouped median_high median_low mode multimode pstdev pvariance quantiles stdev variance",
    "string": "ascii_letters ascii_lowercase ascii_uppercase capwords digits hexdigits octdigits printable punctuation"
    " whitespace",
    "struct": "Struct calcsize error iter_unpack pack unpack unpack_from",
    "textwrap": "dedent fill indent shorten wrap",
    "urllib.parse": "parse_qs parse_qsl quote quote_plus unquote unquote_plus unquote_to_bytes urlencode urljoin"
    " urlparse urlsplit urlunparse urlunsplit",
    "uuid": "UUID uuid4 uuid5",
}
_FLAGS = "A ASCII I IGNORECASE M MULTILINE S DOTALL X VERBOSE"
_FOR_ANNOTATIONS = {
    "collections.abc": "Callable Collection Container Generator Hashable Iterable Iterator Mapping MutableMapping"
    " MutableSequence MutableSet Sequence Set Sized",
    "typing": "Any Callable ClassVar Dict Final FrozenSet Generator Iterable Iterator List Literal Mapping NamedTuple"
    " NoReturn Optional Sequence Set Text Tuple Type TypeAlias TypedDict Union",
}


class Annotation:
    """What ``typing.List`` is here: annotations are dropped, so it need not mean anything."""

    __slots__ = ()

    def __getitem__(self, _: Any) -> Annotation:
        return self

    def __or__(self, _: Any) -> Annotation:
        return self

    __ror__ = __or__


def wraps(_: Callable[..., Any]) -> Callable[[Any], Any]:
    """``functools.wraps`` without the copying of names, which reads any attribute it is told to."""
    return lambda function: function


def _facade(module: str, members: Mapping[str, Any]) -> type[Facade]:
    """A facade called ``module`` that shows ``members`` as they are."""
    shown = {name: staticmethod(value) if callable(value) else value for name, value in members.items()}
    return type(module, (Facade,), {"__slots__": (), "__doc__": f"The harmless part of ``{module}``.", **shown})


def _chosen(module: str, names: str) -> dict[str, Any]:
    real = importlib.import_module(module)
    return {name: getattr(real, name) for name in names.split()}


def _modules() -> dict[str, Facade]:
    members = {module: _chosen(module, names) for module, names in _NAMES.items()}
    members["functools"]["wraps"] = wraps
    members["re"] |= {name: int(value) for name, value in _chosen("re", _FLAGS).items()}
    members |= {module: dict.fromkeys(names.split(), Annotation()) for module, names in _FOR_ANNOTATIONS.items()}
    found: dict[str, Facade] = {"json": Json(), "math": Math(), "time": Time()}
    found |= {module: _facade(module, shown)() for module, shown in members.items()}
    for module in [module for module in found if "." in module]:
        package, _, name = module.partition(".")
        found[package] = _facade(package, {**members.get(package, {}), name: found[module]})()
    return dict(sorted(found.items()))


MODULES: Mapping[str, Facade] = _modules()
"""By the name that a script imports; the same for every script, since none of them can be changed."""

INSTEAD = {
    # what people import -> what they find here
    "aiohttp": "scripts have no network; vendor.webhook sends requests, vendor.gcs.put uploads",
    "asyncio": "hooks are plain functions; work by the clock is jobs.schedule",
    "concurrent": "hooks and jobs of a script take turns; there are no threads",
    "csv": "write lines with file.append",
    "dataclasses": "use a class with __init__, or collections.namedtuple",
    "dpkt": "items come dissected; packets are in the PCAP that pcap.path names",
    "enum": "use plain constants",
    "gzip": "file.tar packs a folder",
    "httpx": "scripts have no network; vendor.webhook sends requests, vendor.gcs.put uploads",
    "io": "use file.write and file.append",
    "logging": "use console.log and console.error",
    "multiprocessing": "hooks and jobs of a script take turns; there are no processes",
    "os": "scripts have no operating system; use file and env",
    "pathlib": "paths are text, below the script's work folder; use file",
    "pickle": "use json, or keep values in state",
    "requests": "scripts have no network; vendor.webhook sends requests, vendor.gcs.put uploads",
    "sched": "use jobs.schedule",
    "schedule": "use jobs.schedule",
    "scapy": "items come dissected; packets are in the PCAP that pcap.path names",
    "shutil": "use file.copy, file.move and file.delete",
    "socket": "scripts have no network; vendor.webhook sends requests, vendor.gcs.put uploads",
    "sqlite3": "keep values in state, or write lines with file.append",
    "subprocess": "scripts run no programs",
    "sys": "scripts have no operating system; use env and console",
    "tempfile": "use file.temp and file.mkdirTemp",
    "threading": "hooks and jobs of a script take turns; there are no threads",
    "urllib": "scripts have no network; urllib.parse is available",
    "yaml": "use utils.json2Yaml",
}


def why_not(module: str) -> str:
    """What the author of ``import module`` reads."""
    top = module.partition(".")[0]
    near = get_close_matches(module, MODULES, 1, 0.75)
    hint = f"did you mean {near[0]!r}?" if near else f"a script may import {', '.join(MODULES)}"
    if not top:
        hint = "a script is one file"
    return f"import of {module[:100]!r} is not available; {INSTEAD.get(top, hint)}"


def names_in(module: str) -> tuple[str, ...]:
    """What ``from module import …`` may name.

    Raises:
        KeyError: no such module is offered.
    """
    return functions_of(type(MODULES[module]))
