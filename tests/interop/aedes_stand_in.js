// What aedes's own tests get for `../aedes.js`: a class that is used as aedes is, and is a Ringwire of its own.
// Every stream that is handed to it becomes a connection; what the broker itself is asked to publish goes by a client.
// An option or an event that only aedes could have fails its test; aedes.rs names those that need none.
import { spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import net from 'node:net'
import readline from 'node:readline'
import mqtt from 'mqtt-packet'

const ARGUMENTS = ['--listen', 'mqtt://127.0.0.1:0', '--admin', 'off', '--shards', '2']

export class Aedes extends EventEmitter {
  static async createBroker (options = {}) {
    const broker = new Aedes()
    await broker.#start(options)
    return broker
  }

  async #start (options) {
    if (Object.keys(options).length > 0) throw new Error(`no such option here: ${Object.keys(options)}`)
    this.child = spawn(process.env.RINGWIRE, ARGUMENTS, { stdio: ['ignore', 'pipe', 'ignore'] })
    for await (const line of readline.createInterface({ input: this.child.stdout })) {
      const ready = line.match(/^ready .*mqtt:\/\/127\.0\.0\.1:(\d+)/)
      if (ready) {
        this.port = Number(ready[1])
        return
      }
    }
    throw new Error('the broker is not ready')
  }

  on (event, listener) {
    // Nothing here ever fails inside; what aedes tells of its clients is not told.
    if (!['clientError', 'connectionError', 'error'].includes(event)) throw new Error(`no such event here: ${event}`)
    return super.on(event, listener)
  }

  handle (stream) {
    const socket = net.connect(this.port, '127.0.0.1')
    socket.setNoDelay(true)
    stream.pipe(socket).pipe(stream)
    socket.on('error', () => stream.destroy())
    socket.on('close', () => stream.destroy())
    stream.on('error', () => socket.destroy())
    stream.on('close', () => socket.destroy())
    return { conn: stream }
  }

  // A client of the broker's own, connected.
  async #client () {
    const socket = net.connect(this.port, '127.0.0.1')
    // The broker may be gone before this has ended.
    socket.on('error', () => {})
    const parser = mqtt.parser()
    socket.on('data', (data) => parser.parse(data))
    socket.write(mqtt.generate({ cmd: 'connect', clientId: '', keepalive: 0, clean: true }))
    const [connack] = await once(parser, 'packet')
    if (connack.returnCode !== 0) throw new Error(`not let in: ${connack.returnCode}`)
    return { socket, parser }
  }

  // Done when the broker has it: the publish is QoS 1 on this way, or its PINGRESP follows.
  publish (packet, done) {
    this.#publish(packet).then(() => done(), done)
  }

  async #publish ({ topic, payload, qos = 0, retain = false }) {
    const { socket, parser } = await this.#client()
    socket.write(mqtt.generate({ cmd: 'publish', topic, payload: payload ?? '', qos, retain, messageId: 1 }))
    if (qos === 2) {
      await once(parser, 'packet')
      socket.write(mqtt.generate({ cmd: 'pubrel', messageId: 1 }))
    }
    if (qos === 0) socket.write(mqtt.generate({ cmd: 'pingreq' }))
    await once(parser, 'packet')
    socket.end(mqtt.generate({ cmd: 'disconnect' }))
  }

  close (done = () => {}) {
    this.child.kill('SIGKILL')
    done()
  }
}
