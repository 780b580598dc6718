// The administrators' API for the mock: a small house with people and phones in every state, that changes when it is told
// to. Nothing that is true of the real server is proven here.

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

export const RIGHTS = {
  administrator: ['see_logins', 'end_logins', 'free_phones', 'unlock_agents', 'manage_agents', 'site_logout', 'see_audit', 'see_security', 'send_test_mail'],
  supervisor: ['see_logins', 'end_logins'],
  engineer: ['see_logins', 'free_phones'],
  agent: [],
}
export const longName = 'Anastasia-Wilhelmina von Hohenstein-Oberkirchen zu Wittelsbach'

export const boss = { name: 'maria', display_name: 'Maria Ferri', extension: '2900', typology: 'external', role: 'administrator' }

export function agent(name, display_name, more = {}) {
  return {
    name, display_name, extension: '2001', typology: 'external', role: 'agent', email: `${name}@example.org`, enabled: true, way: 'local', blocked: null,
    password_at: Date.now() - 20 * day, must_change: false, factors: [], login: null, last_login: Date.now() - day, ...more,
  }
}
const seat = (id, phone, minutes, activity = 'idle') => ({
  id, phone, label: phone ? `Desk ${phone.slice(5)}` : null, site: phone ? 'Milan' : null, floor: phone ? '3' : null, since: Date.now() - minutes * minute, activity,
})

export function somePeople() {
  const now = Date.now()
  return [
    agent('ann', 'Ann Bianchi', { extension: '2001', login: seat(11, 'desk-17', 95, 'in_call'), factors: ['totp', 'recovery'] }),
    agent('bea', 'Bea Conti', { extension: '2002', typology: 'webrtc', login: seat(12, null, 12) }),
    agent('bruno', 'Bruno Rossi', { extension: '2003', blocked: { since: now - 7 * minute, until: now + 8 * minute, why: 'wrong_passwords' } }),
    agent('chiara', 'Chiara De Santis', { extension: '2004', login: seat(13, 'desk-18', 200, 'ringing'), role: 'supervisor' }),
    agent('dario', 'Dario Gallo', { extension: '2005', enabled: false, email: null }),
    agent('elena', 'Elena Greco', { extension: '2006', password_at: null, must_change: true, last_login: null }),
    agent('franz', 'Franz Huber', { extension: '2007', way: 'directory', password_at: null, blocked: { since: now - 3 * hour, until: null, why: 'wrong_passwords' } }),
    agent('ivo', 'Ivo Neri', { extension: '2901', role: 'administrator' }),
    agent('maria', 'Maria Ferri', { extension: '2900', role: 'administrator', factors: ['passkey'] }),
  ]
}

export function somePhones() {
  const now = Date.now()
  const phone = (n, more = {}) => ({
    name: `desk-${n}`, label: `Desk ${n}`, site: 'Milan', floor: '3', enabled: true, state: 'registered', since: now - 5 * hour, ...more,
  })
  return [
    phone(17), phone(18), phone(19), phone(20, { floor: '1' }),
    phone(21, { state: 'unreachable', since: now - 26 * hour }),
    phone(22, { state: 'suspect', since: now - minute }),
    phone(23, { state: 'never_registered', since: null, label: '', site: 'Zürich', floor: 'Reception' }),
    phone(24, { enabled: false, state: 'expired', site: 'Zürich' }),
    phone(25, { site: '', floor: '' }),
  ]
}

export function someLines(count = 40) {
  const now = Date.now()
  const kinds = [
    ['login', 'ok', 'ann', null, { phone: 'desk-17' }],
    ['login', 'wrong_credentials', 'bruno', null, null],
    ['agent_unlocked', 'done', 'maria', 'bruno', null],
    ['login_ended', 'done', 'maria', 'chiara', { login: 9, phone: 'desk-18', in_call: true }],
    ['role_changed', 'done', 'maria', 'chiara', { before: 'agent', after: 'supervisor' }],
    ['administration', 'right_missing', 'chiara', null, null],
  ]
  return Array.from({ length: count }, (_, i) => {
    const [what, outcome, who, whom, detail] = kinds[i % kinds.length]
    return { id: count - i, at: now - i * 17 * minute, who, from: `10.0.0.${(i % 40) + 1}`, what, outcome, whom, detail }
  })
}

const loginsOf = (people) => people.filter((each) => each.login).map((each) => ({
  ...each.login, agent: each.name, display_name: each.display_name, extension: each.extension, from: '10.0.0.5',
}))

