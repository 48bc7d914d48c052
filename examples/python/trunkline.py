#!/usr/bin/env python3
"""A Trunkline client in one file, written from docs/protocol.md alone, with the standard library of Python 3.9.

As a library:

    with State("alice.json", user=1001) as state, Client("127.0.0.1:5222", state) as client:
        client.on_message = lambda m: print(m.sender, m.payload)     # keep it; it is acknowledged when this returns
        cseq = client.send(1002, b"hello")
        client.run(lambda: state.ticked >= cseq, timeout=10)         # works until this is true or the time is over

A Client belongs to one thread and works only inside run() and close(). Whatever it relies on is in the state file, with
fsync, before a byte that depends on it leaves: the outbox before a SEND, what was kept before its ACK. Names in capitals
and in quotes are those of docs/protocol.md. As a command: see README.md or --help.
"""

import argparse
import base64
import fcntl
import json
import os
import random
import secrets
import select
import socket
import struct
import sys
import time
import zlib
from typing import Callable, NamedTuple, Optional, Tuple

# ---------------------------------------------------------------------------------------------------------------- frames

PING, PONG, HELLO, SUCCESS, ERROR, GOAWAY = 0x01, 0x02, 0x03, 0x04, 0x06, 0x07
SEND, DELIVER, ACK, RECEIPT, TYPING, PRESENCE, NODE = 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x20
EXT, GROUP, NOSTORE, URGENT, DEFLATE = 0x01, 0x02, 0x04, 0x08, 0x10

FLAGS_FROM_SERVER = {  # the types that a client takes, each with the flags that it may carry
    PING: 0, PONG: 0, SUCCESS: EXT, ERROR: EXT, GOAWAY: EXT, DELIVER: EXT | GROUP | NOSTORE | URGENT, ACK: EXT,
    RECEIPT: EXT | GROUP, TYPING: EXT, PRESENCE: EXT, NODE: EXT | DEFLATE, 0x09: 0,  # TICKET: of no use without encryption
}
FRAME_BYTES_MAX = 65519    # "FrameBytesMax"; nothing longer is read
PAYLOAD_BYTES_MAX = 64512  # "BlobBytesMax"; send() refuses more, before compression
DEFLATE_BYTES_MIN = 128    # "PayloadDeflateBytesMin"; shorter payloads leave as they are
INFLATED_BYTES_MAX = 1 << 18  # bytes that a payload may expand to; more is shown as damaged
COMPRESSED = 0x80          # bit of a payload's kind
USER_MAX = 10**18 - 1
READ, REJECTED = 2, 4      # kinds of a RECEIPT
TICKS = {1: "delivered", 2: "read", 3: "played", 4: "rejected"}  # kinds of a RECEIPT that a client gets
CODE_NAMES = {
    1: "rate_limited", 2: "no_such_user", 3: "no_such_device", 4: "too_large", 5: "mailbox_full", 6: "server_full",
    7: "unsupported", 9: "not_member", 10: "too_many", 11: "internal", 13: "invalid_receiver", 14: "epoch_stale",
    15: "devices_stale", 16: "refused", 64: "malformed", 65: "cseq_gap", 66: "unexpected", 67: "version", 68: "replaced",
    69: "generation_stale", 70: "not_authorized", 71: "ack_invalid", 72: "not_registered", 73: "token_refused",
    74: "device_removed", 96: "draining", 98: "idle", 100: "ack_timeout", 101: "crashed", 102: "busy", 104: "session_limit",
}


class Malformed(Exception):
    """What came is not of the protocol: the connection closes and the client comes back with backoff."""


class ServerError(Exception):
    """The server closed with a code from 64 to 95: something has to change before the client may come back."""

    def __init__(self, code: int, ref: int, text: str):
        super().__init__(f"{CODE_NAMES.get(code, 'code')} ({code}, ref {ref}) {text}".strip())
        self.code, self.ref = code, ref


