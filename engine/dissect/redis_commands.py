"""Commands of Redis: which there are, which get no reply or several, and where their key stands."""

from __future__ import annotations

import re

_COMMANDS = """
    ACL APPEND ASKING AUTH BGREWRITEAOF BGSAVE BITCOUNT BITFIELD BITFIELD_RO BITOP BITPOS BLMOVE BLMPOP BLPOP BRPOP
    BRPOPLPUSH BZMPOP BZPOPMAX BZPOPMIN CLIENT CLUSTER COMMAND CONFIG COPY DBSIZE DEBUG DECR DECRBY DEL DISCARD DUMP
    ECHO EVAL EVALSHA EVALSHA_RO EVAL_RO EXEC EXISTS EXPIRE EXPIREAT EXPIRETIME FAILOVER FCALL FCALL_RO FLUSHALL
    FLUSHDB FUNCTION GEOADD GEODIST GEOHASH GEOPOS GEORADIUS GEORADIUSBYMEMBER GEORADIUSBYMEMBER_RO GEORADIUS_RO
    GEOSEARCH GEOSEARCHSTORE GET GETBIT GETDEL GETEX GETRANGE GETSET HDEL HELLO HEXISTS HEXPIRE HGET HGETALL HGETDEL
    HGETEX HINCRBY HINCRBYFLOAT HKEYS HLEN HMGET HMSET HPERSIST HPEXPIRE HPTTL HRANDFIELD HSCAN HSET HSETEX HSETNX
    HSTRLEN HTTL HVALS INCR INCRBY INCRBYFLOAT INFO KEYS LASTSAVE LATENCY LCS LINDEX LINSERT LLEN LMOVE LMPOP LOLWUT
    LPOP LPOS LPUSH LPUSHX LRANGE LREM LSET LTRIM MEMORY MGET MIGRATE MODULE MONITOR MOVE MSET MSETNX MULTI OBJECT
    PERSIST PEXPIRE PEXPIREAT PEXPIRETIME PFADD PFCOUNT PFMERGE PING PSETEX PSUBSCRIBE PSYNC PTTL PUBLISH PUBSUB
    PUNSUBSCRIBE QUIT RANDOMKEY READONLY READWRITE RENAME RENAMENX REPLCONF REPLICAOF RESET RESTORE ROLE RPOP
    RPOPLPUSH RPUSH RPUSHX SADD SAVE SCAN SCARD SCRIPT SDIFF SDIFFSTORE SELECT SENTINEL SET SETBIT SETEX SETNX
    SETRANGE SHUTDOWN SINTER SINTERCARD SINTERSTORE SISMEMBER SLAVEOF SLOWLOG SMEMBERS SMISMEMBER SMOVE SORT SORT_RO
    SPOP SPUBLISH SRANDMEMBER SREM SSCAN SSUBSCRIBE STRLEN SUBSCRIBE SUBSTR SUNION SUNIONSTORE SUNSUBSCRIBE SWAPDB
    SYNC TIME TOUCH TTL TYPE UNLINK UNSUBSCRIBE UNWATCH WAIT WAITAOF WATCH XACK XADD XAUTOCLAIM XCLAIM XDEL XGROUP
    XINFO XLEN XPENDING XRANGE XREAD XREADGROUP XREVRANGE XSETID XTRIM ZADD ZCARD ZCOUNT ZDIFF ZDIFFSTORE ZINCRBY
    ZINTER ZINTERCARD ZINTERSTORE ZLEXCOUNT ZMPOP ZMSCORE ZPOPMAX ZPOPMIN ZRANDMEMBER ZRANGE ZRANGEBYLEX ZRANGEBYSCORE
    ZRANGESTORE ZRANK ZREM ZREMRANGEBYLEX ZREMRANGEBYRANK ZREMRANGEBYSCORE ZREVRANGE ZREVRANGEBYLEX ZREVRANGEBYSCORE
    ZREVRANK ZSCAN ZSCORE ZUNION ZUNIONSTORE
"""
_CONTAINERS = """
    ACL CLIENT CLUSTER COMMAND CONFIG DEBUG FUNCTION LATENCY MEMORY MODULE OBJECT PUBSUB SCRIPT SENTINEL SLOWLOG
    XGROUP XINFO
"""
_KEYLESS = """
    ASKING AUTH BGREWRITEAOF BGSAVE DBSIZE DISCARD ECHO EXEC FAILOVER FLUSHALL FLUSHDB HELLO INFO LASTSAVE LOLWUT
    MONITOR MULTI PING PSYNC QUIT RANDOMKEY READONLY READWRITE REPLCONF REPLICAOF RESET ROLE SAVE SCAN SELECT SHUTDOWN
    SLAVEOF SWAPDB SYNC TIME UNWATCH WAIT WAITAOF
"""
COMMANDS = frozenset(_COMMANDS.split())
"""Of Redis itself; modules and proxies add others. They tell inline commands, and which side sends commands."""
CONTAINERS = frozenset(_CONTAINERS.split())
"""Their first argument is a word of the command."""
_WITHOUT_KEY = frozenset(_KEYLESS.split())
_KEYED_CONTAINERS = frozenset(("OBJECT", "XGROUP", "XINFO"))
_KEYED_WORDS = frozenset((("MEMORY", "USAGE"), ("DEBUG", "OBJECT"), ("CLUSTER", "KEYSLOT")))
_COUNTED = {
    "EVAL": 1,
    "EVALSHA": 1,
    "EVAL_RO": 1,
    "EVALSHA_RO": 1,
    "FCALL": 1,
    "FCALL_RO": 1,
    "SINTERCARD": 0,
    "LMPOP": 0,
}
_COUNTED |= {"ZMPOP": 0, "ZINTER": 0, "ZUNION": 0, "ZDIFF": 0, "ZINTERCARD": 0, "BLMPOP": 1, "BZMPOP": 1}
"""How many keys they have stands at this place, the keys behind it."""

