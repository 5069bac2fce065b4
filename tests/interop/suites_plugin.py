"""Points the test suites of paho-mqtt, gmqtt and aiomqtt at the broker on 127.0.0.1:$PORT.

A pytest plugin (-p suites_plugin). gmqtt's suite reads the address from the environment itself; paho's starts a test broker
of its own, for which a stand-in that is already running is put here; aiomqtt's names a public one.
"""

import os
import sys
import threading
import types

PORT = int(os.environ["PORT"])


class _Server:
    """What paho's suite wants of the test broker: its address, and to stop it."""

    stopped = threading.Event()

    @property
    def socket(self):
        return self

    def getsockname(self):
        return ("127.0.0.1", PORT)

    def shutdown(self):
        self.stopped.set()


def _stand_in():
    server = _Server()
    brokers = types.ModuleType("mqtt.brokers")
    brokers.run = lambda config: server.stopped.wait()
    brokers.listeners = types.SimpleNamespace(TCPListeners=types.SimpleNamespace(server=server))
    package = types.ModuleType("mqtt")
    package.brokers = brokers
    sys.modules["mqtt"], sys.modules["mqtt.brokers"] = package, brokers


def pytest_configure(config):
    _stand_in()


def pytest_collection_modifyitems(items):
    for module in {item.module for item in items if getattr(item.module, "HOSTNAME", None)}:
        module.HOSTNAME = "127.0.0.1"
        default = module.Client

        class Client(default):
            def __init__(self, hostname, port=PORT, **more):
                super().__init__(hostname, port, **more)

        module.Client = Client
