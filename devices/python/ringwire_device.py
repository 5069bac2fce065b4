#!/usr/bin/env python3
"""A device's side of the private TCP protocol, version 1, in one file: for tests, demonstrations and small gateways.

Python 3.9 or later, standard library only. As a command:

    python3 ringwire_device.py --id d1 publish 21.5C           one message for each argument
    python3 ringwire_device.py --id d1 publish --hex 01ff00
    python3 ringwire_device.py --id d1 listen                  prints messages until Ctrl-C; connects again by itself
    python3 ringwire_device.py --id d1 listen --count 1 --hex
    python3 ringwire_device.py --id d1 ping                    how long an answer takes
    python3 ringwire_device.py --id d1 console                 lines in are messages up, lines out what happens

As a library, either simply:

    with Device("d1") as device:
        device.connect()
        device.publish(b"21.5C")
        print(device.receive(seconds=10))

or for as long as it takes, connecting again after waits that grow:

    while True:
        event = device.wait(seconds=1)      # an Event, or None when the time has passed
        if event and event.kind == "down":
            print(event.payload)

A Device belongs to one thread. Nothing happens outside its calls: call wait() or receive() at least as often as the
keepalive.
"""

import argparse
import collections
import queue
import random
import select
import socket
import struct
import sys
import threading
import time
from typing import NamedTuple, Optional

PAYLOAD_BYTES_MAX = 65535
CONNECT, CONNACK, DATATRANS, PING, PONG, DISCONNECT = 1, 2, 3, 4, 5, 6
NEVER = float("inf")
GREETING, ONLINE, CLOSING = "greeting", "online", "closing"


class Offline(Exception):
    """There is no connection to publish on."""


class Lost(Exception):
    """The connection is over; the text says why."""


class Refused(Lost):
    """The broker does not want this device: `code` 1 credentials, 2 version; `text` are its words."""

    def __init__(self, code: int, text: str):
        super().__init__(f"refused (code {code}): {text}")
        self.code, self.text = code, text


class Event(NamedTuple):
    """What happened: kind "online" (text: the broker's), "down" (payload), "offline" (reason, retry_in in seconds)."""

    kind: str
    text: str = ""
    payload: bytes = b""
    reason: Optional[Lost] = None
    retry_in: float = 0.0