SUBSCRIPTIONS = {
    b"SUBSCRIBE": b"subscribe",
    b"PSUBSCRIBE": b"psubscribe",
    b"SSUBSCRIBE": b"ssubscribe",
    b"UNSUBSCRIBE": b"unsubscribe",
    b"PUNSUBSCRIBE": b"punsubscribe",
    b"SUNSUBSCRIBE": b"sunsubscribe",
}
"""One confirmation, which begins with this word, for each channel."""
CONFIRMATIONS = frozenset(SUBSCRIPTIONS.values())
PUBLISHED = frozenset((b"message", b"pmessage", b"smessage"))
BLOCKING = frozenset(
    (b"BLPOP", b"BRPOP", b"BLMOVE", b"BLMPOP", b"BRPOPLPUSH", b"BZPOPMIN", b"BZPOPMAX", b"BZMPOP", b"WAIT", b"WAITAOF")
)
READING = frozenset((b"XREAD", b"XREADGROUP"))
"""They block where they say so."""
_FIRST = re.compile(rb"\*[0-9]+\r\n\$[0-9]+\r\n([^\r\n]{1,64})\r\n")
_NOTHING = re.compile(rb"\*(?:0+|-[0-9]+)\r\n")
_WORD = re.compile(rb"\$[0-9]+\r\n([^\r\n]*)\r\n")


def name_of(raw: bytes) -> bytes:
    """The command, in upper case; empty where nothing was asked, ``?`` where it is no name."""
    found = _FIRST.match(raw)
    if found is not None:
        return found[1].upper()
    if raw[:1] == b"*":
        return b"" if _NOTHING.match(raw) else b"?"
    return raw.split(None, 1)[0].upper() if raw.strip() else b""


def words_of(raw: bytes, count: int) -> list[bytes]:
    """The first ``count`` words of a command, as they were sent; what is odd in them is left out."""
    if raw[:1] != b"*":
        return raw.split()[:count]
    words: list[bytes] = []
    pos = raw.find(b"\n") + 1
    while len(words) < count and (found := _WORD.match(raw, pos)):
        words.append(found[1])
        pos = found.end()
    return words


def keyword_of(command: str, args: list[str]) -> str:
    """The word that makes a command of a container, in upper case."""
    return args[0].upper() if args and command in CONTAINERS else ""


def key_of(command: str, args: list[str]) -> int:
    """The place of the first key or channel among the arguments; -1: it has none."""
    if command in _WITHOUT_KEY or not args:
        return -1
    if command in CONTAINERS:
        keyed = command in _KEYED_CONTAINERS or (command, args[0].upper()) in _KEYED_WORDS
        return 1 if keyed and len(args) > 1 else -1
    if command in _COUNTED:
        place = _COUNTED[command]
        some = len(args) > place + 1 and args[place].isdecimal() and int(args[place][:6]) > 0
        return place + 1 if some else -1
    if command in ("XREAD", "XREADGROUP"):
        words = [arg.upper() for arg in args]
        at = words.index("STREAMS") + 1 if "STREAMS" in words else 0
        return at if 0 < at < len(args) else -1
    if command == "MIGRATE":
        return 2 if len(args) > 2 else -1
    return 1 if command == "BITOP" and len(args) > 1 else 0
