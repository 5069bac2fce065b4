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
    port, is_text = int(words[0]), words[1] == "--text"
    with socket.create_connection(("127.0.0.1", port)) as device:
        device.settimeout(0.5)
        for frame in words[2 if is_text else 1:]:
            device.sendall(frame.encode().decode("unicode_escape").encode() if is_text else bytes.fromhex(frame))
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