class Device:
    """One device of one broker. Times are in seconds.

    keepalive: 0 (off) to 255. timeout: for connecting, each answer, and a socket that takes nothing. backoff: the wait after
    a first loss, which doubles, and the longest, which a refusal waits at once. stable: online for so long, the waits begin
    with the shortest again.
    """

    def __init__(self, client_id, host="127.0.0.1", port=8090, username=None, password=None, keepalive=60,
                 timeout=10.0, backoff=(1.0, 120.0), stable=10.0):
        if not client_id:
            raise ValueError("the client id is empty; each device needs one of its own")
        if password is not None and username is None:
            raise ValueError("a password without a username; set both or none")
        if not 0 <= keepalive <= 255:
            raise ValueError(f"a keepalive of {keepalive} s; it is one byte, 0 to 255")
        if not 0 < backoff[0] <= backoff[1]:
            raise ValueError("the shortest wait is 0 or longer than the longest one")
        self._connect_frame = connect_frame(client_id, username, password, keepalive)
        self._address = (host, port)
        self._ping_after = keepalive * 0.75 if keepalive else NEVER
        self._timeout, self._backoff, self._stable = timeout, backoff, stable
        self._next_wait = backoff[0]
        self._retry_at = time.monotonic()
        self._socket = None
        self._reset()

    def _reset(self):
        self._stage = GREETING
        self._input, self._output = bytearray(), bytearray()
        self._arrived = collections.deque()
        self._pinged_at = self._stalled_at = None
        self._pongs = 0

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if exception[0] is None:
            self.disconnect()
        else:
            self._close()

    @property
    def is_online(self) -> bool:
        """True while messages can be published."""
        return self._stage == ONLINE

    # ---- what is asked of it ----

    def connect(self) -> str:
        """Connects once and returns the broker's text. Raises Refused or Lost."""
        self._open()
        while not self.is_online:
            self._step(time.monotonic() + self._timeout)
        return self._arrived.popleft().text

    def publish(self, payload: bytes) -> None:
        """Publishes to the device's up topic: sent, unless the connection is lost first. Raises Offline or ValueError."""
        if not self.is_online:
            raise Offline("not online; publish again when the device is")
        self._output += frame(DATATRANS << 4, payload)
        try:
            self._offer()
        except OSError:
            pass  # wait() and receive() come to it too, and report it

    def receive(self, seconds: float = NEVER) -> Optional[bytes]:
        """The next message of the down topic, None when the time has passed. Raises Lost; does not connect again."""
        until = time.monotonic() + seconds
        while True:
            if self._arrived:
                event = self._arrived.popleft()
                if event.kind == "down":
                    return event.payload
            elif self._socket is None:
                raise Lost("not connected")
            else:
                self._step(until)
                if not self._arrived and time.monotonic() >= until:
                    return None

    def ping(self) -> float:
        """How many seconds a PING takes to be answered. Raises Lost."""
        if not self.is_online:
            raise Offline("not online")
        started, pongs = time.monotonic(), self._pongs
        self._output.append(PING << 4)
        self._pinged_at = self._pinged_at or started
        while self._pongs == pongs:
            self._step(started + self._timeout)
        return time.monotonic() - started

    def wait(self, seconds: float = NEVER) -> Optional[Event]:
        """The next event within so many seconds, or None. Connects when it is time to; never raises for the network.

        After disconnect() nothing happens until connect().
        """
        until = time.monotonic() + seconds
        while True:
            if self._arrived:
                return self._arrived.popleft()
            now = time.monotonic()
            try:
                if self._socket is not None:
                    self._step(until)
                elif self._retry_at <= now:
                    self._open()
                elif min(self._retry_at, until) == NEVER:
                    raise Offline("disconnected, so nothing will ever happen; connect() first")
                else:
                    time.sleep(max(0.0, min(self._retry_at, until) - now))
            except Lost as reason:
                return Event("offline", text=str(reason), reason=reason, retry_in=self._retry_at - time.monotonic())
            if not self._arrived and time.monotonic() >= until:
                return None

    def disconnect(self) -> None:
        """Sends what waits, says goodbye, returns when the broker has closed or the timeout has passed."""
        if self._socket is None:
            return
        if self.is_online:
            self._output.append(DISCONNECT << 4)
        self._stage = CLOSING
        until = time.monotonic() + self._timeout
        try:
            # Who closes first with bytes unread resets the connection, and what it sent last may be lost with it.
            while time.monotonic() < until:
                self._step(until)
        except Lost:
            pass
        self._close()
        self._retry_at = NEVER

    # ---- one connection ----

    def _open(self):
        self._close()
        try:
            self._socket = socket.create_connection(self._address, self._timeout)
        except OSError as error:
            raise self._lost(Lost(f"cannot connect: {error}")) from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)
        self._opened_at = self._sent_at = self._received_at = time.monotonic()
        self._output += self._connect_frame

    def _close(self):
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._reset()

    def _lost(self, reason: Lost) -> Lost:
        """Closes, and says when the next attempt comes: half of the wait is random, so that devices that lost one
        broker do not return all at once."""
        if self.is_online and time.monotonic() - self._online_at >= self._stable:
            self._next_wait = self._backoff[0]
        if isinstance(reason, Refused):
            self._next_wait = self._backoff[1]
        self._retry_at = time.monotonic() + self._next_wait * random.uniform(0.5, 1.0)
        self._next_wait = min(self._next_wait * 2, self._backoff[1])
        arrived = self._arrived
        self._close()
        self._arrived = arrived  # messages that came before the end are still given out
        return reason

    def _step(self, until: float):
        """Waits once for the socket and does what there is to do. Raises Lost."""
        self._ping_when_due()
        self._send()
        now = time.monotonic()
        pause = max(0.0, min(until, self._next_check()) - now)
        writable = [self._socket] if self._output else []
        readable, _, _ = select.select([self._socket], writable, [], None if pause == NEVER else pause)
        if readable:
            self._receive()
        else:
            self._check()

    def _send(self):
        try:
            self._offer()
        except OSError as error:
            self._receive()  # the broker's last words may say why
            raise self._lost(Lost(f"the connection broke: {error}")) from error

    def _offer(self):
        try:
            while self._output:
                sent = self._socket.send(self._output[:65536])
                del self._output[:sent]
                self._sent_at, self._stalled_at = time.monotonic(), None
        except BlockingIOError:
            self._stalled_at = self._stalled_at or time.monotonic()

    def _receive(self):
        try:
            received = self._socket.recv(65536)
        except BlockingIOError:
            return
        except OSError as error:
            raise self._lost(Lost(f"the connection broke: {error}")) from error
        if not received:
            raise self._lost(Lost("closed by the broker"))
        self._received_at, self._pinged_at = time.monotonic(), None
        self._input += received
        self._read_frames()

    def _read_frames(self):
        while self._input:
            first = self._input[0]
            kind = first >> 4
            if kind == PONG and self._stage != GREETING:
                del self._input[0]
                self._pongs += 1
                continue
            if kind != (CONNACK if self._stage == GREETING else DATATRANS):
                raise self._lost(Lost(f"the broker sent a frame that has no place here (first byte 0x{first:02x})"))
            if len(self._input) < 3:
                return
            end = 3 + struct.unpack_from("!H", self._input, 1)[0]
            if len(self._input) < end:
                return
            payload = bytes(self._input[3:end])
            del self._input[:end]
            self._read_frame(first, payload)

    def _read_frame(self, first: int, payload: bytes):
        if first >> 4 == DATATRANS:
            if self.is_online:
                self._arrived.append(Event("down", payload=payload))
            return
        text = payload.decode("utf-8", "replace")
        if first & 0x0F:
            raise self._lost(Refused(first & 0x0F, text))
        self._stage, self._online_at = ONLINE, time.monotonic()
        self._arrived.append(Event("online", text=text))

    def _next_check(self) -> float:
        """When something has to be done although nothing arrives."""
        times = [NEVER]
        if self._stage == GREETING:
            times.append(self._opened_at + self._timeout)
        if self._pinged_at is not None:
            times.append(self._pinged_at + self._timeout)
        if self._stalled_at is not None:
            times.append(self._stalled_at + self._timeout)
        if self.is_online and not self._output:
            times.append(self._quiet_since() + self._ping_after)
        return min(times)

    def _quiet_since(self) -> float:
        """A device that only talks pings as well, to hear whether anybody is there."""
        return self._sent_at if self._pinged_at is not None else min(self._sent_at, self._received_at)

    def _ping_when_due(self):
        """After three quarters of the keepalive: the broker waits for one and a half of it."""
        now = time.monotonic()
        if self.is_online and not self._output and now - self._quiet_since() >= self._ping_after:
            self._output.append(PING << 4)
            self._pinged_at = self._pinged_at or now

    def _check(self):
        now = time.monotonic()
        late = [(self._pinged_at, "no answer to PING"), (self._stalled_at, "the socket takes nothing any more")]
        if self._stage == GREETING:
            late.append((self._opened_at, "no answer in time"))
        for since, reason in late:
            if since is not None and now - since >= self._timeout:
                raise self._lost(Lost(reason))


