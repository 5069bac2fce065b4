#!/usr/bin/env python3
"""Plays a device of any protocol: sends frames one after another and prints what comes back after each.

    python3 send_frames.py PORT HEX...               spaces in HEX are fine
    python3 send_frames.py PORT --text LINE...       \\r and \\n are what they are in C

For a broker on this machine. A frame that is not answered within half a second has no answer here.
"""

import socket
import sys


def main(words) -> int:
    if len(words) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    is_text = words[1] == "--text"
    try:
        port = int(words[0])
        frames = [read(frame, is_text) for frame in words[2 if is_text else 1:]]
    except ValueError as error:
        print(f"not a port and frames: {error}", file=sys.stderr)
        return 2
    try:
        return play(port, frames, is_text)
    except OSError as error:
        print(f"127.0.0.1:{port}: {error}", file=sys.stderr)
        return 1


def read(frame: str, is_text: bool) -> bytes:
    return frame.encode().decode("unicode_escape").encode() if is_text else bytes.fromhex(frame)


def play(port: int, frames, is_text: bool) -> int:
    with socket.create_connection(("127.0.0.1", port)) as device:
        device.settimeout(0.5)
        for frame in frames:
            device.sendall(frame)
            try:
                answer = device.recv(65536)
                if not answer:
                    print("closed")
                    return 1
                print(repr(answer.decode())[1:-1] if is_text else answer.hex(" "))
            except socket.timeout:
                print("no answer")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
