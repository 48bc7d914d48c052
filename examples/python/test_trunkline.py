"""Tests of trunkline.py without a real server: against the frames of docs/protocol.md and against scripted servers.

    python3 -m unittest            in this folder
"""

import json
import os
import re
import socket
import struct
import tempfile
import threading
import time
import unittest
import zlib

import trunkline as tl

HERE = os.path.dirname(os.path.abspath(__file__))
PATIENCE = 10  # seconds, for everything that is waited for
INCARNATION, SEQ = 0x8F3A5C71D2E4B609, 1 << 40


def document() -> str:
    """The text of docs/protocol.md."""
    with open(os.path.join(HERE, "..", "..", "docs", "protocol.md"), encoding="utf-8") as f:
        return f.read()


def wire(text: str) -> list:
    """The frames that the document shows: (who, direction, bytes)."""
    lines = re.findall(r"^(?:([AB]) )?([cs]>[cs]) ([0-9a-f ]+)$", text, re.M)
    return [(who, way, bytes.fromhex(h)) for who, way, h in lines]


def success(incarnation=INCARNATION, gen=7, up_high=0, keepalive=240, window=64, window_bytes=262144) -> bytes:
    body = struct.pack(">QHQHHIQI", incarnation, gen, up_high, keepalive, window, window_bytes, 0, 0)
    return tl.encode(tl.SUCCESS, body)


def deliver(seq, cseq, text=b"x", gen=1, flags=0, ext=b"") -> bytes:
    frame = tl.encode(tl.DELIVER, struct.pack(">QQBBHQI", seq, 1002, 0, 0, gen, cseq, 0) + ext + text)
    return frame[:2] + bytes((flags,)) + frame[3:]


def receipt(seq, kind, first, last, code=0, gen=7) -> bytes:
    return tl.encode(tl.RECEIPT, struct.pack(">QBBBHQQQI", seq, kind, code, 0, gen, 1002, first, last, 0))


def error(code, ref=0, retry_ms=0) -> bytes:
    return tl.encode(tl.ERROR, struct.pack(">HQI", code, ref, retry_ms) + b"because")


def tick(up_high) -> bytes:
    return tl.encode(tl.ACK, struct.pack(">QI", up_high, 0))


class Peer:
    """The server's end of one connection."""

    def __init__(self, sock):
        self.sock, self.buf = sock, b""
        sock.settimeout(PATIENCE)

    def frame(self) -> bytes:
        """The next whole frame; empty when the client has left. Lengths of one and two bytes are enough here."""
        while True:
            head = 2 if self.buf and self.buf[0] >= 0x80 else 1
            if len(self.buf) >= head:
                length = self.buf[0] if head == 1 else self.buf[0] & 0x7F | self.buf[1] << 7
                if len(self.buf) >= head + length:
                    frame, self.buf = self.buf[:head + length], self.buf[head + length:]
                    return frame
            more = self.sock.recv(65536)
            if not more:
                return b""
            self.buf += more

    def cseqs(self, n: int) -> list:
        """The cseqs of the next n frames, which must be SENDs."""
        cseqs = []
        for _ in range(n):
            f = self.frame()
            f = f[2 if f[0] >= 0x80 else 1:]
            assert f[0] == tl.SEND, f.hex()
            cseqs += struct.unpack(">Q", f[2:10])
        return cseqs

    def hello(self) -> tuple:
        """Its fields, the version first."""
        f = self.frame()
        assert len(f) == 47 and f[1] == tl.HELLO, f.hex()
        return struct.unpack(">BBQHQQQII", f[3:])


class Server:
    """Runs a script for each connection, in order. What a script raises is raised again by the test."""

    def __init__(self, *scripts):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(PATIENCE)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.scripts, self.error = scripts, None
        self.thread = threading.Thread(target=self.run)

    def run(self):
        try:
            for script in self.scripts:
                sock, _ = self.listener.accept()
                with sock:
                    script(Peer(sock))
        except Exception as e:
            self.error = e

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        self.thread.join(PATIENCE * 2)
        self.listener.close()
        if self.error:
            raise self.error