/** A scenario for `startMock`: somebody with a role, and the house. */
export function house(more = {}) {
  const world = {
    role: 'administrator',
    people: somePeople(),
    phones: somePhones(),
    lines: someLines(),
    /** Door → an answer instead of the usual one. */
    instead: {},
    delay: {},
    pageSize: 500,
    linePage: 20,
    ...more,
  }
  world.rights ??= RIGHTS[world.role]
  return {
    session: world.session === undefined ? 'pending' : world.session,
    agent: { ...boss, role: world.role },
    held: world.held ?? null,
    house: world,
    also: (request, state) => answer(request, state, world),
  }
}

const refuse = (status, reason, sentence) => ({ status, body: { reason, sentence } })
const done = (sentence) => ({ status: 200, body: { sentence, effect: {} } })

async function answer({ door, url, body, headers, known }, state, world) {
  if (!url.pathname.startsWith('/api/admin')) return null
  if (world.delay[door]) await new Promise((later) => setTimeout(later, world.delay[door]))
  if (!known) return refuse(401, 'no_session', 'You are not logged in.')
  if (world.instead[door]) return typeof world.instead[door] === 'function' ? world.instead[door](body, world) : world.instead[door]
  if (!door.startsWith('GET') && headers['x-hotseat-csrf'] !== 'word') return refuse(403, 'csrf_failed', 'Please reload the page.')
  const [, , , part, id, deed] = url.pathname.split('/').map(decodeURIComponent)
  const may = (...rights) => rights.some((right) => world.rights.includes(right))
  const no = () => refuse(403, 'right_missing', 'Your role does not allow that.')
  switch (part) {
    case 'me': return { status: 200, body: { agent: state.agent, rights: world.rights } }
    case 'agents': return id === undefined ? (may('manage_agents', 'unlock_agents') ? agents(url, world) : no()) : agentDeed(id, deed, body, world)
    case 'logins':
      if (id === undefined) return may('see_logins') ? { status: 200, body: { logins: loginsOf(world.people) } } : no()
      return end(world, (each) => String(each.login?.id) === id, may('end_logins'))
    case 'phones': {
      if (id === undefined) {
        const logins = loginsOf(world.people)
        const phones = world.phones.map((each) => {
          const login = logins.find((one) => one.phone === each.name)
          return { ...each, login: login ? { id: login.id, agent: login.agent, display_name: login.display_name, since: login.since, activity: login.activity } : null }
        })
        return may('see_logins', 'free_phones') ? { status: 200, body: { phones } } : no()
      }
      return end(world, (each) => each.login?.phone === id, may('free_phones'))
    }
    case 'sites': return sites(id, body, world, may('site_logout'))
    case 'audit': return audit(url, world)
    case 'security':
      return { status: 200, body: {
        blocked: world.people.filter((each) => each.blocked), blocked_count: world.people.filter((each) => each.blocked).length,
        counts: [{ what: 'login', outcome: 'ok', count: 1_214 }, { what: 'login', outcome: 'wrong_credentials', count: 37 }, { what: 'takeover', outcome: 'done', count: 4 }],
        since: Date.now() - day, takeover: 'end',
        settings: {
          passwords: { profile: 'suite', valid_days: 90, notice_days: 15, history: 12 },
          lockout: { attempts: 5, minutes: 15 },
          session: { pending_minutes: 5, hours: 12, idle_minutes: 60, longest_hours: 0, shift_ends: ['06:00', '14:00', '22:00'], shift_zone: 'Europe/Rome', warn_minutes: 5 },
          factors: { required: ['administrator'] },
          mail: { server: 'mail.example.org:587', tls: 'starttls', username: 'hotseat', from: 'hotseat@example.org', timeout_s: 20 },
          directory: {
            servers: ['ldaps://dc1.example.org', 'ldaps://dc2.example.org'], tls: 'ldaps', base: 'OU=Agents,DC=example,DC=org', login_attribute: 'sAMAccountName',
            user_filter: '(objectClass=user)', service_account: true, locked_ends_login: false, timeout_s: 3, watch_s: 20,
          },
          oidc: null,
          contact: 'Service desk, extension 100',
        },
        roles: RIGHTS,
      } }
    case 'mail': return /@/.test(body?.to ?? '') ? done(`mail.example.org took a test mail to ${body.to}.`) : refuse(422, 'email_wrong', 'That is not an e-mail address.')
    case 'licence':
      return { status: 200, body: {
        status: 'ending', sentence: 'The licence of Contact Centre Milan ends in 12 days, on 2026-12-06. Please write to licences@example.org.', days: 12,
        licence: { customer: 'Contact Centre Milan', seats: 500, from: '2025-12-07', until: '2026-12-06', contact: 'licences@example.org', notice_days: 30 },
        seats_used: 312,
        certificates: [{ name: 'hotseat.example.org', until: Date.now() + 12 * day }, { name: 'trunk.example.org', until: Date.now() + 300 * day }],
      } }
    default: return null
  }
}

