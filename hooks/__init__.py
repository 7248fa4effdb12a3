"""The contract between Remora and those who extend it. Imports nothing from ``engine``."""

from hooks.items import Item, PacketInfo
from hooks.records import Headers, Record

__all__ = ["Headers", "Item", "PacketInfo", "Record"]
