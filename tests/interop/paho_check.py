"""Checks a broker with paho-mqtt: python paho_check.py MQTT_PORT PRIVATE_TCP_PORT

Prints `ok NAME` for each check that holds and stops with an error at the first that does not.
"""

import queue
import socket
import struct
import sys

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

HOST = "127.0.0.1"
PORT = int(sys.argv[1])
DEVICE_PORT = int(sys.argv[2])
PATIENCE = 60
VERSIONS = {"3.1": mqtt.MQTTv31, "3.1.1": mqtt.MQTTv311, "5.0": mqtt.MQTTv5}


class Client:
    """A connected client whose events wait in queues."""

    def __init__(self, version, client_id, clean=True, will=None):
        five = VERSIONS[version] == mqtt.MQTTv5
        more = {} if five else {"clean_session": clean}
        self.paho = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=VERSIONS[version],
            reconnect_on_failure=False,
            **more,
        )
        self.messages, self.events = queue.Queue(), queue.Queue()
        self.paho.on_message = lambda c, u, message: self.messages.put(message)
        self.paho.on_connect = lambda c, u, flags, code, p: self.events.put(("connect", flags, code))
        self.paho.on_subscribe = lambda c, u, mid, codes, p: self.events.put(("subscribe", codes))
        self.paho.on_unsubscribe = lambda c, u, mid, codes, p: self.events.put(("unsubscribe",))
        self.paho.on_disconnect = lambda c, u, flags, code, p: self.events.put(("disconnect", code))
        if will:
            self.paho.will_set(*will)
        if five:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = 0 if clean else 600
            self.paho.connect(HOST, PORT, clean_start=clean, properties=properties)
        else:
            self.paho.connect(HOST, PORT)
        self.paho.loop_start()
        _, flags, code = self.event("connect")
        assert not code.is_failure, code
        self.session_present = flags.session_present

    def event(self, kind):
        event = self.events.get(timeout=PATIENCE)
        assert event[0] == kind, f"{event} instead of {kind}"
        return event

    def subscribe(self, topic, qos=0, **options):
        if options:
            identifier = options.pop("identifier", None)
            properties = Properties(PacketTypes.SUBSCRIBE)
            if identifier:
                properties.SubscriptionIdentifier = identifier
            self.paho.subscribe(topic, options=SubscribeOptions(qos, **options), properties=properties)
        else:
            self.paho.subscribe(topic, qos)
        codes = self.event("subscribe")[1]
        assert [code.value for code in codes] == [qos], codes

    def unsubscribe(self, topic):
        self.paho.unsubscribe(topic)
        self.event("unsubscribe")

    def publish(self, topic, payload, qos=0, retain=False, properties=None):
        info = self.paho.publish(topic, payload, qos, retain, properties)
        info.wait_for_publish(PATIENCE)
        assert info.is_published()

    def next(self, topic, payload):
        message = self.messages.get(timeout=PATIENCE)
        got = (message.topic, message.payload)
        assert got == (topic, payload), f"{got} instead of {(topic, payload)}"
        return message

    def close(self):
        self.paho.disconnect()
        self.paho.loop_stop()

    def vanish(self):
        """Closes the socket without a DISCONNECT."""
        raw = self.paho.socket()
        raw.shutdown(socket.SHUT_RDWR)
        self.event("disconnect")
        self.paho.loop_stop()


class Device:
    """A device of the private TCP protocol."""

    def __init__(self, client_id):
        self.socket = socket.create_connection((HOST, DEVICE_PORT), PATIENCE)
        name = client_id.encode()
        payload = struct.pack("!BH", 0, len(name)) + name
        self.socket.sendall(struct.pack("!BH", 0x11, len(payload)) + payload)
        assert self.frame() == (0x20, b"Connect Successfully")

    def up(self, payload):
        self.socket.sendall(struct.pack("!BH", 0x30, len(payload)) + payload)

    def frame(self):
        kind, length = struct.unpack("!BH", self.exactly(3))
        return kind, self.exactly(length)

    def exactly(self, count):
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            assert part, "the broker closed"
            data += part
        return data


def every_qos(version):
    subscriber, publisher = Client(version, "sub"), Client(version, "pub")
    subscriber.subscribe("paho/+", 2)
    for qos in range(3):
        for n in range(20):
            publisher.publish(f"paho/{qos}", f"{n}", qos)
        for n in range(20):
            message = subscriber.next(f"paho/{qos}", f"{n}".encode())
            assert (message.qos, message.retain, message.dup) == (qos, False, False)
    subscriber.unsubscribe("paho/+")
    subscriber.subscribe("sentinel", 1)
    publisher.publish("paho/1", "after", 1)
    publisher.publish("sentinel", "", 1)
    subscriber.next("sentinel", b"")
    subscriber.close()
    publisher.close()


