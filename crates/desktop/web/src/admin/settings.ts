// Settings in effect as rows of words. What this page has no word for is shown by its own name, never left out.

import { at } from '../clock'
import { humanised } from './audit'
import { RIGHT, ROLE } from './words'
import type { Right, Role } from './api'

export interface Group {
  id: string
  title: string
  /** The file where it is changed. */
  file: string
  rows: [string, string][]
  /** Its values are long: each stands below its name. */
  long?: boolean
}

/** Title and file of each part, in the order in which people look for them. */
const PARTS: Record<string, { title: string; file: string }> = {
  passwords: { title: 'Passwords', file: 'security.toml, [passwords]' },
  lockout: { title: 'Wrong passwords', file: 'security.toml, [lockout]' },
  session: { title: 'Sessions', file: 'security.toml, [session]' },
  factors: { title: 'Second factors', file: 'security.toml, [factors]' },
  mail: { title: 'Mail', file: 'mail.toml' },
  directory: { title: 'Active Directory', file: 'directory.toml' },
  oidc: { title: 'Google or another provider', file: 'oidc.toml' },
}

const LONG: readonly string[] = ['mail', 'directory', 'oidc']

const LABEL: Record<string, string> = {
  profile: 'Profile',
  suite: 'Security Suite',
  valid_days: 'Valid for',
  warn_days: 'Notice before the end',
  notice_days: 'Notice before the end',
  history: 'Not one of the last',
  not_recent: 'Not one of the last',
  min_length: 'At least',
  length: 'At least',
  attempts: 'Wrong attempts allowed',
  max_attempts: 'Wrong attempts allowed',
  minutes: 'Locked for',
  unlock_minutes: 'Locked for',
  block_minutes: 'Locked for',
  pending_minutes: 'To choose a phone',
  hours: 'A page nobody uses',
  idle_minutes: 'A login ends when idle for',
  longest_hours: 'A login ends after',
  shift_ends: 'Shifts end at',
  shift_zone: 'In the time of',
  warn_minutes: 'Warned before',
  required: 'Demanded of',
  required_for: 'Demanded of',
  server: 'Server',
  servers: 'Servers',
  tls: 'Protection',
  username: 'Logs in as',
  from: 'Sender',
  base: 'Searched below',
  login_attribute: 'Login name is',
  user_filter: 'Among',
  service_account: 'Searches with an account of its own',
  locked_ends_login: 'A lock there ends the login here',
  issuer: 'Issuer',
  client_id: 'Client',
  label: 'Button',
  hosted_domain: 'Only accounts of',
  redirect_uri: 'Comes back to',
  watch_s: 'Asked again every',
  timeout_s: 'Waited for',
  kinds: 'Kinds',
  takeover: 'A takeover during a call',
  contact: 'Whom locked-out people are told to contact',
}

const TAKEOVER: Record<string, string> = {
  end: 'Ends the call',
  refuse: 'Is refused',
  move: 'Takes the call along',
}

const PROFILE: Record<string, string> = {
  off: 'Off: 8 characters, nothing common, no expiry',
  suite: 'Security Suite',
  modern: 'Modern: long, no composition rules, no expiry',
}

/** The parts of the answer; scalars beside them are gathered as «General». Roles are told elsewhere. */
export function groupsOf(answer: Record<string, unknown>): Group[] {
  const groups: Group[] = []
  const general: [string, string][] = []
  for (const [id, value] of Object.entries(answer)) {
    if (id === 'roles') continue
    if (value === null && id in PARTS) {
      groups.push({ id, title: PARTS[id]!.title, file: PARTS[id]!.file, rows: [] })
      continue
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      general.push([labelOf(id), settingWords(id, value)])
      continue
    }
    const part = PARTS[id] ?? { title: humanised(id), file: 'security.toml' }
    groups.push({ id, title: part.title, file: part.file, rows: rowsOf(value as Record<string, unknown>), long: LONG.includes(id) })
  }
  const order = Object.keys(PARTS)
  groups.sort((a, b) => place(order, a.id) - place(order, b.id))
  if (general.length > 0) groups.push({ id: 'general', title: 'General', file: 'security.toml', rows: general })
  return groups
}

/** Age and history are the suite's; beside another profile they hold for nobody. */
const OF_THE_SUITE = ['valid_days', 'notice_days', 'warn_days', 'history']

function rowsOf(values: Record<string, unknown>): [string, string][] {
  const suite = values.profile === undefined || values.profile === 'suite'
  return Object.entries(values)
    .filter(([name]) => suite || !OF_THE_SUITE.includes(name))
    // In the order of the words above, which is the order in which they are understood.
    .sort(([a], [b]) => place(Object.keys(LABEL), a) - place(Object.keys(LABEL), b))
    .map(([name, value]) => [labelOf(name), settingWords(name, value)])
}

function place(order: readonly string[], id: string): number {
  const found = order.indexOf(id)
  return found < 0 ? order.length : found
}

function labelOf(name: string): string {
  return LABEL[name] ?? humanised(name.replace(/_(days|minutes|hours|s|ms)$/, ''))
}

/** The value in words; the unit is in the name. A zero that means «no limit» says so. */
export function settingWords(name: string, value: unknown): string {
  if (value === null || value === undefined || value === '') return 'Not set'
  if (value === true) return 'Yes'
  if (value === false) return 'No'
  if (Array.isArray(value)) return value.length === 0 ? 'None' : value.map((each) => wordFor(String(each))).join(', ')
  if (typeof value === 'object') return Object.entries(value).map(([key, each]) => `${labelOf(key).toLowerCase()}: ${settingWords(key, each)}`).join('; ')
  if (name === 'profile') return PROFILE[String(value)] ?? String(value)
  if (name === 'takeover') return TAKEOVER[String(value)] ?? String(value)
  if (typeof value === 'number') return numberWords(name, value)
  return wordFor(String(value))
}

function numberWords(name: string, value: number): string {
  if (/attempts$/.test(name) && value === 0) return 'No limit'
  if (/^(unlock_|block_)?minutes$/.test(name) && value === 0) return 'Until somebody unlocks it'
  if (/^(idle_minutes|longest_hours)$/.test(name) && value === 0) return 'Never'
  if (/(_at|until|expires)$/.test(name) && value > 1e11) return at(value)
  if (/_days$/.test(name)) return unit(value, 'day')
  if (/minutes$/.test(name)) return unit(value, 'minute')
  if (/(^|_)hours$/.test(name)) return unit(value, 'hour')
  if (/_s$/.test(name)) return value % 60 === 0 && value >= 60 ? unit(value / 60, 'minute') : unit(value, 'second')
  if (/^(min_)?length$/.test(name)) return unit(value, 'character')
  return value.toLocaleString('en')
}

function unit(n: number, one: string): string {
  return n === 0 ? 'Off' : `${n.toLocaleString('en')} ${one}${n === 1 ? '' : 's'}`
}

function wordFor(word: string): string {
  return ROLE[word as Role] ?? word
}

export interface RoleRow {
  role: string
  rights: string[]
}

/** Each role and what it may do, from the one that may most. */
export function rolesOf(roles: unknown): RoleRow[] {
  if (typeof roles !== 'object' || roles === null) return []
  const rows = Object.entries(roles).map(([role, rights]) => ({
    role: ROLE[role as Role] ?? humanised(role),
    rights: (Array.isArray(rights) ? rights : []).map((each) => RIGHT[each as Right] ?? humanised(String(each))),
  }))
  return rows.sort((a, b) => b.rights.length - a.rights.length)
}