def frame(first: int, payload: bytes) -> bytes:
    """A frame with a length."""
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise ValueError(f"{len(payload)} bytes are more than the {PAYLOAD_BYTES_MAX} of a frame")
    return struct.pack("!BH", first, len(payload)) + payload


def connect_frame(client_id, username, password, keepalive) -> bytes:
    """CONNECT. Texts may be str or bytes."""
    parts = [part.encode() if isinstance(part, str) else part for part in (client_id, username, password)
             if part is not None]
    if any(len(part) > PAYLOAD_BYTES_MAX for part in parts):
        raise ValueError("client id, username and password do not fit a frame")
    return frame(CONNECT << 4 | 1, bytes([keepalive]) + b"".join(struct.pack("!H", len(part)) + part for part in parts))


# ---- the command ----

def show(payload: bytes, as_hex: bool) -> None:
    sys.stdout.buffer.write((payload.hex().encode() if as_hex else payload) + b"\n")
    sys.stdout.buffer.flush()


def publish(device: Device, arguments) -> int:
    payloads = [bytes.fromhex(text) if arguments.hex else text.encode() for text in arguments.payload]
    device.connect()
    for payload in payloads:
        device.publish(payload)
    device.disconnect()
    return 0


def listen(device: Device, arguments) -> int:
    left = arguments.count or NEVER
    while left > 0:
        event = device.wait()
        if event.kind == "down":
            show(event.payload, arguments.hex)
            left -= 1
        else:
            print(f"{event.kind}: {event.text}", file=sys.stderr, flush=True)
    device.disconnect()
    return 0