def encode(kind: int, body: bytes = b"") -> bytes:
    """One whole frame without flags."""
    length, prefix = len(body) + 2, bytearray()
    while length > 0x7F:
        prefix.append(length & 0x7F | 0x80)
        length >>= 7
    prefix.append(length)
    return bytes(prefix) + bytes((kind, 0)) + body


def next_frame(buf: bytearray) -> Optional[Tuple[int, int, bytes]]:
    """Cuts the first whole frame off buf: type, flags, body. None when bytes are missing."""
    length = 0
    for i in range(3):
        if i == len(buf):
            return None
        length |= (buf[i] & 0x7F) << (7 * i)
        if buf[i] < 0x80:
            break
    else:
        raise Malformed("length of more than three bytes")
    start, end = i + 1, i + 1 + length
    if i > 0 and buf[i] == 0:
        raise Malformed("length not in its shortest form")
    if length < 2 or end > FRAME_BYTES_MAX:
        raise Malformed(f"length {length}")
    if len(buf) < start + 2:
        return None
    kind, flags = buf[start], buf[start + 1]
    if kind not in FLAGS_FROM_SERVER and kind < 0x80:
        raise Malformed(f"type {kind:#04x}")
    if flags & ~FLAGS_FROM_SERVER.get(kind, 0x1F):
        raise Malformed(f"flags {flags:#04x} on type {kind:#04x}")
    if len(buf) < end:
        return None
    body = bytes(buf[start + 2:end])
    del buf[:end]
    return kind, flags, body


class Body:
    """Reads a body's fields from its front."""

    def __init__(self, flags: int, body: bytes):
        self.flags, self.body = flags, body

    def take(self, layout: str) -> tuple:
        """The next fields, by a layout of struct."""
        size = struct.calcsize(">" + layout)
        if len(self.body) < size:
            raise Malformed("a body that is too short")
        fields, self.body = struct.unpack(">" + layout, self.body[:size]), self.body[size:]
        return fields

    def extensions(self) -> None:
        """Passes over the extension block. Version 1 knows no item, so a critical one (from 0x80) can't be obeyed."""
        if not self.flags & EXT:
            return
        (total,) = self.take("H")
        items, self.body = self.body[:total], self.body[total:]
        if not 1 <= total <= 768 or len(items) < total:
            raise Malformed("an extension block of a wrong length")
        while items:
            if len(items) < 2 or len(items) < 2 + items[1] or items[0] >= 0x80:
                raise Malformed("an extension that is cut off or critical")
            items = items[2 + items[1]:]

    def end(self) -> None:
        """Nothing may be left."""
        if self.body:
            raise Malformed("bytes behind the last field")

    def text(self) -> str:
        """The rest, as text."""
        try:
            return self.body.decode()
        except UnicodeDecodeError as e:
            raise Malformed("a text that is not UTF-8") from e


def pack(kind: int, payload: bytes) -> Tuple[int, bytes]:
    """Kind and payload as they travel: raw DEFLATE where it saves."""
    if len(payload) >= DEFLATE_BYTES_MIN:
        deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
        shorter = deflate.compress(payload) + deflate.flush()
        if len(shorter) < len(payload):
            return kind | COMPRESSED, shorter
    return kind, payload


def unpack(kind: int, payload: bytes) -> Optional[bytes]:
    """The payload as the sender wrote it, None when it is damaged."""
    if not kind & COMPRESSED:
        return payload
    inflate = zlib.decompressobj(-15)
    try:
        plain = inflate.decompress(payload, INFLATED_BYTES_MAX + 1)
    except zlib.error:
        return None
    whole = inflate.eof and not inflate.unused_data and len(plain) <= INFLATED_BYTES_MAX
    return plain if whole else None


# ----------------------------------------------------------------------------------------------------------------- state


