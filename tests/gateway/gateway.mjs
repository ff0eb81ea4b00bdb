// A real Wechaty gateway (PuppetServer) over a mock puppet, driven by the tests.
//
//   node gateway.mjs --folder DIR --port 8788 --control 8789 --token T
//
// DIR keeps the world (people, rooms, who is in them, whether the account is logged in) and, one line each, what the
// bot's messages were and when they arrived by this machine's monotonic clock: the witness, which survives kill -9.
// The control port takes one JSON object per POST and answers with one; the commands are the functions of `commands`.
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { parseArgs } from 'node:util'

import { FileBox } from 'file-box'
import * as PUPPET from 'wechaty-puppet'
import { PuppetMock, mock } from 'wechaty-puppet-mock'
import { PuppetServer } from 'wechaty-puppet-service'

// Only the manager of the event stream can end that stream quietly, and the package keeps it to itself.
import { EventStreamManager } from './node_modules/wechaty-puppet-service/dist/esm/src/server/event-stream-manager.js'

const { values: options } = parseArgs({
  options: {
    control: { type: 'string' },
    folder: { type: 'string' },
    port: { type: 'string' },
    token: { default: 'token', type: 'string' },
  },
})

const TYPES = PUPPET.types.Message
const worldFile = path.join(options.folder, 'world.json')
const arrivalsFile = path.join(options.folder, 'arrivals.jsonl')
const now = () => Number(process.hrtime.bigint() / 1000n) / 1000 // ms since the machine started, to the µs

const nothing = () => ({ contacts: { bot: '心防' }, loggedIn: true, rooms: {}, self: 'bot' })
const world = fs.existsSync(worldFile) ? JSON.parse(fs.readFileSync(worldFile)) : nothing()
const arrivals = fs.existsSync(arrivalsFile)
  ? fs.readFileSync(arrivalsFile, 'utf8').split('\n').filter(Boolean).map(line => JSON.parse(line))
  : []
const pictures = new Map() // message id → FileBox
const links = new Map() // message id → { url, title, description }
const faults = [] // what the next sends suffer, see `suffer`
let counts = {} // calls by name, to prove that nobody is asked about one by one
let echoes = true
let echoing = { delay: 0, again: 0 } // ms until an echo comes; how often it comes again, in turn as itself and under a new id
let numbered = 0
let ids = false // whether a send answers with a message id; today's puppets do either

function keep () {
  fs.writeFileSync(worldFile + '.new', JSON.stringify(world))
  fs.renameSync(worldFile + '.new', worldFile)
}

class GatewayPuppet extends PuppetMock {

  async roomList () {
    count('roomList')
    return Object.values(world.rooms).filter(room => room.members.includes(world.self)).map(room => room.id)
  }

  async roomMemberList (id) {
    count('roomMemberList')
    return roomOf(id).members
  }

  async roomRawPayload (id) {
    count('roomPayload')
    const room = roomOf(id)
    return { adminIdList: [], id, memberIdList: room.members, topic: room.topic }
  }

  async contactRawPayload (id) {
    count('contactPayload')
    if (!(id in world.contacts)) throw new Error(`contact ${id} not exist`)
    const name = world.contacts[id]
    return { avatar: '', gender: 0, id, name, phone: [], type: PUPPET.types.Contact.Individual }
  }

  async messageSendText (to, text, mentions = []) { return arrive(to, { kind: 'text', mentions, text }) }

  async messageSendFile (to, file) {
    const data = await file.toBase64()
    return arrive(to, { kind: 'picture', name: file.name, picture: data, text: '' })
  }

  async messageSendUrl (to, link) { return arrive(to, { kind: 'link', link, text: '' }) }

  async messageImage (id) { return pictures.get(id) }
  async messageFile (id) { return pictures.get(id) }
  async messageUrl (id) { return links.get(id) }

}

function count (name) { counts[name] = (counts[name] ?? 0) + 1 }

function roomOf (id) {
  if (!(id in world.rooms)) throw new Error(`room ${id} not exist`)
  return world.rooms[id]
}

// ── what the bot says ──

async function arrive (to, content) {
  const at = now()
  if (!puppet.isLoggedIn) throw new Error('not logged in')
  if (to in world.rooms ? !world.rooms[to].members.includes(world.self) : !(to in world.contacts)) {
    throw new Error(to in world.rooms ? `bot is not in room ${to}` : `conversation ${to} not exist`)
  }
  const fault = takeFault(to)
  if (fault) await suffer(fault)
  const id = messageId()
  const arrival = { at, id, to, ...content }
  fs.appendFileSync(arrivalsFile, JSON.stringify(arrival) + '\n')
  arrivals.push(arrival)
  if (echoes) echo(id, { ...content, from: world.self, to })
  if (fault?.then === 'hang') await new Promise(() => {})
  if (fault?.then === 'late') await new Promise(resolve => setTimeout(resolve, fault.ms))
  return ids ? id : undefined
}

function echo (id, message) {
  const { again, delay } = echoing
  for (let copy = 0; copy <= again; copy++) {
    setTimeout(() => emit(copy % 2 === 0 ? id : messageId(), message), delay * (1 + copy / 2))
  }
}

