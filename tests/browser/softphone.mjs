// Softphones that are not ours: a page of somebody else's origin with plain JsSIP or plain SIP.js on it, as npm has them. They
// speak SIP over WebSocket to Hotseat and know nothing of it but a name and a secret.

import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { dirname, extname, join, normalize, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const modules = join(here, 'node_modules')

/** JsSIP comes as CommonJS for bundlers; this is the smallest of them. */
function bundle(entry) {
  const found = new Map()
  const visit = (file) => {
    if (found.has(file)) return
    const text = readFileSync(file, 'utf8')
    const deps = {}
    found.set(file, { text, deps })
    if (extname(file) === '.json') return
    for (const [, name] of text.matchAll(/require\(['"]([^'"]+)['"]\)/g)) {
      deps[name] = resolved(file, name)
      visit(deps[name])
    }
  }
  visit(entry)
  const body = [...found].map(([file, { text, deps }]) => {
    const source = extname(file) === '.json' ? `module.exports = ${text}` : text
    return `${JSON.stringify(file)}: [${JSON.stringify(deps)}, function (require, module, exports) {\n${source}\n}]`
  })
  return `const table = {${body.join(',\n')}}
const made = {}
const load = (file) => {
  if (made[file]) return made[file].exports
  const module = (made[file] = { exports: {} })
  const [deps, make] = table[file]
  make((name) => load(deps[name]), module, module.exports)
  return module.exports
}
export default load(${JSON.stringify(entry)})`
}

/** As a browser's bundler would: the packages that stand in for node's own, and the browser's half of `debug`. */
function resolved(from, name) {
  const require = createRequire(from)
  if (name === 'debug') return join(modules, 'debug/src/browser.js')
  return require.resolve(name === 'events' ? 'events/' : name)
}

const PAGE = `<!doctype html><meta charset="utf-8"><title>A softphone</title><audio id="remote" autoplay></audio>
<script type="module" src="/phone.js"></script>`

/** Both libraries behind one face: `phone.start`, `phone.call`, `phone.hangUp`, `phone.stop`; calls that come are answered. What
 *  happened is in `phone.events`, what was heard in `phone.heard()`: samples of 8 kHz. */
const PHONE = `
import JsSIP from '/jssip.js'
import { Inviter, Registerer, RegistererState, SessionState, UserAgent } from '/sip.js/lib/index.js'

const events = []
const say = (what, detail) => events.push([what, String(detail ?? '')])
let ua
let session
let samples = []
let context

/** Plays what comes and keeps it. */
function listen(stream) {
  document.getElementById('remote').srcObject = stream
  // The ear of the call before would go on writing down silence between the samples.
  context?.close()
  context = new AudioContext({ sampleRate: 8000 })
  const tap = context.createScriptProcessor(1024, 1, 1)
  tap.onaudioprocess = ({ inputBuffer }) => {
    for (const v of inputBuffer.getChannelData(0)) samples.push(Math.round(Math.max(-1, Math.min(1, v)) * 32767))
  }
  context.createMediaStreamSource(stream).connect(tap)
  tap.connect(context.destination)
}

// What is spoken goes out as it is: the browser would take a melody for noise and an answer for an echo.
const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false }
const media = { mediaConstraints: { audio, video: false }, pcConfig: { iceServers: [] } }
const constraints = { sessionDescriptionHandlerOptions: { constraints: { audio, video: false } } }

/** Follows a session of SIP.js from its first state to its last. */
function follow(one) {
  session = one
  one.stateChange.addListener((state) => {
    if (state === SessionState.Established) {
      listen(one.sessionDescriptionHandler.remoteMediaStream)
      say('up')
    }
    if (state === SessionState.Terminated) say('ended')
  })
}

const kinds = {
  jssip({ ws, domain, user, secret }) {
    ua = new JsSIP.UA({
      sockets: [new JsSIP.WebSocketInterface(ws)], uri: 'sip:' + user + '@' + domain,
      authorization_user: user, password: secret, register_expires: 120, session_timers: false,
    })
    ua.on('connected', () => say('connected'))
    ua.on('disconnected', () => say('disconnected'))
    ua.on('registered', () => say('registered'))
    ua.on('registrationFailed', (e) => say('refused', e.cause))
    ua.on('newRTCSession', ({ session: one, originator }) => {
      session = one
      const attend = (connection) => {
        connection.addEventListener('track', ({ streams, track }) => listen(streams[0] ?? new MediaStream([track])))
      }
      // A call out has its connection before we hear of it, a call in gets one when it is answered.
      if (one.connection) attend(one.connection)
      else one.on('peerconnection', ({ peerconnection }) => attend(peerconnection))
      one.on('confirmed', () => say('up'))
      one.on('ended', (e) => say('ended', e.cause))
      one.on('failed', (e) => say('failed', e.cause + ' ' + (e.message?.status_code ?? '')))
      if (originator === 'remote') one.answer(media)
    })
    ua.start()
    return {
      stop: async () => ua.stop(),
      call: (uri) => ua.call(uri, media),
      hangUp: () => session.terminate(),
    }
  },
  sipjs({ ws, domain, user, secret }) {
    ua = new UserAgent({
      uri: UserAgent.makeURI('sip:' + user + '@' + domain), transportOptions: { server: ws },
      authorizationUsername: user, authorizationPassword: secret, logLevel: 'error',
      delegate: {
        onConnect: () => say('connected'),
        onDisconnect: () => say('disconnected'),
        onInvite: (invitation) => {
          follow(invitation)
          invitation.accept(constraints)
        },
      },
    })
    const registerer = new Registerer(ua, { expires: 120 })
    registerer.stateChange.addListener((state) => {
      if (state === RegistererState.Registered) say('registered')
    })
    ua.start().then(() => registerer.register({
      requestDelegate: { onReject: (r) => say('refused', r.message.statusCode) },
    }))
    return {
      stop: async () => { await registerer.unregister(); await ua.stop() },
      call: (uri) => {
        follow(new Inviter(ua, UserAgent.makeURI(uri), constraints))
        session.invite({ requestDelegate: { onReject: (r) => say('failed', r.message.statusCode) } })
      },
      hangUp: () => session.bye(),
    }
  },
}

let one
globalThis.phone = {
  events,
  start(kind, account) { one = kinds[kind](account) },
  stop: () => one.stop(),
  call: (uri) => { one.call(uri) },
  hangUp: () => { one.hangUp() },
  /** What was heard since the last time. */
  heard() {
    const all = samples
    samples = []
    return all
  },
}
`

/** Serves the page on an origin of its own; its address. */
export async function serve() {
  const jssip = bundle(createRequire(join(modules, 'x')).resolve('jssip'))
  const own = { '/': ['text/html', PAGE], '/phone.js': ['text/javascript', PHONE], '/jssip.js': ['text/javascript', jssip] }
  const server = createServer((request, response) => {
    const path = new URL(request.url, 'http://x').pathname
    const [type, text] = own[path] ?? file(path) ?? []
    response.writeHead(type ? 200 : 404, { 'content-type': type ?? 'text/plain' })
    response.end(text ?? 'nothing here')
  })
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready))
  // A name, not the address Hotseat has: another site, so that no cookie of ours could come along.
  return { url: `http://localhost:${server.address().port}/`, close: () => server.close() }
}

function file(path) {
  const full = normalize(join(modules, path))
  if (!full.startsWith(join(modules, 'sip.js') + sep)) return undefined
  try {
    return ['text/javascript', readFileSync(full)]
  } catch {
    return undefined
  }
}

/** Opens the page and waits until it can be spoken to. */
export async function open(context, url) {
  const page = await context.newPage()
  await page.goto(url)
  await page.waitForFunction(() => globalThis.phone)
  return page
}

/** Waits until this happened so many times. */
export async function until(page, what, count = 1) {
  const seen = ([what, count]) => phone.events.filter(([e]) => e === what).length >= count
  try {
    await page.waitForFunction(seen, [what, count], { timeout: 15_000 })
  } catch {
    throw new Error(`no ${what}: ${JSON.stringify(await page.evaluate(() => phone.events))}`)
  }
}