class State:
    """What a device knows, in one JSON file that is replaced as a whole. An outbox item is a message (cseq, to, device,
    kind, data) or a read receipt (cseq, read: DELIVER's from, dev, gen, then first and last id). Cseqs are contiguous:
    the first is ticked + 1. A stream has its highest id and a bit for each of the STREAM_IDS below: bit i for the id
    i + 1 below. Nothing forgets a stream."""

    def __init__(self, path: str, user: int, device: int = 0):
        self.path, self.user, self.device = path, user, device
        self.lock = open(path + ".lock", "w")
        self.generation = self.incarnation = self.epoch = self.last_seq = self.ticked = 0
        self.token = secrets.randbelow(2**64 - 1) + 1
        self.outbox, self.streams = [], {}
        self.saved = True
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.load()
        except BlockingIOError:
            self.lock.close()
            raise ValueError(f"{path} is in use by another process") from None
        except BaseException:
            self.lock.close()
            raise

    FIELDS = ("user", "device", "generation", "incarnation", "token", "epoch", "last_seq", "ticked", "outbox", "streams")

    def load(self) -> None:
        """Reads the file, if there is one."""
        if not os.path.exists(self.path):
            return
        with open(self.path, encoding="utf-8") as f:
            kept = json.load(f)
        if (kept["user"], kept["device"]) != (self.user, self.device):
            raise ValueError(f"{self.path} belongs to user {kept['user']}, device {kept['device']}")
        for name in self.FIELDS:
            setattr(self, name, kept[name])

    def save(self) -> None:
        """Writes everything down: after it returns, a crash of the machine does not take it back."""
        with open(self.path + ".new", "w", encoding="utf-8") as f:
            json.dump({name: getattr(self, name) for name in self.FIELDS}, f)
            f.flush()
            os.fsync(f.fileno())
        os.replace(self.path + ".new", self.path)
        folder = os.open(os.path.dirname(os.path.abspath(self.path)), os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self.saved = True

    def last_cseq(self) -> int:
        """The highest cseq ever given."""
        return self.ticked + len(self.outbox)

    def append(self, item: dict) -> int:
        """Gives item the next cseq. It is not saved yet."""
        item["cseq"] = self.last_cseq() + 1
        self.outbox.append(item)
        self.saved = False
        return item["cseq"]

    def tick(self, up_high: int) -> None:
        """Everything up to up_high is taken."""
        if up_high > self.last_cseq():
            raise ValueError(f"the server has taken {up_high}, but {self.last_cseq()} is the last: {self.path} is an old copy")
        if up_high > self.ticked:
            del self.outbox[:up_high - self.ticked]
            self.ticked, self.saved = up_high, False

    def registered(self, generation: int, incarnation: int) -> None:
        """SUCCESS names both. Another incarnation: the seqs of the old one mean nothing now."""
        if generation != (self.generation or generation):
            raise Malformed(f"SUCCESS for generation {generation}, HELLO was for {self.generation}")
        if incarnation != self.incarnation:
            self.last_seq = 0
        self.generation, self.incarnation, self.saved = generation, incarnation, False

    STREAM_IDS = 64

    def seen(self, stream: str, cseq: int) -> bool:
        """Whether a message was kept before; what lies far below the highest of its stream counts as kept."""
        last, below = self.streams.get(stream, (0, 0))
        depth = last - cseq
        return depth >= 0 and (depth == 0 or depth > self.STREAM_IDS or below >> (depth - 1) & 1 == 1)

    def note(self, stream: str, cseq: int) -> None:
        """A message that was not seen is kept."""
        last, below = self.streams.get(stream, (0, 0))
        if cseq > last:
            rise = min(cseq - last, self.STREAM_IDS + 1)
            below = (below << 1 | 1) << (rise - 1) & (1 << self.STREAM_IDS) - 1
            self.streams[stream] = [cseq, below]
        else:
            self.streams[stream] = [last, below | 1 << (last - cseq - 1)]

    def __enter__(self) -> "State":
        return self

    def __exit__(self, *_) -> None:
        self.lock.close()


# ---------------------------------------------------------------------------------------------------------------- client


class Message(NamedTuple):
    """A message that came. payload is None when it is damaged; seq is 0 when nobody stores it; group is 0 when direct."""
    seq: int
    sender: int
    device: int
    kind: int
    generation: int
    id: int
    ts: int
    group: int
    payload: Optional[bytes]


class Tick(NamedTuple):
    """What became of messages first..last: level "server" (peer 0: of all of them) or one of TICKS (of those to peer)."""
    level: str
    peer: int
    first: int
    last: int
    code: int
    ts: int


LOGIN_SECONDS = 10         # from connect to SUCCESS
PONG_SECONDS = 10          # from a PING to anything; after that the connection counts as dead
WRITE_SECONDS = 30         # for the server to take what is written
LEAVE_SECONDS = 2          # after GOAWAY, for ticks that are on the way; at close, for the server to see the end
BACKOFF_SECONDS = 0.25     # bound of the first wait before a new connection; doubles with each failure
BACKOFF_SECONDS_MAX = 30
STEADY_SECONDS = 10        # a connection that lived so long begins the backoff anew
UNACKED_ENTRIES_MAX = 32   # entries handled before they are saved and acknowledged
FOREVER = float("inf")


class Client:
    """One device's session over as many connections as it takes."""

    def __init__(self, server: str, state: State):
        self.server, self.state = server, state
        # Keeps a message, which may come again until this returns. An answer of False leaves it in the mailbox, and
        # with it everything behind it: nothing more is acknowledged on this connection, messages are passed over.
        self.on_message: Callable[[Message], Optional[bool]] = lambda message: False
        self.on_tick: Callable[[Tick], None] = lambda tick: None
        self.on_trouble: Callable[[str], None] = lambda text: None         # for people
        self.handlers = {
            PING: self._ping, PONG: lambda body: body.end(), SUCCESS: self._success, ERROR: self._error,
            GOAWAY: self._goaway, DELIVER: self._deliver, ACK: self._ack, RECEIPT: self._receipt,
        }
        self.failures = 0          # connections that failed in a row
        self.return_at = 0.0       # not before this time
        self.host = ""             # where GOAWAY sent us, for the next connection
        self.sock: Optional[socket.socket] = None
        self.open = False          # SUCCESS has come

    # -- what users call

    def send(self, to: int, payload: bytes, kind: int = 0, device: int = 0) -> int:
        """Puts a message into the outbox and returns its id. It is saved by run() before it leaves, or by state.save()."""
        if len(payload) > PAYLOAD_BYTES_MAX:
            raise ValueError(f"a payload has at most {PAYLOAD_BYTES_MAX} bytes, not {len(payload)}")
        kind, payload = pack(kind, payload)
        data = base64.b64encode(payload).decode()
        return self.state.append({"to": to, "device": device, "kind": kind, "data": data})

    def mark_read(self, m: Message) -> None:
        """Tells the sender of a direct message, by way of the outbox, that it was read."""
        if m.seq and not m.group:
            self.state.append({"read": [m.sender, m.device, m.generation, m.id, m.id]})

    def run(self, done: Callable[[], bool], timeout: float = FOREVER) -> bool:
        """Works until done() (asked between any two frames) or timeout; says which. Raises ServerError."""
        deadline = time.monotonic() + timeout
        while not done():
            now = time.monotonic()
            if now >= deadline:
                return False
            if self.sock is None and now < self.return_at:
                time.sleep(min(self.return_at, deadline) - now)
                continue
            try:
                if self.sock is None:
                    self._connect(min(deadline - now, LOGIN_SECONDS))
                self._turn(done, deadline)
            except (OSError, Malformed) as e:
                self._lost(str(e))
        return True

    def close(self) -> None:
        """Saves, acknowledges what was kept and leaves. The client can run() again."""
        try:
            self._flush()
            if self.sock:
                self._leave()
        except OSError:
            pass  # what was not acknowledged comes again
        self._drop()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    # -- the connection

    def _connect(self, timeout: float) -> None:
        """A new connection and its HELLO. Everything that belongs to one connection only begins here."""
        s = self.state
        s.epoch += 1
        s.save()
        host, _, port = (self.host or self.server).rpartition(":")
        self.host = ""
        self.sock = socket.create_connection((host.strip("[]"), int(port)), timeout=timeout)
        self.sock.settimeout(WRITE_SECONDS)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.open, self.inbox, self.opened = False, bytearray(), time.monotonic()
        self.unacked_seq, self.unacked_entries = 0, 0     # highest seq that was kept and not acknowledged yet
        self.leaving_entries = False                      # on_message said False
        self.sent_high = 0                                # highest cseq that was sent here
        self.held_until = 0.0                             # nothing goes up before: the server refused for a while
        self.keepalive, self.ping_at, self.pong_by = FOREVER, FOREVER, self.opened + LOGIN_SECONDS
        self.leave_by, self.retry_after = FOREVER, 0.0    # set by GOAWAY
        self.window_entries = self.window_bytes = 0
        down = s.last_seq if s.generation else s.token
        self._write(encode(HELLO, struct.pack(">BBQHQQQII", 1, s.device, s.user, s.generation, s.incarnation, down,
                                              s.ticked, 0, s.epoch)))

    def _write(self, frames: bytes) -> None:
        self.sock.sendall(frames)
        self.ping_at = time.monotonic() + self.keepalive

    def _drop(self) -> None:
        if self.sock:
            self.sock.close()
        self.sock, self.open = None, False

    def _lost(self, why: str, retry_after: float = 0.0) -> None:
        """The connection is over: come back when the server says, or after a random time below a bound that doubles."""
        now = time.monotonic()
        if self.sock and now - self.opened >= STEADY_SECONDS:
            self.failures = 0
        self._drop()
        bound = min(BACKOFF_SECONDS_MAX, BACKOFF_SECONDS * 2 ** min(self.failures, 10))
        self.failures += 1
        wait = retry_after or random.uniform(0, bound)
        self.return_at = now + wait
        self.on_trouble(f"{why or 'connection lost'}; again in {wait:.1f} s")

    def _leave(self) -> None:
        """Ends the sending side and waits for the server's end: closing at once could take back what was written."""
        self.sock.settimeout(LEAVE_SECONDS)
        self.sock.shutdown(socket.SHUT_WR)
        until = time.monotonic() + LEAVE_SECONDS
        while self.sock.recv(65536) and time.monotonic() < until:
            pass

    def _turn(self, done: Callable[[], bool], deadline: float) -> None:
        """Writes what is due, waits for bytes or for the next time, handles the frames that are whole."""
        self._flush()
        if self.open:
            self._send_due()
        now = time.monotonic()
        if now >= self.leave_by or self.leave_by < FOREVER and self.sent_high <= self.state.ticked:
            self._leave()
            return self._lost("the server asked to leave", self.retry_after)
        if now >= self.pong_by:
            raise Malformed("no answer")
        if now >= self.ping_at:
            self._write(encode(PING))
            self.pong_by = min(self.pong_by, now + PONG_SECONDS)
        wake = min(deadline, self.ping_at, self.pong_by, self.leave_by)
        if self.held_until > now:
            wake = min(wake, self.held_until)
        wait = None if wake == FOREVER else max(0.0, wake - time.monotonic())
        if not select.select([self.sock], [], [], wait)[0]:
            return
        received = self.sock.recv(65536)
        if not received:
            raise OSError("the server closed the connection")
        self.inbox += received
        self._handle_inbox(done)

    def _handle_inbox(self, done: Callable[[], bool]) -> None:
        while self.sock and not done():
            frame = next_frame(self.inbox)
            if frame is None:
                return
            kind, flags, body = frame
            if self.open:
                self.pong_by = FOREVER
            elif kind not in (SUCCESS, ERROR, GOAWAY) and kind < 0x80:
                raise Malformed(f"type {kind:#04x} before SUCCESS")
            handler = self.handlers.get(kind)  # TYPING, PRESENCE, NODE and what is unknown from 0x80 have none
            if handler:
                handler(Body(flags, body))
            if self.unacked_entries >= UNACKED_ENTRIES_MAX:
                self._flush()

    def _flush(self) -> None:
        """Writes down, then acknowledges."""
        if not self.state.saved:
            self.state.save()
        if self.sock and self.open and self.unacked_entries:
            self._write(encode(ACK, struct.pack(">Q", self.unacked_seq)))
            self.unacked_entries = 0

    def _send_due(self) -> None:
        """Sends the outbox above sent_high, as far as the window is open. Everything in it is saved."""
        s, now = self.state, time.monotonic()
        if now < self.held_until or self.leave_by < FOREVER:
            return
        self.sent_high = max(self.sent_high, s.ticked)
        on_the_way = sum(len(item.get("data", "")) * 3 // 4 for item in s.outbox[:self.sent_high - s.ticked])
        frames = bytearray()
        for item in s.outbox[self.sent_high - s.ticked:self.window_entries]:
            on_the_way += len(item.get("data", "")) * 3 // 4
            if on_the_way > self.window_bytes and item["cseq"] > s.ticked + 1:
                break
            frames += self._encode_item(item)
            self.sent_high = item["cseq"]
        if frames:
            self._write(bytes(frames))

    @staticmethod
    def _encode_item(item: dict) -> bytes:
        if "read" in item:
            sender, device, generation, first, last = item["read"]
            return encode(RECEIPT, struct.pack(">QBBBHQQQI", item["cseq"], READ, 0, device, generation, sender, first, last, 0))
        data = base64.b64decode(item["data"])
        head = struct.pack(">QQBBBH", item["cseq"], item["to"], 1, item["device"], item["kind"], len(data))
        return encode(SEND, head + data)

    # -- what the server says

    def _ping(self, body: Body) -> None:
        body.end()
        self._write(encode(PONG))

    def _success(self, body: Body) -> None:
        incarnation, generation, up_high, keepalive, entries, window_bytes, _, _ = body.take("QHQHHIQI")
        body.extensions()
        body.end()
        if self.open or generation == 0:
            raise Malformed("a second SUCCESS, or one without a generation")
        self.state.registered(generation, incarnation)
        self._tick(up_high, int(time.time()))
        self.state.save()
        self.open, self.sent_high, self.pong_by = True, up_high, FOREVER
        self.window_entries, self.window_bytes = entries, window_bytes
        self.keepalive, self.ping_at = keepalive, time.monotonic() + keepalive

    def _ack(self, body: Body) -> None:
        up_high, ts = body.take("QI")
        body.extensions()
        body.end()
        self._tick(up_high, ts)

    def _tick(self, up_high: int, ts: int) -> None:
        self.state.tick(up_high)
        if up_high:
            self.on_tick(Tick("server", 0, 1, up_high, 0, ts))

    def _error(self, body: Body) -> None:
        code, ref, retry_ms = body.take("HQI")
        body.extensions()
        text = body.text()
        if 64 <= code < 96:
            self._drop()
            raise ServerError(code, ref, text)
        if code >= 96:
            return self._lost(str(ServerError(code, ref, text)), retry_ms / 1000)
        self.on_trouble(str(ServerError(code, ref, text)))
        if code in (1, 6) and self.state.ticked < ref <= self.sent_high:
            self.sent_high = ref - 1  # again from this one on
            self.held_until = time.monotonic() + (retry_ms / 1000 or 1.0)

    def _goaway(self, body: Body) -> None:
        _, retry_ms = body.take("HI")
        body.extensions()
        self.host, self.retry_after = body.text(), retry_ms / 1000
        self.leave_by = time.monotonic() + LEAVE_SECONDS

    def _kept(self, seq: int) -> None:
        """An entry of the mailbox was dealt with: acknowledge it once that is written down, unless one before it was left."""
        if self.leaving_entries:
            return
        self.unacked_seq = max(self.unacked_seq, seq)
        self.unacked_entries += 1
        if seq > self.state.last_seq:
            self.state.last_seq, self.state.saved = seq, False

    def _deliver(self, body: Body) -> None:
        seq, sender, device, kind, generation, cseq, ts = body.take("QQBBHQI")
        group = body.take("QQ")[0] if body.flags & GROUP else 0
        body.extensions()
        stored = not body.flags & NOSTORE
        if stored != (seq > 0) or cseq == 0:
            raise Malformed("a message with a wrong seq or id")
        message = Message(seq, sender, device, kind, generation, cseq, ts, group, unpack(kind, body.body))
        if not stored:
            self.on_message(message)
            return
        stream = f"{sender}/{device}/{generation}/{group}"
        if seq > self.state.last_seq and not self.state.seen(stream, cseq):
            if self.leaving_entries or self.on_message(message) is False:
                self.leaving_entries = True
                return
            self.state.note(stream, cseq)
        self._kept(seq)

    def _receipt(self, body: Body) -> None:
        seq, kind, code, _, generation, peer, first, last, ts = body.take("QBBBHQQQI")
        if body.flags & GROUP:
            body.take("Q")
        body.extensions()
        body.end()
        if seq == 0 or kind not in TICKS or not 1 <= first <= last or (kind == 4) != (1 <= code <= 63):
            raise Malformed("a receipt with a wrong field")
        if seq > self.state.last_seq and generation == self.state.generation:
            self.on_tick(Tick(TICKS[kind], peer, first, last, code, ts))
            if kind == REJECTED:  # nothing before it is still to be decided
                self._tick(last, ts)
        self._kept(seq)


# --------------------------------------------------------------------------------------------------------------- command

EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_TIMEOUT, EXIT_INTERRUPTED = 0, 1, 2, 3, 130
READ_FLUSH_SECONDS = 3  # recv --read waits so long at its end for the server to take the receipts; they stay in the outbox
LEVELS = ("waiting", "server", "delivered", "read")


def print_line(line: dict, payload: Optional[bytes]) -> None:
    """One line of JSON, with the payload as text, else as data in base64, else as damaged."""
    if payload is None:
        line["damaged"] = True
    else:
        try:
            line["text"] = payload.decode()
        except UnicodeDecodeError:
            line["data"] = base64.b64encode(payload).decode()
    sys.stdout.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
    sys.stdout.flush()


class Sent:
    """Follows the messages of one send command."""

    def __init__(self, to: int):
        self.to, self.messages = to, {}  # id -> [level, ts, code]

    def tick(self, t: Tick) -> None:
        """Raises the level of the messages that t speaks of."""
        for cseq, message in self.messages.items():
            if not t.first <= cseq <= t.last or t.peer not in (0, self.to):
                continue
            if t.level == "rejected":
                message[2] = t.code
                continue
            level = LEVELS.index("read" if t.level == "played" else t.level)
            if level > message[0]:
                message[:2] = [level, t.ts]

    def settled(self, level: int) -> bool:
        """Each is at level at least, or rejected."""
        return all(m[0] >= level or m[2] for m in self.messages.values())


def run_send(args: argparse.Namespace, client: Client) -> int:
    """Sends and waits for the tick."""
    if args.text == ["-"]:
        stdin = sys.stdin.buffer.read()
        texts = stdin.splitlines() if args.lines else [stdin[:-1] if stdin.endswith(b"\n") else stdin]
    else:
        texts = [" ".join(args.text).encode()]
    sent = Sent(args.to)
    ids = [client.send(args.to, text) for text in texts]
    sent.messages = {cseq: [0, int(time.time()), 0] for cseq in ids}
    client.state.save()
    client.on_tick = sent.tick
    wanted = LEVELS.index(args.wait)
    came = client.run(lambda: sent.settled(wanted), args.timeout or FOREVER)
    client.close()
    for cseq, text in zip(ids, texts):
        level, ts, code = sent.messages[cseq]
        print_line({"id": cseq, "from": args.user, "to": args.to, "tick": "rejected" if code else LEVELS[level], "ts": ts}, text)
    codes = {m[2] for m in sent.messages.values() if m[2]}
    if codes:
        return fail(EXIT_FAILED, "rejected: " + ", ".join(CODE_NAMES.get(c, str(c)) for c in sorted(codes)))
    return EXIT_OK if came else fail(EXIT_TIMEOUT, f"not {args.wait} within {args.timeout:g} s")


def run_recv(args: argparse.Namespace, client: Client) -> int:
    """Prints messages; a line is written before its message is acknowledged."""
    got = 0

    def show(m: Message) -> None:
        nonlocal got
        line = {"id": m.id, "from": m.sender, "device": m.device, "gen": m.generation, "to": args.user, "kind": m.kind, "ts": m.ts}
        print_line(line, m.payload)
        got += 1
        if args.read and m.payload is not None:
            client.mark_read(m)

    client.on_message = show
    came = client.run(lambda: 0 < args.count <= got, args.timeout or FOREVER)
    client.on_message = lambda m: False
    if args.read and client.sock:
        last = client.state.last_cseq()
        client.run(lambda: client.state.ticked >= last, READ_FLUSH_SECONDS)
    client.close()
    if came or args.count == 0:
        return EXIT_OK
    return fail(EXIT_TIMEOUT, f"{got} of {args.count} messages within {args.timeout:g} s")


def fail(code: int, text: str) -> int:
    """Says why, returns the exit status."""
    print(f"trunkline.py: {text}", file=sys.stderr)
    return code


def number(low: int, high: int) -> Callable[[str], int]:
    """A type for argparse: a number from low to high."""
    def convert(text: str) -> int:
        if not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text} is not from {low} to {high}")
        return int(text)
    return convert


def parse(argv: Optional[list] = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="trunkline.py", description="A Trunkline client written from docs/protocol.md.",
                                     epilog="Exit status: 0 done, 1 rejected or another error, 2 wrong use, 3 not in time.")
    parser.add_argument("--server", default="127.0.0.1:5222", help="host:port (%(default)s)")
    parser.add_argument("--user", type=number(1, USER_MAX), required=True, help="log in as this user")
    parser.add_argument("--device", type=number(0, 255), default=0, help="number of this device (%(default)s)")
    parser.add_argument("--state", help="file for outbox and marks (./trunkline-USER-DEVICE.json)")
    parser.add_argument("--verbose", action="store_true", help="tell on standard error why a connection ended")
    commands = parser.add_subparsers(dest="command", required=True)
    send = commands.add_parser("send", help="send a message and print its tick as a line of JSON")
    send.add_argument("--to", type=number(1, 2**64 - 1), required=True, help="user to send to")
    send.add_argument("--wait", choices=LEVELS[1:], default="server", help="tick to wait for (%(default)s)")
    send.add_argument("--timeout", type=float, default=30, help="seconds, 0 for ever (%(default)s)")
    send.add_argument("--lines", action="store_true", help="with -: each line is a message")
    send.add_argument("text", nargs="+", help="words of the message, or - for standard input")
    recv = commands.add_parser("recv", help="print what comes as lines of JSON")
    recv.add_argument("--count", type=number(0, 2**63), default=1, help="messages to wait for, 0: until --timeout (%(default)s)")
    recv.add_argument("--timeout", type=float, default=5, help="seconds, 0 for ever (%(default)s)")
    recv.add_argument("--read", action="store_true", help="tell the senders that their messages were read")
    return parser.parse_args(argv)


def main(argv: Optional[list] = None) -> int:
    """The command; returns its exit status."""
    args = parse(argv)
    try:
        with State(args.state or f"trunkline-{args.user}-{args.device}.json", args.user, args.device) as state:
            client = Client(args.server, state)
            if args.verbose:
                client.on_trouble = lambda text: print(f"trunkline.py: {text}", file=sys.stderr)
            return {"send": run_send, "recv": run_recv}[args.command](args, client)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except (ServerError, ValueError, KeyError, OSError) as e:
        return fail(EXIT_FAILED, str(e))


if __name__ == "__main__":
    sys.exit(main())
