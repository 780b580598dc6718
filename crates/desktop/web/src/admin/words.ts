// How the administrators' pages name things: a word for each value, never a value that no person would say.

import type { Activity, Typology } from '../api'
import { at } from '../clock'
import type { AdminAgent, AdminPhone, Right, Role, Seat } from './api'

export const ROLE: Record<Role, string> = {
  agent: 'Agent',
  supervisor: 'Supervisor',
  engineer: 'Engineer',
  administrator: 'Administrator',
}

export const TYPOLOGY: Record<Typology, string> = {
  webrtc: 'Browser',
  external: 'Desk phone',
  phonebar: 'Phonebar',
}

export const WAY: Record<AdminAgent['way'], string> = {
  local: 'Password of Hotseat',
  directory: 'Active Directory',
  oidc: 'Google or another provider',
}

export const RIGHT: Record<Right, string> = {
  see_logins: 'See who sits where',
  end_logins: 'End a login',
  free_phones: 'Free a phone',
  unlock_agents: 'Unlock agents',
  manage_agents: 'Look after agents',
  site_logout: 'Log out a whole site',
  see_audit: 'Read the audit log',
  see_security: 'See the security settings',
  send_test_mail: 'Send a test mail',
}

export const ACTIVITY: Record<Activity, string> = { idle: 'Idle', ringing: 'Ringing', in_call: 'In a call' }

export type PhoneStanding = 'disabled' | 'in_use' | 'in_use_away' | 'free' | 'suspect' | 'unreachable' | 'expired' | 'never_registered'

/** The one word of a phone's row: who could sit there, or why nobody can. */
export function standingOf(phone: AdminPhone): PhoneStanding {
  if (phone.login) return phone.state === 'registered' ? 'in_use' : 'in_use_away'
  if (!phone.enabled) return 'disabled'
  return phone.state === 'registered' ? 'free' : phone.state
}

export const STANDING: Record<PhoneStanding, string> = {
  disabled: 'Disabled',
  in_use: 'In use',
  in_use_away: 'In use, not answering',
  free: 'Free',
  suspect: 'Being checked',
  unreachable: 'Not answering',
  expired: 'Disconnected',
  never_registered: 'Never connected',
}

const FACTOR: Record<string, string> = { totp: 'Authenticator app', passkey: 'Passkey', recovery: 'Recovery codes' }

/** A word that is new to this page is shown as it came. */
export function factorWord(kind: string): string {
  return FACTOR[kind] ?? kind
}

/** A phone by what is written on it. */
export function seatWords(seat: Seat): string {
  return seat.phone === null ? 'Browser' : seat.label || seat.phone
}

/** «at Desk 17 (desk-17)», «in a browser»: for sentences. */
export function whereWords(seat: Seat): string {
  return seat.phone === null ? 'in a browser' : `at ${phoneWords(seat.phone, seat.label)}`
}

export function phoneWords(name: string, label?: string | null): string {
  return label && label !== name ? `${label} (${name})` : name
}

/** What follows the sentence when somebody's call is cut: «; the call ends». */
export function callWords(activity: Activity | null): string {
  return activity === 'in_call' ? '; the call ends' : activity === 'ringing' ? '; the ringing stops' : ''
}

export type AgentState = 'blocked' | 'disabled' | 'in_call' | 'ringing' | 'in' | 'out'

/** The one word of an agent's row, what stops them before what they do. */
export function stateOf(agent: AdminAgent): AgentState {
  if (!agent.enabled) return 'disabled'
  if (agent.blocked) return 'blocked'
  if (!agent.login) return 'out'
  if (agent.login.activity === 'in_call') return 'in_call'
  return agent.login.activity === 'ringing' ? 'ringing' : 'in'
}

export const AGENT_STATE: Record<AgentState, string> = {
  blocked: 'Locked',
  disabled: 'Disabled',
  in_call: 'In a call',
  ringing: 'Ringing',
  in: 'Logged in',
  out: 'Not logged in',
}

const BLOCKED: Record<string, string> = {
  wrong_passwords: 'after too many wrong passwords or codes',
  not_me: 'because the owner said «That wasn’t me»',
  administrator: 'by an administrator',
}

export function blockedWords(agent: AdminAgent, now?: number): string {
  if (!agent.blocked) return 'No'
  const { since, until, why } = agent.blocked
  const cause = BLOCKED[why] ? `, ${BLOCKED[why]}` : ''
  return `Since ${at(since, now)}, ${until === null ? 'until somebody unlocks it' : `until ${at(until, now)}`}${cause}`
}

/** A username never shown as if it were a name: only when no other is there. */
export function nameOf(person: { display_name: string; name?: string; agent?: string }): string {
  return person.display_name || person.name || person.agent || 'Somebody'
}

export function placeWords(phone: { site?: string | null; floor?: string | null }): string {
  const floor = phone.floor && /^\d+$/.test(phone.floor) ? `Floor ${phone.floor}` : phone.floor
  return [phone.site, floor].filter(Boolean).join(' · ')
}

export function many(n: number, one: string, more: string): string {
  return `${n.toLocaleString('en')} ${n === 1 ? one : more}`
}
