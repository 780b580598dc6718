// A server that speaks the pages' API and nothing else, so that states which are hard to reach with a real one (no
// phone at all, five thousand phones, very long names, an answer that never comes) can be looked at. Nothing that is
// true of the real server is proven here.

import { readFileSync, existsSync } from 'node:fs'
import { createServer } from 'node:http'
import { dirname, extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { WebSocketServer } from 'ws'
import { ToySip } from './sip.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '../..')
const dist = join(root, 'crates/desktop/web/dist')
const types = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' }

/** The policy the real pages come with, read from where it is written. */
function policy() {
  const source = readFileSync(join(root, 'crates/desktop/src/headers.rs'), 'utf8')
  const found = /pub const CSP: &str = "([^"]+)"/.exec(source)
  if (!found) throw new Error('no CSP in crates/desktop/src/headers.rs')
  return found[1]
}

export const ann = { name: 'ann', display_name: 'Ann Miller', extension: '2001', typology: 'external' }

/** An agent whose phone is the page. */
export const bea = { name: 'bea', display_name: 'Bea Conti', extension: '2002', typology: 'webrtc' }

export function phone(n, more = {}) {
  const number = String(n).padStart(2, '0')
  return { name: `desk-${number}`, label: `Desk ${number}`, site: 'Milan', floor: String(1 + (n % 4)), state: 'free', by: null, since: null, ...more }
}

export function somePhones(now = Date.now()) {
  const minute = 60_000
  return [
    ...Array.from({ length: 12 }, (_, i) => phone(i + 10)),
    phone(1, { state: 'in_use', by: 'Bruno Rossi', since: now - 47 * minute }),
    phone(2, { state: 'in_use', by: 'Chiara De Santis', since: now - 200 * minute }),
    phone(3, { state: 'unreachable', since: now - 26 * 60 * minute }),
    phone(4, { state: 'never_registered', label: null, site: 'Zürich', floor: 'Reception' }),
  ]
}