function agents(url, world) {
  const find = (url.searchParams.get('find') ?? '').toLowerCase()
  const after = url.searchParams.get('after')
  const size = Math.min(world.pageSize, Number(url.searchParams.get('limit') ?? 100))
  const found = world.people.filter((each) => find === '' || `${each.name} ${each.display_name} ${each.extension}`.toLowerCase().includes(find))
  const from = after === null ? 0 : found.findIndex((each) => each.name === after) + 1
  const page = found.slice(from, from + size)
  return { status: 200, body: { agents: page, next: from + size < found.length ? page.at(-1).name : null } }
}

function agentDeed(name, deed, body, world) {
  if (!world.rights.includes(deed === 'unlock' ? 'unlock_agents' : 'manage_agents')) return refuse(403, 'right_missing', 'Your role does not allow that.')
  const found = world.people.find((each) => each.name === name)
  if (!found) return refuse(404, 'agent_unknown', 'There is no such agent.')
  const change = (more) => { world.people = world.people.map((each) => (each.name === name ? { ...each, ...more } : each)) }
  switch (deed) {
    case 'unlock': change({ blocked: null }); return done(`${found.display_name} is unlocked.`)
    case 'disable':
      if (found.role === 'administrator') return refuse(403, 'rights_exceeded', 'You cannot decide about somebody who may do more than you.')
      change({ enabled: false, login: null }); return done(`${found.display_name} is disabled.`)
    case 'enable': change({ enabled: true }); return done(`${found.display_name} is enabled.`)
    case 'role': change({ role: body.role }); return done(`${found.display_name} has the role ${body.role}.`)
    case 'email':
      if (body.email !== null && !/^[^@ ]+@[^@ ]+$/.test(body.email)) return refuse(422, 'email_wrong', 'That is not an e-mail address.')
      change({ email: body.email }); return done('The e-mail address is kept.')
    case 'password': change({ must_change: true }); return { status: 200, body: { sentence: `${found.display_name} has a new password and must change it at the next login.`, effect: { agent: name, must_change: true, password: 'mango-Rail7-quiet' } } }
    case 'factors': change({ factors: [] }); return done(`The second factors of ${found.display_name} are reset.`)
    default: return null
  }
}

function end(world, which, may) {
  if (!may) return refuse(403, 'right_missing', 'Your role does not allow that.')
  const found = world.people.find((each) => each.login && which(each))
  if (!found) return refuse(409, 'login_unknown', 'That login is over already.')
  world.people = world.people.map((each) => (each === found ? { ...each, login: null } : each))
  return done(`The login of ${found.display_name} at ${found.login.label ?? 'the browser'} was ended.${found.login.activity === 'in_call' ? ' A call ended with it.' : ''}`)
}

function sites(site, body, world, may) {
  const at = (name) => world.people.filter((each) => each.login?.site === name)
  if (site === undefined) {
    const names = [...new Set(world.phones.map((each) => each.site || '-'))].sort()
    return { status: 200, body: { sites: names.map((name) => ({
      name, phones: world.phones.filter((each) => (each.site || '-') === name).length, logins: at(name).length, in_call: at(name).filter((each) => each.login.activity !== 'idle').length,
    })) } }
  }
  if (!may) return refuse(403, 'right_missing', 'Your role does not allow that.')
  const met = at(site)
  if (body.dry_run) {
    return { status: 200, body: {
      site, logins: met.length, in_call: met.filter((each) => each.login.activity !== 'idle').length, stay: 0,
      agents: met.map((each) => ({ name: each.name, display_name: each.display_name, phone: each.login.phone, since: each.login.since, activity: each.login.activity, stays: false })),
      confirm: met.map((each) => each.name).join(), expires: Date.now() + 2 * minute, sentence: '',
    } }
  }
  if (body.confirm !== met.map((each) => each.name).join()) return refuse(409, 'changed_since', 'Somebody sat down since you looked. Please look again.')
  world.people = world.people.map((each) => (met.includes(each) ? { ...each, login: null } : each))
  return done(`${met.length} logins were ended at ${site}.`)
}

function audit(url, world) {
  const q = (name) => url.searchParams.get(name)
  const found = world.lines.filter((line) =>
    (!q('who') || line.who === q('who') || line.whom === q('who')) && (!q('what') || line.what === q('what')) && (!q('outcome') || line.outcome === q('outcome'))
    && (!q('from') || line.at >= Number(q('from'))) && (!q('to') || line.at < Number(q('to'))) && (!q('before') || line.id < Number(q('before'))))
  const lines = found.slice(0, world.linePage)
  return { status: 200, body: { lines, next: found.length > world.linePage ? lines.at(-1).id : null } }
}
