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
const types = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.webmanifest': 'application/manifest+json' }

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

/** The rules as Security Suite has them. */
export const suiteRules = () => ({
  profile: 'suite',
  rules: [
    { id: 'length', text: 'At least 8 characters', min: 8 },
    { id: 'lower', text: 'At least one lower-case letter' },
    { id: 'upper', text: 'At least one upper-case letter' },
    { id: 'digit', text: 'At least one digit' },
    { id: 'special', text: 'At least one of ~!@#$%^&-_=+[{]}', chars: '~!@#$%^&-_=+[{]}' },
    { id: 'not_old', text: 'Different from your present password' },
    { id: 'not_recent', text: 'Different from your last 12 passwords', n: 12 },
    { id: 'not_common', text: 'Not a common password, and not your name' },
  ],
})
export const recoveryCodes = () => Array.from({ length: 10 }, (_, i) => `k${i}wm-7xq${i}-pd4r`)
const qrSvg = () => {
  const cells = Array.from({ length: 29 * 29 }, (_, i) => [i % 29, Math.floor(i / 29)]).filter(([x, y]) => (x * 7 + y * 13 + x * y) % 5 < 2)
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-2 -2 33 33"><rect x="-2" y="-2" width="33" height="33" fill="#fff"/>${cells.map(([x, y]) => `<rect x="${x}" y="${y}" width="1" height="1"/>`).join('')}</svg>`
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
    /** What GET /api/site says besides the name. */
    site: {},
    /** Stages between the credentials and the phone that are still to be passed, in their order. */
    stages: [],
    kinds: ['totp', 'recovery'],
    why: 'first',
    /** What POST /api/password, /api/reset and /api/forgot answer instead of yes. */
    passwordRefusal: null,
    resetRefusal: null,
    forgotRefusal: null,
    linkExpires: Date.now() + 3_540_000,
    factors: [],
    factorRules: {},
    notices: [],
    presence: null,
    endsSoon: null,
    notMe: null,
    /** Tickets that are good once. */
    tickets: new Set(['good']),
    /** Doors that are somebody else's: called with `{door, url, body, headers, known}`, answers or gives back nothing. */
    also: null,
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
  /** What is asked next of who has said who they are. */
  const next = () => {
    const stage = state.stages[0]
    if (stage) {
      const more = stage === 'second_factor' ? { kinds: state.kinds } : stage === 'change_password' ? { why: state.why, rules: suiteRules() } : {}
      return { state: stage, ...more }
    }
    if (state.session === 'in') return { state: 'ready' }
    return state.held ? { state: 'held', held: state.held, sentence: 'User already logged. Do you want to continue?' } : { state: 'choose_phone' }
  }
  /** A stage is passed: on to the next, or in. */
  const advance = (response, more = {}) => {
    state.stages = state.stages.slice(1)
    if (state.stages.length === 0 && state.agent.typology !== 'external' && !state.held) state.session = 'in'
    return send(response, 200, { ...me(), ...more }, cookie())
  }
  const me = () => ({
    agent: state.agent,
    csrf: 'word',
    notices: state.notices,
    presence: state.presence,
    login_ends_soon: state.endsSoon,
    login: state.session === 'in' ? { id: 1, epoch: 1, since: Date.now() - 12 * 60_000 } : null,
    phone: state.seat ? { name: state.seat.name, label: state.seat.label, state: state.seat.state } : null,
    activity: state.activity,
    held: null,
    sentence: null,
    last_phone: state.last_phone,
    ...next(),
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
    const other = await state.also?.({ door, url, body, headers: request.headers, known: known && state.session !== null }, state)
    if (other) return send(response, other.status, other.body)
    switch (door) {
      case 'GET /api/site':
        return send(response, 200, { name: 'Hotseat', version: '0.1.0', environment: 'development', login_methods: ['password'], forgot_password: 'mail', contact: null, ...state.site })
      case 'GET /api/me':
        if (state.me) return send(response, state.me.status, state.me.body)
        if (!known || !state.session) return refuse(response, 401, 'no_session', 'Please log in.')
        return send(response, 200, me())
      case 'POST /api/login': {
        if (state.login) return send(response, state.login.status, state.login.body)
        if (body.password !== 'right') return refuse(response, 401, 'wrong_credentials', 'The username or the password is not right.')
        const held = state.held
        if (state.stages.length > 0) {
          state.session = 'pending'
          return send(response, 200, me(), cookie())
        }
        if (state.agent.typology !== 'external' && !held && !state.sitDown) {
          state.session = 'in'
          return send(response, 200, me(), cookie())
        }
        state.session = 'pending'
        return send(response, 200, {
          state: held ? 'held' : 'choose_phone', csrf: 'word', agent: state.agent, held,
          sentence: held ? 'User already logged. Do you want to continue?' : null, last_phone: state.last_phone, notices: state.notices,
        }, cookie())
      }
      case 'POST /api/login/factor':
        if (!known) return refuse(response, 401, 'no_session', 'You are not logged in.')
        return body.code === '123456' || body.code === 'k0wm-7xq0-pd4r' ? advance(response) : refuse(response, 422, 'wrong_code', 'This code is not right, or no longer.')
      case 'GET /api/password/rules':
        return send(response, 200, suiteRules())
      case 'POST /api/password':
        if (state.stages[0] !== 'change_password' && body.old !== 'right') return refuse(response, 422, 'old_password_wrong', 'The old password is wrong.')
        if (state.passwordRefusal) return send(response, state.passwordRefusal.status, state.passwordRefusal.body)
        return state.stages[0] === 'change_password' ? advance(response) : send(response, 200, me(), cookie())
      case 'POST /api/forgot':
        if (state.forgotRefusal) return send(response, state.forgotRefusal.status, state.forgotRefusal.body)
        return send(response, 202, { sentence: 'If this address belongs to an account, a link is on its way to it.' })
      case 'POST /api/reset/look':
        return body.token === 'good' ? send(response, 200, { expires: state.linkExpires }) : refuse(response, 410, 'link_expired', 'This link was used already, or has expired.')
      case 'POST /api/reset':
        if (state.resetRefusal) return send(response, state.resetRefusal.status, state.resetRefusal.body)
        return send(response, 204, null)
      case 'POST /api/factor/totp/begin':
        return send(response, 200, { secret: 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP', uri: 'otpauth://totp/Hotseat:ann?secret=JBSWY3DPEHPK3PXP', qr_svg: qrSvg() })
      case 'POST /api/factor/totp/confirm': {
        if (body.code !== '123456') return refuse(response, 422, 'wrong_code', 'This code is not right, or no longer.')
        state.factors = [...state.factors, { id: state.factors.length + 1, kind: 'totp', name: 'Authenticator app', since: Date.now(), last_used: null }]
        return advance(response, { recovery_codes: recoveryCodes() })
      }
      case 'GET /api/factors':
        return send(response, 200, { factors: state.factors, recovery_codes_left: state.factors.length > 0 ? 9 : 0, required: false, confirm: 'password', ...state.factorRules })
      case 'POST /api/factor/recovery':
        return body.password === 'right' ? send(response, 200, { recovery_codes: recoveryCodes() }) : refuse(response, 422, 'wrong_password', 'The password is wrong.')
      case 'POST /api/login/not-me':
        return state.notMe ? send(response, state.notMe.status, state.notMe.body)
          : send(response, 200, { sentence: 'The new login has ended and your account is locked. Please call your administrator.' })
      case 'POST /api/ticket':
        state.tickets.add('minted')
        return send(response, 200, { url: `http://127.0.0.1:${server.address().port}/t#minted`, expires_in_s: 60 })
      case 'POST /api/ticket/use':
        if (!state.tickets.delete(body.ticket)) return refuse(response, 410, 'ticket_expired', 'This ticket was used already, or its minute is over. Please log in.')
        state.session = 'in'
        return send(response, 200, me(), cookie())
      case 'POST /api/me/active':
        state.endsSoon = null
        return send(response, 204, null)
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
        if (request.method === 'DELETE' && url.pathname.startsWith('/api/factors/')) {
          if (body?.password !== 'right') return refuse(response, 422, 'wrong_password', 'The password is wrong.')
          state.factors = state.factors.filter((f) => String(f.id) !== url.pathname.split('/').at(-1))
          return send(response, 204, null)
        }
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