export async function startMock(scenario = {}) {
  const state = {
    phones: somePhones(),
    agent: ann,
    /** null, 'pending' or 'in': what the one cookie is worth. */
    session: null,
    seat: null,
    held: null,
    last_phone: null,
    activity: { activity: 'idle', peer: null, since: null },
    me: null,
    login: null,
    sitDown: null,
    delay: 0,
    dropCookies: false,
    /** What GET /api/sip says besides the ticket, or a refusal. */
    account: {},
    sipRefusal: null,
    /** The tab that has the audio; the first that asks gets it. */
    owner: null,
    requests: [],
    ...scenario,
  }
  let seq = 1
  const sockets = new Set()
  const sip = new ToySip()
  const headers = { 'content-security-policy': policy(), 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' }

  const send = (response, status, body, more = {}) => {
    response.writeHead(status, { ...headers, 'content-type': 'application/json', 'cache-control': 'no-store', ...more })
    response.end(status === 204 ? '' : JSON.stringify(body))
  }
  const refuse = (response, status, reason, sentence, more = {}) => send(response, status, { reason, sentence, ...more })
  const cookie = () => (state.dropCookies ? {} : { 'set-cookie': 'hotseat=mock; Path=/; HttpOnly; SameSite=Lax' })

  const push = (frame) => {
    seq += 1
    for (const ws of sockets) ws.send(JSON.stringify({ seq, ...frame }))
  }
  const me = () => ({
    state: state.session === 'in' ? 'ready' : 'choose_phone',
    agent: state.agent,
    csrf: 'word',
    login: state.session === 'in' ? { id: 1, epoch: 1, since: Date.now() - 12 * 60_000 } : null,
    phone: state.seat ? { name: state.seat.name, label: state.seat.label, state: state.seat.state } : null,
    activity: state.activity,
    held: null,
    sentence: null,
    last_phone: state.last_phone,
  })

  async function handle(request, response) {
    const url = new URL(request.url, 'http://x')
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    const body = chunks.length > 0 ? JSON.parse(Buffer.concat(chunks).toString()) : null
    const known = /hotseat=mock/.test(request.headers.cookie ?? '')
    const door = `${request.method} ${url.pathname}`
    state.requests.push({ door, body, csrf: request.headers['x-hotseat-csrf'] ?? null })
    if (state.delay > 0) await new Promise((done) => setTimeout(done, state.delay))
    switch (door) {
      case 'GET /api/site':
        return send(response, 200, { name: 'Hotseat', version: '0.1.0', environment: 'development', login_methods: ['password'] })
      case 'GET /api/me':
        if (state.me) return send(response, state.me.status, state.me.body)
        if (!known || !state.session) return refuse(response, 401, 'no_session', 'Please log in.')
        return send(response, 200, me())
      case 'POST /api/login': {
        if (state.login) return send(response, state.login.status, state.login.body)
        if (body.password !== 'right') return refuse(response, 401, 'wrong_credentials', 'The username or the password is not right.')
        const held = state.held
        if (state.agent.typology !== 'external' && !held && !state.sitDown) {
          state.session = 'in'
          return send(response, 200, me(), cookie())
        }
        state.session = 'pending'
        return send(response, 200, {
          state: held ? 'held' : 'choose_phone', csrf: 'word', agent: state.agent, held,
          sentence: held ? 'User already logged. Do you want to continue?' : null, last_phone: state.last_phone,
        }, cookie())
      }
      case 'GET /api/phones':
        if (!known || !state.session) return refuse(response, 401, 'login_expired', 'Your login took too long.')
        return send(response, 200, { phones: state.phones, last_phone: state.last_phone })
      case 'POST /api/login/device': {
        if (request.headers['x-hotseat-csrf'] !== 'word') return refuse(response, 403, 'csrf', 'Please reload the page.')
        const answer = state.sitDown?.(body, state)
        if (answer) return send(response, answer.status, answer.body)
        if (state.agent.typology !== 'external') {
          state.session = 'in'
          return send(response, 200, me(), cookie())
        }
        const seat = state.phones.find((each) => each.name === body.phone)
        if (!seat) return refuse(response, 422, 'phone_unknown', 'There is no such phone.')
        if (seat.state === 'in_use') return refuse(response, 409, 'phone_in_use', 'Someone else has just taken that phone.', { held: null })
        state.session = 'in'
        state.seat = seat
        return send(response, 200, { ...me(), phone: { name: seat.name, label: seat.label } }, cookie())
      }
      case 'GET /api/sip': {
        if (state.sipRefusal) return send(response, state.sipRefusal.status, state.sipRefusal.body)
        const tab = url.searchParams.get('tab')
        state.owner ??= tab
        return send(response, 200, {
          uri: 'sip:web-12@test.local', ws: `ws://127.0.0.1:${server.address().port}/sip`, ticket: sip.ticket, expires_in_s: 3600,
          ice_servers: [], owner: state.owner === tab, ...state.account,
        })
      }
      case 'POST /api/sip/take':
        if (state.owner !== null && state.owner !== body.tab) push({ type: 'tab_lost', tab: state.owner })
        state.owner = body.tab
        return send(response, 200, { owner: true })
      case 'DELETE /api/login':
        state.session = null
        return send(response, 204, null, { 'set-cookie': 'hotseat=; Path=/; Max-Age=0' })
      default:
        if (url.pathname.startsWith('/api')) return refuse(response, 404, 'not_found', 'There is no such door.')
        return page(url.pathname, response)
    }
  }

  function page(path, response) {
    const name = normalize(path).replace(/^\/+/, '')
    const file = name !== '' && extname(name) !== '' && existsSync(join(dist, name)) ? name : 'index.html'
    response.writeHead(200, { ...headers, 'content-type': types[extname(file)] ?? 'application/octet-stream', 'cache-control': 'no-store' })
    response.end(readFileSync(join(dist, file)))
  }

  const server = createServer((request, response) => {
    handle(request, response).catch((error) => refuse(response, 500, 'mock', String(error)))
  })
  const upgrades = new WebSocketServer({ noServer: true, handleProtocols: (offered) => (offered.has('sip') ? 'sip' : false) })
  const sips = new Set()
  let refusing = false
  server.on('upgrade', (request, socket, head) => {
    if (refusing) return socket.destroy()
    upgrades.handleUpgrade(request, socket, head, (ws) => {
      if (request.url.startsWith('/sip')) {
        sips.add(ws)
        ws.on('close', () => sips.delete(ws))
        return sip.open(ws)
      }
      sockets.add(ws)
      ws.on('close', () => sockets.delete(ws))
      ws.send(JSON.stringify({ seq, type: 'snapshot', phones: state.phones }))
    })
  })
  await new Promise((done) => server.listen(0, '127.0.0.1', done))

  return {
    url: `http://127.0.0.1:${server.address().port}`,
    state,
    listeners: () => sockets.size,
    sip,
    push,
    /** A phone changes, in the list and on every page that looks at it. */
    change(name, more) {
      state.phones = state.phones.map((each) => (each.name === name ? { ...each, ...more } : each))
      const { state: now, by, since } = state.phones.find((each) => each.name === name)
      push({ type: 'phone', name, state: now, by, since })
    },
    cut() {
      refusing = true
      for (const ws of [...sockets, ...sips]) ws.terminate()
    },
    heal() { refusing = false },
    async close() {
      for (const ws of [...sockets, ...sips]) ws.terminate()
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}
