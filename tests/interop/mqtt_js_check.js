// Checks a broker with the npm package `mqtt`: node mqtt_js_check.js MQTT_PORT PRIVATE_TCP_PORT
// Prints `ok NAME` for each check that holds and stops with an error at the first that does not.
'use strict';

const assert = require('node:assert/strict');
const net = require('node:net');
const mqtt = require('mqtt');

const [PORT, DEVICE_PORT] = process.argv.slice(2).map(Number);
const HOST = '127.0.0.1';
const PATIENCE_MS = 60_000;
const VERSIONS = { '3.1': 3, '3.1.1': 4, '5.0': 5 };

// A queue that is awaited.
class Inbox {
  items = [];
  waiting = [];
  put(item) {
    const taker = this.waiting.shift();
    if (taker) taker(item);
    else this.items.push(item);
  }
  async take(what) {
    if (this.items.length) return this.items.shift();
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`waited in vain for ${what}`)), PATIENCE_MS);
    });
    const item = new Promise((resolve) => this.waiting.push(resolve));
    return Promise.race([item, late]).finally(() => clearTimeout(timer));
  }
}

class Client {
  static async connect(version, clientId, more = {}) {
    const self = new Client();
    self.inbox = new Inbox();
    self.ends = new Inbox();
    const protocolVersion = VERSIONS[version];
    const clean = more.clean ?? true;
    const properties = protocolVersion === 5 ? { sessionExpiryInterval: clean ? 0 : 600 } : undefined;
    const protocolId = protocolVersion === 3 ? 'MQIsdp' : 'MQTT';
    self.mqtt = mqtt.connect({
      host: HOST, port: PORT, clientId, protocolVersion, protocolId, properties, reconnectPeriod: 0,
      connectTimeout: PATIENCE_MS, ...more, clean,
    });
    self.mqtt.on('message', (topic, payload, packet) => self.inbox.put({ topic, payload, packet }));
    self.mqtt.on('disconnect', (packet) => { self.reason = packet.reasonCode; });
    self.mqtt.on('close', () => self.ends.put(self.reason));
    self.sessionPresent = await new Promise((resolve, reject) => {
      self.mqtt.once('connect', (connack) => resolve(connack.sessionPresent));
      self.mqtt.once('error', reject);
    });
    self.mqtt.on('error', () => {});
    return self;
  }

  async subscribe(topic, options) {
    const granted = await this.mqtt.subscribeAsync(topic, options);
    assert.deepEqual(granted.map((grant) => grant.qos), [options.qos]);
  }

  publish(topic, payload, options = {}) {
    return this.mqtt.publishAsync(topic, payload, options);
  }

  async next(topic, payload) {
    const message = await this.inbox.take(`${topic} ${payload}`);
    assert.deepEqual([message.topic, message.payload.toString()], [topic, payload]);
    return message.packet;
  }

  close() {
    return this.mqtt.endAsync();
  }

  // Closes the socket without a DISCONNECT.
  async vanish() {
    this.mqtt.stream.destroy();
    await this.ends.take('the end');
  }
}

// A device of the private TCP protocol.
class Device {
  static async connect(id) {
    const self = new Device();
    self.bytes = Buffer.alloc(0);
    self.frames = new Inbox();
    self.socket = net.connect(DEVICE_PORT, HOST);
    self.socket.on('data', (data) => self.read(data));
    const name = Buffer.from(id);
    self.send(0x11, Buffer.concat([Buffer.from([0, 0, name.length]), name]));
    assert.deepEqual(await self.frames.take('CONNACK'), [0x20, 'Connect Successfully']);
    return self;
  }

  send(kind, payload) {
    this.socket.write(Buffer.concat([Buffer.from([kind, payload.length >> 8, payload.length & 255]), payload]));
  }

  read(data) {
    this.bytes = Buffer.concat([this.bytes, data]);
    while (this.bytes.length >= 3 && this.bytes.length >= 3 + this.bytes.readUInt16BE(1)) {
      const end = 3 + this.bytes.readUInt16BE(1);
      this.frames.put([this.bytes[0], this.bytes.subarray(3, end).toString()]);
      this.bytes = this.bytes.subarray(end);
    }
  }
}

async function everyQos(version) {
  const subscriber = await Client.connect(version, 'sub');
  const publisher = await Client.connect(version, 'pub');
  await subscriber.subscribe('js/+', { qos: 2 });
  for (const qos of [0, 1, 2]) {
    const sent = Array.from({ length: 20 }, (_, n) => publisher.publish(`js/${qos}`, `${n}`, { qos }));
    await Promise.all(sent);
    for (let n = 0; n < 20; n++) {
      const packet = await subscriber.next(`js/${qos}`, `${n}`);
      assert.deepEqual([packet.qos, packet.retain, packet.dup], [qos, false, false]);
    }
  }
  await subscriber.mqtt.unsubscribeAsync('js/+');
  await subscriber.subscribe('sentinel', { qos: 1 });
  await publisher.publish('js/1', 'after', { qos: 1 });
  await publisher.publish('sentinel', '', { qos: 1 });
  await subscriber.next('sentinel', '');
  await subscriber.close();
  await publisher.close();
}