def ping(device: Device, arguments) -> int:
    device.connect()
    for _ in range(arguments.count):
        print(f"{device.ping() * 1000:.2f} ms", flush=True)
    device.disconnect()
    return 0


def console(device: Device, _arguments) -> int:
    lines = queue.Queue()

    def read():
        for line in sys.stdin.buffer:
            lines.put(line[:-1] if line.endswith(b"\n") else line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    pending = []
    while True:
        event = device.wait(0.05)
        if event is not None:
            if isinstance(event.reason, Refused):
                show(b"refused " + event.reason.text.encode(), False)
            show(event.kind.encode() + b" " + (event.payload or event.text.encode()), False)
        while not lines.empty():
            pending.append(lines.get())
        while pending and (pending[0] is None or device.is_online):
            line = pending.pop(0)
            if line is None:
                device.disconnect()
                return 0
            device.publish(line)


def arguments_of(words):
    parser = argparse.ArgumentParser(description="A device of the private TCP protocol, version 1.")
    parser.add_argument("--id", required=True, help="client id")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--username")
    parser.add_argument("--password")
    parser.add_argument("--keepalive", type=int, default=60, metavar="SECONDS")
    parser.add_argument("--timeout", type=float, default=10, metavar="SECONDS")
    parser.add_argument("--backoff-min", type=float, default=1000, metavar="MS")
    parser.add_argument("--backoff-max", type=float, default=120000, metavar="MS")
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("publish", help="connect, publish each argument, disconnect")
    one.set_defaults(run=publish)
    one.add_argument("--hex", action="store_true", help="payloads are hexadecimal")
    one.add_argument("payload", nargs="+")
    one = commands.add_parser("listen", help="print messages of the down topic")
    one.set_defaults(run=listen)
    one.add_argument("--hex", action="store_true", help="print them as hexadecimal")
    one.add_argument("--count", type=int, help="end after so many")
    one = commands.add_parser("ping", help="how long an answer takes")
    one.set_defaults(run=ping)
    one.add_argument("--count", type=int, default=1)
    one = commands.add_parser("console", help="publish lines of standard input, print what happens")
    one.set_defaults(run=console)
    return parser.parse_args(words)


def main(words=None) -> int:
    arguments = arguments_of(words)
    try:
        device = Device(arguments.id, arguments.host, arguments.port, arguments.username, arguments.password,
                        arguments.keepalive, arguments.timeout,
                        (arguments.backoff_min / 1000, arguments.backoff_max / 1000))
        return arguments.run(device, arguments)
    except (Lost, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