def retained(version):
    publisher = Client(version, "pub")
    publisher.publish("kept/a", "old", 1, retain=True)
    publisher.publish("kept/a", "new", 2, retain=True)
    publisher.publish("kept/b", "gone", 1, retain=True)
    publisher.publish("kept/b", "", 1, retain=True)
    subscriber = Client(version, "sub")
    subscriber.subscribe("kept/#", 2)
    assert subscriber.next("kept/a", b"new").retain
    publisher.publish("kept/live", "live", 1)
    assert not subscriber.next("kept/live", b"live").retain
    publisher.publish("kept/a", "", 1, retain=True)
    subscriber.close()
    publisher.close()


def will(version):
    watcher = Client(version, "watcher")
    watcher.subscribe("will", 2)
    Client(version, "polite", will=("will", "never", 1)).close()
    Client(version, "gone", will=("will", "gone", 2)).vanish()
    assert watcher.next("will", b"gone").qos == 2
    watcher.close()


def kept_session(version):
    sleeper = Client(version, "sleeper", clean=False)
    assert not sleeper.session_present
    sleeper.subscribe("sleep", 2)
    sleeper.close()
    publisher = Client(version, "pub")
    # Order is promised for each QoS alone, so one after the other.
    for n in range(20):
        publisher.publish("sleep", f"{n}", 1 + n // 10)
    sleeper = Client(version, "sleeper", clean=False)
    # Session Present is a bit of 3.1.1 and later; 3.1 reserves it.
    assert sleeper.session_present or version == "3.1"
    got = sorted((sleeper.messages.get(timeout=PATIENCE) for _ in range(20)), key=lambda message: message.qos)
    assert [message.payload for message in got] == [b"%d" % n for n in range(20)], got
    sleeper.close()
    Client(version, "sleeper").close()
    publisher.close()


def take_over(version):
    first = Client(version, "twin")
    second = Client(version, "twin")
    # paho drops the reason code of a DISCONNECT without properties, so only the end itself is checked.
    first.event("disconnect")
    first.paho.loop_stop()
    second.close()


def both_protocols(version):
    client = Client(version, "bridge")
    client.subscribe("tcp/+/up", 1)
    devices = [Device(f"paho-{n}") for n in range(8)]
    for n, device in enumerate(devices):
        device.up(b"up %d" % n)
        client.next(f"tcp/paho-{n}/up", b"up %d" % n)
        client.publish(f"tcp/paho-{n}/dn", b"dn %d" % n, n % 3)
        assert device.frame() == (0x30, b"dn %d" % n)
        device.socket.close()
    client.close()


def properties_pass_through():
    subscriber, publisher = Client("5.0", "sub"), Client("5.0", "pub")
    subscriber.subscribe("five", 1, identifier=7, retainAsPublished=True)
    properties = Properties(PacketTypes.PUBLISH)
    properties.ContentType = "text/plain"
    properties.ResponseTopic = "answers"
    properties.CorrelationData = b"\x00\x01"
    properties.PayloadFormatIndicator = 1
    properties.MessageExpiryInterval = 100
    properties.UserProperty = [("a", "1"), ("a", "2"), ("b", "")]
    publisher.publish("five", "x", 1, properties=properties)
    got = subscriber.next("five", b"x").properties
    assert (got.ContentType, got.ResponseTopic) == ("text/plain", "answers")
    assert (got.CorrelationData, got.PayloadFormatIndicator) == (b"\x00\x01", 1)
    assert 90 <= got.MessageExpiryInterval <= 100
    assert got.UserProperty == [("a", "1"), ("a", "2"), ("b", "")]
    assert got.SubscriptionIdentifier == [7]
    subscriber.close()
    publisher.close()


def subscription_options():
    client = Client("5.0", "options")
    client.publish("opt/kept", "kept", 1, retain=True)
    client.subscribe("opt/own", 1, noLocal=True)
    client.subscribe("opt/kept", 1, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND, retainAsPublished=True)
    client.publish("opt/own", "not for me", 1)
    client.publish("opt/kept", "again", 1, retain=True)
    assert client.next("opt/kept", b"again").retain
    client.publish("opt/kept", "", 1, retain=True)
    client.close()


def main():
    for check in (every_qos, retained, will, kept_session, take_over, both_protocols):
        for version in VERSIONS:
            check(version)
            print(f"ok {check.__name__} {version}", flush=True)
    for check in (properties_pass_through, subscription_options):
        check()
        print(f"ok {check.__name__}", flush=True)


main()