function takeFault (to) {
  const had = arrivals.filter(arrival => arrival.to === to).length
  const index = faults.findIndex(fault => (!fault.room || fault.room === to) && had >= (fault.after ?? 0))
  if (index < 0) return undefined
  const fault = faults[index]
  if (fault.times > 0 && --fault.times === 0) faults.splice(index, 1)
  return fault
}

// A fault with `error` refuses; with `then` the message arrives but the answer does not, or late; `hang` does neither.
async function suffer (fault) {
  if (fault.hang) await new Promise(() => {})
  if (fault.error) throw new Error(fault.error)
}

// ── what people say ──

function messageId () {
  return `m${process.pid}-${++numbered}`
}

function emit (id, { from, kind, link, mentions, picture, name, text, to }) {
  const inRoom = to in world.rooms
  const type = { history: TYPES.ChatHistory, link: TYPES.Url, picture: TYPES.Image, unknown: TYPES.Unknown }
  mocker.cacheMessagePayload.set(id, {
    id,
    listenerId: inRoom ? undefined : to,
    mentionIdList: mentions ?? [],
    roomId: inRoom ? to : undefined,
    talkerId: from,
    text: text ?? '',
    timestamp: Date.now(),
    type: type[kind] ?? TYPES.Text,
  })
  if (picture) pictures.set(id, FileBox.fromBase64(picture, name ?? 'picture.jpg'))
  if (link) links.set(id, link)
  puppet.emit('message', { messageId: id })
}

const commands = {
  again: ({ id }) => puppet.emit('message', { messageId: id }),
  arrivals: ({ since = 0 }) => arrivals.slice(since),
  close_stream: () => manager?.busy() && manager.stop(),
  contacts: ({ contacts }) => { Object.assign(world.contacts, contacts); keep() },
  counts: () => ({ ...counts }),
  fault: fault => { faults.push({ times: 1, ...fault }) },
  heal: () => { faults.length = 0 },
  join: ({ members, room }) => {
    roomOf(room).members.push(...members)
    keep()
    dirty(room)
    puppet.emit('room-join', { inviteeIdList: members, inviterId: members[0], roomId: room, timestamp: Date.now() })
  },
  kick: ({ members, quiet = false, room }) => {
    roomOf(room).members = roomOf(room).members.filter(id => !members.includes(id))
    keep()
    dirty(room)
    const event = { removeeIdList: members, removerId: world.self, roomId: room, timestamp: Date.now() }
    if (!quiet) puppet.emit('room-leave', event)
  },
  listening: () => Boolean(manager?.busy()),
  login: async () => { world.loggedIn = true; keep(); await logIn() },
  logout: async () => { world.loggedIn = false; keep(); await puppet.logout('test') },
  rename: ({ room, topic }) => {
    const oldTopic = roomOf(room).topic
    roomOf(room).topic = topic
    keep()
    dirty(room)
    const event = { changerId: world.self, newTopic: topic, oldTopic, roomId: room, timestamp: Date.now() }
    puppet.emit('room-topic', event)
  },
  reset: async () => { // as if it were a new gateway: a process takes seconds to start, this takes none
    Object.assign(world, nothing())
    keep()
    fs.writeFileSync(arrivalsFile, '')
    for (const list of [arrivals, faults]) list.length = 0
    for (const map of [pictures, links, mocker.cacheMessagePayload]) map.clear()
    counts = {}
    echoes = true
    echoing = { delay: 0, again: 0 }
    ids = false
    if (manager?.busy()) manager.stop()
    await logIn()
  },
  rooms: ({ rooms }) => {
    for (const room of rooms) {
      world.rooms[room.id] = room
      dirty(room.id)
    }
    keep()
  },
  say: message => {
    const id = messageId()
    const at = now()
    emit(id, { kind: 'text', ...message })
    return { at, id }
  },
  scan: ({ qrcode }) => puppet.emit('scan', { qrcode, status: PUPPET.types.ScanStatus.Waiting }),
  settings: settings => {
    echoes = settings.echoes ?? echoes
    echoing = { ...echoing, ...settings.echoing }
    ids = settings.ids ?? ids
  },
}

function dirty (room) {
  puppet.emit('dirty', { payloadId: room, payloadType: PUPPET.types.Payload.Room })
}

// ── the gateway itself ──

let manager
const start = EventStreamManager.prototype.start
EventStreamManager.prototype.start = function (stream) {
  manager = this
  return start.call(this, stream)
}

const mocker = new mock.Mocker()
const puppet = new GatewayPuppet({ mocker })
puppet.on('error', () => {})
puppet.on('start', logIn) // the SDK's own client stops and starts the puppet whenever it connects
await new PuppetServer({
  endpoint: `127.0.0.1:${options.port}`,
  puppet,
  tls: { disable: true },
  token: options.token,
}).start()
await puppet.start()

async function logIn () {
  if (world.loggedIn && !puppet.isLoggedIn) {
    await puppet.login(world.self)
    puppet.emit('ready', { data: 'ready' })
  }
}

http.createServer((request, response) => {
  const parts = []
  request.on('data', part => parts.push(part))
  request.on('end', async () => {
    try {
      const { command, ...given } = JSON.parse(Buffer.concat(parts))
      response.end(JSON.stringify({ result: (await commands[command](given)) ?? null }))
    } catch (error) {
      response.writeHead(500)
      response.end(JSON.stringify({ error: String(error) }))
    }
  })
}).listen(Number(options.control), '127.0.0.1', () => process.stdout.write('ready\n'))