class ClientCase(unittest.TestCase):
    """A client of user 1001 that keeps what it gets in lists."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "state.json")
        self.state = tl.State(self.path, 1001)
        self.addCleanup(self.state.lock.close)
        self.messages, self.ticks = [], []

    def client(self, address: str) -> tl.Client:
        client = tl.Client(address, self.state)
        client.on_message = self.messages.append
        client.on_tick = self.ticks.append
        self.addCleanup(client._drop)
        return client

    def run_until(self, client, done):
        self.assertTrue(client.run(done, PATIENCE), "not in time")

    def saved(self) -> dict:
        with open(self.path, encoding="utf-8") as f:
            return json.load(f)


class DocumentTest(ClientCase):
    def test_every_frame_of_the_document_from_a_server_is_understood(self):
        frames = [f for _, way, f in wire(document()) if way == "s>c"]
        self.assertGreater(len(frames), 20)
        for frame in frames:
            client = self.client("")
            client.sock, ours = socket.socketpair()
            self.state.outbox = [{"cseq": i} for i in range(1, 100)]
            self.state.ticked = self.state.last_seq = self.state.generation = 0
            client.open, client.inbox, client.opened = frame[1] != tl.SUCCESS, bytearray(frame), 0
            client.ping_at = client.pong_by = client.unacked_seq = client.unacked_entries = client.sent_high = 0
            client.leaving_entries, client.keepalive = False, 240
            try:
                client._handle_inbox(lambda: False)
            except tl.ServerError as e:
                self.assertGreaterEqual(e.code, 64)
            self.assertEqual(len(client.inbox), 0, frame.hex())
            client._drop()
            ours.close()

    def test_alices_part_of_the_whole_conversation_is_what_this_client_says(self):
        text = document().split("## A whole conversation")[1].split("## A client in ten steps")[0]
        lines = [(way, f) for who, way, f in wire(text) if who == "A" and f[1] not in (0x01, 0x02, 0x14, 0x15, 0x16)]
        logins = [i for i, (_, f) in enumerate(lines) if f[1] == tl.HELLO]
        self.assertEqual(len(logins), 2)
        self.state.token = struct.unpack(">Q", lines[0][1][23:31])[0]

        def replay(part):
            def script(peer):
                for way, frame in part:
                    if way == "s>c":
                        peer.sock.sendall(frame)
                        continue
                    said = peer.frame()
                    assert said == frame, f"said {said.hex()}, the document has {frame.hex()}"
            return script

        with Server(replay(lines[:logins[1]]), replay(lines[logins[1]:])) as server:
            client = self.client(server.address)
            client.send(1002, b"hello")
            self.run_until(client, lambda: len(self.ticks) == 3)
            client.close()
            client.send(1002, b"ok")
            self.run_until(client, lambda: len(self.ticks) == 6)
            client.close()
        self.assertEqual([t.level for t in self.ticks], ["server", "delivered", "read", "server", "server", "delivered"])

    def test_codes_have_the_names_of_the_document(self):
        rows = dict((int(c), n) for c, n in re.findall(r"^\| (\d+) \| (\w+) \| (?:ERROR|RECEIPT|GOAWAY)", document(), re.M))
        self.assertGreater(len(rows), 15)
        self.assertEqual(rows, tl.CODE_NAMES)


class FrameTest(unittest.TestCase):
    def test_what_is_not_a_frame_is_refused(self):
        for name, text in {
            "length in two bytes where one is enough": "82000200",
            "length 0": "00", "length 1": "0101", "length above the limit": "edff03", "length of four bytes": "80808001",
            "a type that only clients send": "0310 00", "an unknown type below 0x80": "0277 00",
            "a flag that PING does not take": "020101", "a reserved flag on an unknown type": "028020",
        }.items():
            with self.subTest(name), self.assertRaises(tl.Malformed):
                tl.next_frame(bytearray.fromhex(text))

    def test_a_frame_is_cut_off_when_it_is_whole_and_not_before(self):
        frame = tl.encode(tl.GOAWAY, bytes(200))
        for cut in range(len(frame)):
            self.assertIsNone(tl.next_frame(bytearray(frame[:cut])))
        buf = bytearray(frame + b"\x02")
        self.assertEqual(tl.next_frame(buf), (tl.GOAWAY, 0, bytes(200)))
        self.assertEqual(buf, b"\x02")

    def test_payloads_are_compressed_where_it_saves_and_expand_within_a_bound(self):
        self.assertEqual(tl.pack(5, b"a" * 127), (5, b"a" * 127))
        noise = os.urandom(1000)
        self.assertEqual(tl.pack(5, noise), (5, noise))
        kind, short = tl.pack(5, b"a" * 1000)
        self.assertEqual((kind, tl.unpack(kind, short)), (5 | 0x80, b"a" * 1000))
        bomb = tl.pack(0, bytes(tl.INFLATED_BYTES_MAX + 1))[1]
        for damaged in (b"", noise, short[:-1], short + b"x", zlib.compress(b"a" * 1000), bomb):
            self.assertIsNone(tl.unpack(0x80, damaged))


class ScriptTest(ClientCase):
    def test_a_refusal_holds_everything_back_and_then_goes_on_in_order(self):
        def script(peer):
            peer.hello()
            peer.sock.sendall(success())
            assert peer.cseqs(3) == [1, 2, 3]
            peer.sock.sendall(tick(1) + error(1, ref=2, retry_ms=100))
            refused = time.monotonic()
            assert peer.cseqs(2) == [2, 3]
            assert time.monotonic() - refused >= 0.1, "it did not wait"
            peer.sock.sendall(tick(3))

        with Server(script) as server:
            client = self.client(server.address)
            for text in (b"one", b"two", b"three"):
                client.send(1002, text)
            self.run_until(client, lambda: self.state.ticked == 3)
        self.assertEqual(self.state.outbox, [])

    def test_no_more_than_the_window_is_on_the_way(self):
        def script(peer):
            peer.hello()
            peer.sock.sendall(success(window=2))
            assert peer.cseqs(2) == [1, 2]
            peer.sock.sendall(tl.encode(tl.PING))
            assert peer.frame()[1] == tl.PONG  # and not cseq 3
            peer.sock.sendall(tick(1))
            assert peer.cseqs(1) == [3]
            peer.sock.sendall(tick(3))
            assert peer.cseqs(2) == [4, 5]
            peer.sock.sendall(tick(5))

        with Server(script) as server:
            client = self.client(server.address)
            for _ in range(5):
                client.send(1002, b"x")
            self.run_until(client, lambda: self.state.ticked == 5)

    def test_payloads_are_bounded_by_window_bytes_but_one_always_fits(self):
        def script(peer):
            peer.hello()
            peer.sock.sendall(success(window_bytes=100))
            assert peer.cseqs(1) == [1]
            peer.sock.sendall(tl.encode(tl.PING))
            assert peer.frame()[1] == tl.PONG
            peer.sock.sendall(tick(1))
            assert peer.cseqs(1) == [2]
            peer.sock.sendall(tick(2))

        with Server(script) as server:
            client = self.client(server.address)
            client.send(1002, os.urandom(120))
            client.send(1002, os.urandom(120))
            self.run_until(client, lambda: self.state.ticked == 2)

    def test_what_is_kept_is_in_the_file_before_it_is_acknowledged_and_comes_once(self):
        def script(peer):
            peer.hello()
            peer.sock.sendall(success() + deliver(SEQ, 1) + deliver(SEQ, 1) + deliver(SEQ + 3, 1) + deliver(SEQ + 4, 2))
            acked = 0
            while acked < SEQ + 4:
                frame = peer.frame()
                assert frame[1] == tl.ACK, frame.hex()
                (acked,) = struct.unpack(">Q", frame[3:])
                assert self.saved()["last_seq"] >= acked
            old = deliver(SEQ + 4, 3) + receipt(SEQ + 4, 1, 1, 1)
            peer.sock.sendall(old + deliver(SEQ + 5, 1, gen=2) + deliver(0, 9, flags=tl.NOSTORE))

        with Server(script) as server:
            self.run_until(self.client(server.address), lambda: len(self.messages) == 4)
        self.assertEqual([(m.seq, m.generation, m.id) for m in self.messages], [(SEQ, 1, 1), (SEQ + 4, 1, 2), (SEQ + 5, 2, 1), (0, 1, 9)])
        self.assertEqual(self.ticks, [])

    def test_a_message_that_is_left_stays_unacknowledged_with_all_behind_it(self):
        said = []

        def script(peer):
            peer.hello()
            peer.sock.sendall(success(up_high=0) + deliver(SEQ, 1) + receipt(SEQ + 1, 1, 1, 1) + deliver(SEQ + 2, 2))
            said.extend(iter(peer.frame, b""))

        self.state.append({"to": 1002, "device": 0, "kind": 0, "data": ""})
        with Server(script) as server:
            client = self.client(server.address)
            client.on_message = lambda m: False
            self.run_until(client, lambda: self.ticks)
            client.run(lambda: False, 0.05)
            client.close()
        self.assertEqual([f[1] for f in said], [tl.SEND])
        self.assertEqual((self.ticks[0].level, self.saved()["last_seq"]), ("delivered", 0))

    def test_unknown_types_and_items_are_passed_over(self):
        def script(peer):
            peer.hello()
            skipped = bytes.fromhex("05a0 00 010203".replace(" ", ""))
            peer.sock.sendall(skipped + success() + skipped + deliver(SEQ, 1, flags=tl.EXT, ext=bytes.fromhex("00020500"), text=b"hi"))
            assert peer.frame()[1] == tl.ACK

        with Server(script) as server:
            client = self.client(server.address)
            self.run_until(client, lambda: self.messages)
            client.close()
        self.assertEqual(self.messages[0].payload, b"hi")

    def test_a_critical_item_is_not_acted_on_and_the_client_comes_back(self):
        def critical(peer):
            peer.hello()
            peer.sock.sendall(success() + deliver(SEQ, 1, flags=tl.EXT, ext=bytes.fromhex("00028500")))
            assert peer.frame() == b"", "it was acknowledged"

        def again(peer):
            assert peer.hello()[3:6] == (7, INCARNATION, 0)
            peer.sock.sendall(success() + deliver(SEQ, 1))

        with Server(critical, again) as server:
            self.run_until(self.client(server.address), lambda: self.messages)

    def test_each_attempt_has_the_token_and_a_higher_epoch_until_success_names_the_generation(self):
        hellos = []

        def lost(peer):
            hellos.append(peer.hello())

        def found(peer):
            hellos.append(peer.hello())
            peer.sock.sendall(success())

        def other_data(peer):
            hellos.append(peer.hello())
            peer.sock.sendall(success(incarnation=5))

        with Server(lost, found, other_data, found) as server:
            client = self.client(server.address)
            self.run_until(client, lambda: client.open)
            self.state.last_seq = SEQ
            client.close()
            self.run_until(client, lambda: client.open)
            self.assertEqual(self.state.last_seq, 0)
            client.close()
            self.run_until(client, lambda: client.open)
        token = self.state.token
        self.assertNotEqual(token, 0)
        self.assertEqual([(h[3], h[4], h[5], h[8]) for h in hellos],
                         [(0, 0, token, 1), (0, 0, token, 2), (7, INCARNATION, SEQ, 3), (7, 5, 0, 4)])

    def test_a_message_below_the_last_of_its_stream_is_taken_once(self):
        def script(peer):
            peer.hello()
            peer.sock.sendall(success() + deliver(SEQ, 2) + deliver(SEQ + 1, 1) + deliver(SEQ + 2, 1) + deliver(SEQ + 3, 3))

        with Server(script) as server:
            self.run_until(self.client(server.address), lambda: len(self.messages) == 3)
        self.assertEqual([m.id for m in self.messages], [2, 1, 3])

    def test_silence_is_broken_by_a_ping(self):
        def script(peer):
            peer.hello()
            peer.sock.sendall(success(keepalive=1))
            assert peer.frame()[1] == tl.PING
            peer.sock.sendall(tl.encode(tl.PONG) + deliver(SEQ, 1))

        with Server(script) as server:
            self.run_until(self.client(server.address), lambda: self.messages)

    def test_goaway_sends_the_client_to_the_host_it_names(self):
        def there(peer):
            peer.hello()
            peer.sock.sendall(success(up_high=1))

        with Server(there) as second:
            def here(peer):
                peer.hello()
                peer.sock.sendall(success())
                assert peer.cseqs(1) == [1]
                peer.sock.sendall(tl.encode(tl.GOAWAY, struct.pack(">HI", 96, 10) + second.address.encode()) + tick(1))
                assert peer.frame() == b""

            with Server(here) as first:
                client = self.client(first.address)
                client.send(1002, b"x")
                self.run_until(client, lambda: self.state.epoch == 2 and client.open)

    def test_codes_say_whether_to_come_back(self):
        def busy(peer):
            peer.hello()
            peer.sock.sendall(error(102, retry_ms=10))

        def stale(peer):
            peer.hello()
            peer.sock.sendall(error(69))

        with Server(busy, stale) as server:
            with self.assertRaises(tl.ServerError) as raised:
                self.client(server.address).run(lambda: False, PATIENCE)
        self.assertEqual((raised.exception.code, self.state.epoch), (69, 2))

    def test_rejections_and_receipts_of_another_generation(self):
        def script(peer):
            peer.hello()
            peer.sock.sendall(success())
            assert peer.cseqs(1) == [1]
            peer.sock.sendall(receipt(SEQ, 1, 1, 9, gen=3) + receipt(SEQ + 1, 4, 1, 1, code=5))
            assert peer.frame()[1] == tl.ACK
            assert (self.saved()["ticked"], self.saved()["outbox"]) == (1, [])

        with Server(script) as server:
            client = self.client(server.address)
            client.send(1002, b"x")
            self.run_until(client, lambda: self.state.ticked == 1)
            client.close()
        self.assertEqual([(t.level, t.code) for t in self.ticks], [("rejected", 5), ("server", 0)])
        self.assertEqual(self.saved()["last_seq"], SEQ + 1)


class StateTest(ClientCase):
    def test_a_state_has_one_user_at_a_time_and_for_ever(self):
        with self.assertRaisesRegex(ValueError, "in use"):
            tl.State(self.path, 1001)
        self.state.save()
        self.state.lock.close()
        with self.assertRaisesRegex(ValueError, "belongs to user 1001"):
            tl.State(self.path, 1002)

    def test_a_stream_knows_what_it_has_seen_of_the_64_ids_below_its_highest(self):
        seen = set()
        for cseq in [3, 1, 2, 70, 6, 69, 10**18, 10**18 - 64, 10**18 - 1]:
            self.assertEqual(self.state.seen("s", cseq), cseq in seen, cseq)
            self.state.note("s", cseq)
            seen.add(cseq)
            last = max(seen)
            for other in {*range(1, 80), *range(max(1, last - 70), last + 3)}:
                want = other in seen or other < last - 64
                self.assertEqual(self.state.seen("s", other), want, f"{other} after {cseq}")
            self.assertLess(self.state.streams["s"][1], 1 << 64)

    def test_an_old_copy_of_a_state_is_noticed(self):
        with self.assertRaisesRegex(ValueError, "old copy"):
            self.state.tick(1)


if __name__ == "__main__":
    unittest.main()
