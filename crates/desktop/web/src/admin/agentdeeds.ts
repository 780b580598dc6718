// What can be done to an agent, for whom it is offered, and what is said before it is done.

import type { AdminAgent, Right, Rights, Role } from './api'
import type { Asking } from './deed'
import { callWords, nameOf, ROLE, whereWords } from './words'

export type AgentDeed =
  | { type: 'unlock' }
  | { type: 'enable' }
  | { type: 'disable' }
  | { type: 'role'; role: Role }
  | { type: 'email'; email: string | null }
  | { type: 'password' }
  | { type: 'factors' }
  | { type: 'end' }

export const RIGHT_FOR: Record<AgentDeed['type'], Right> = {
  unlock: 'unlock_agents',
  enable: 'manage_agents',
  disable: 'manage_agents',
  role: 'manage_agents',
  email: 'manage_agents',
  password: 'manage_agents',
  factors: 'manage_agents',
  end: 'end_logins',
}

/** Whether the button is there at all: the right, and something to do. */
export function offered(type: AgentDeed['type'], agent: AdminAgent, rights: Rights, me: string): boolean {
  if (!rights.has(RIGHT_FOR[type])) return false
  // Nobody decides about their own account here: so no house locks out its last administrator.
  if (agent.name === me && RIGHT_FOR[type] === 'manage_agents') return false
  switch (type) {
    case 'unlock': return agent.blocked !== null
    case 'enable': return !agent.enabled
    case 'disable': return agent.enabled
    // Whoever comes through a directory or a provider has their password, and their second factor, there.
    case 'password': return agent.way === 'local'
    case 'factors': return agent.factors.length > 0
    case 'end': return agent.login !== null
    case 'role': case 'email': return true
  }
}

/** «Ann Bianchi will be signed out at desk-17; the call ends.» Null: there is nobody to sign out. */
export function signedOut(agent: Pick<AdminAgent, 'name' | 'display_name' | 'login'>): string | null {
  if (!agent.login) return null
  return `${nameOf(agent)} will be signed out ${whereWords(agent.login)}${callWords(agent.login.activity)}.`
}

/** The question before a deed that takes something away; null: the deed is harmless and done at once. */
export function askingFor(deed: AgentDeed, agent: AdminAgent): Asking | null {
  const who = nameOf(agent)
  const out = signedOut(agent)
  switch (deed.type) {
    case 'unlock': case 'enable': case 'email':
      return null
    case 'disable':
      return {
        title: `Disable ${who}?`,
        effects: [...(out ? [out] : []), `${who} cannot log in until somebody enables the account again.`],
        yes: 'Disable',
      }
    case 'role':
      return {
        title: `Make ${who} ${article(deed.role)} ${ROLE[deed.role].toLowerCase()}?`,
        effects: [`${who} is ${article(agent.role)} ${ROLE[agent.role].toLowerCase()} now. What ${ROLE[deed.role].toLowerCase()}s may do is on the page Security.`],
        yes: `Make ${ROLE[deed.role].toLowerCase()}`,
      }
    case 'password':
      return {
        title: `New temporary password for ${who}?`,
        effects: [
          `The present password of ${who} stops working at once, and a new one must be chosen at the next login.`,
          ...(agent.login ? [`${who} stays logged in ${whereWords(agent.login)} until then.`] : []),
          'The temporary password is shown to you once.',
        ],
        yes: 'Make a new password',
      }
    case 'factors':
      return {
        title: `Reset the second factors of ${who}?`,
        effects: [`Every authenticator app, passkey and recovery code of ${who} stops working. Until a new one is set up, the password alone is enough where the role does not demand more.`],
        yes: 'Reset factors',
      }
    case 'end':
      return { title: `End the login of ${who}?`, effects: out ? [out] : [], yes: 'End login' }
  }
}

/** What is said when it is done. */
export function doneWords(deed: AgentDeed, agent: AdminAgent): string {
  const who = nameOf(agent)
  switch (deed.type) {
    case 'unlock': return `${who} is unlocked.`
    case 'enable': return `${who} can log in again.`
    case 'disable': return `${who} is disabled.`
    case 'role': return `${who} is ${article(deed.role)} ${ROLE[deed.role].toLowerCase()} now.`
    case 'email': return deed.email ? 'The e-mail address is kept.' : 'The e-mail address is removed.'
    case 'password': return `${who} has a new temporary password.`
    case 'factors': return `The second factors of ${who} are reset.`
    case 'end': return `${who} is signed out.`
  }
}

function article(role: Role): string {
  return role === 'supervisor' ? 'a' : 'an'
}