async function retained(version) {
  const publisher = await Client.connect(version, 'pub');
  await publisher.publish('kept/a', 'old', { qos: 1, retain: true });
  await publisher.publish('kept/a', 'new', { qos: 2, retain: true });
  await publisher.publish('kept/b', 'gone', { qos: 1, retain: true });
  await publisher.publish('kept/b', '', { qos: 1, retain: true });
  const subscriber = await Client.connect(version, 'sub');
  await subscriber.subscribe('kept/#', { qos: 2 });
  assert.equal((await subscriber.next('kept/a', 'new')).retain, true);
  await publisher.publish('kept/live', 'live', { qos: 1 });
  assert.equal((await subscriber.next('kept/live', 'live')).retain, false);
  await publisher.publish('kept/a', '', { qos: 1, retain: true });
  await subscriber.close();
  await publisher.close();
}

async function will(version) {
  const watcher = await Client.connect(version, 'watcher');
  await watcher.subscribe('will', { qos: 2 });
  const polite = await Client.connect(version, 'polite', { will: { topic: 'will', payload: 'never', qos: 1 } });
  await polite.close();
  const gone = await Client.connect(version, 'gone', { will: { topic: 'will', payload: 'gone', qos: 2 } });
  await gone.vanish();
  assert.equal((await watcher.next('will', 'gone')).qos, 2);
  await watcher.close();
}

async function keptSession(version) {
  let sleeper = await Client.connect(version, 'sleeper', { clean: false });
  assert.equal(sleeper.sessionPresent, false);
  await sleeper.subscribe('sleep', { qos: 2 });
  await sleeper.close();
  const publisher = await Client.connect(version, 'pub');
  // Order is promised for each QoS alone, so one after the other.
  for (let n = 0; n < 20; n++) await publisher.publish('sleep', `${n}`, { qos: n < 10 ? 1 : 2 });
  sleeper = await Client.connect(version, 'sleeper', { clean: false });
  // Session Present is a bit of 3.1.1 and later; 3.1 reserves it.
  assert.ok(sleeper.sessionPresent || version === '3.1');
  const got = [];
  while (got.length < 20) got.push(await sleeper.inbox.take('a queued message'));
  got.sort((a, b) => a.packet.qos - b.packet.qos);
  assert.deepEqual(got.map((message) => message.payload.toString()), Array.from({ length: 20 }, (_, n) => `${n}`));
  await sleeper.close();
  await (await Client.connect(version, 'sleeper')).close();
  await publisher.close();
}

async function takeOver(version) {
  const first = await Client.connect(version, 'twin');
  const second = await Client.connect(version, 'twin');
  const reason = await first.ends.take('the end');
  assert.ok(version !== '5.0' || reason === 0x8e, `${reason}`);
  await second.close();
}

async function bothProtocols(version) {
  const client = await Client.connect(version, 'bridge');
  await client.subscribe('tcp/+/up', { qos: 1 });
  for (let n = 0; n < 8; n++) {
    const device = await Device.connect(`js-${n}`);
    device.send(0x30, Buffer.from(`up ${n}`));
    await client.next(`tcp/js-${n}/up`, `up ${n}`);
    await client.publish(`tcp/js-${n}/dn`, `dn ${n}`, { qos: n % 3 });
    assert.deepEqual(await device.frames.take('DATATRANS'), [0x30, `dn ${n}`]);
    device.socket.destroy();
  }
  await client.close();
}

async function propertiesPassThrough() {
  const subscriber = await Client.connect('5.0', 'sub');
  const publisher = await Client.connect('5.0', 'pub');
  await subscriber.subscribe('five', { qos: 1, properties: { subscriptionIdentifier: 7 } });
  const properties = {
    contentType: 'text/plain', responseTopic: 'answers', correlationData: Buffer.from([0, 1]),
    payloadFormatIndicator: true, messageExpiryInterval: 100, userProperties: { a: ['1', '2'], b: '' },
  };
  await publisher.publish('five', 'x', { qos: 1, properties });
  const got = (await subscriber.next('five', 'x')).properties;
  assert.deepEqual([got.contentType, got.responseTopic, got.subscriptionIdentifier], ['text/plain', 'answers', 7]);
  assert.deepEqual([...got.correlationData], [0, 1]);
  assert.ok(got.payloadFormatIndicator);
  assert.ok(got.messageExpiryInterval >= 90 && got.messageExpiryInterval <= 100);
  assert.deepEqual({ ...got.userProperties }, { a: ['1', '2'], b: '' });
  await subscriber.close();
  await publisher.close();
}

async function main() {
  for (const check of [everyQos, retained, will, keptSession, takeOver, bothProtocols]) {
    for (const version of Object.keys(VERSIONS)) {
      await check(version);
      console.log(`ok ${check.name} ${version}`);
    }
  }
  await propertiesPassThrough();
  console.log('ok propertiesPassThrough');
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
