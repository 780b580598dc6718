// The agents as the page holds them: pages of the server put together, and the filters that the page itself applies.

import type { Answer } from '../http'
import type { AdminAgent, AgentsAnswer } from './api'
import { stateOf } from './words'

/** More than this the page does not fetch; whoever has more looks by name. */
export const AGENTS_MAX = 5_000

/** Asked for at once: the most that the server gives. */
export const AGENTS_PER_PAGE = 500

export interface AgentList {
  agents: AdminAgent[]
  /** What was looked for. */
  find: string
  /** There are more than are shown here. */
  cut: boolean
}

/** Asks page after page until there is no more, or enough. Anything refused ends it. */
export async function allAgents(
  page: (find: string, after: string | null) => Promise<Answer<AgentsAnswer>>,
  find: string,
  max = AGENTS_MAX,
): Promise<Answer<AgentList>> {
  const agents: AdminAgent[] = []
  const seen = new Set<string>()
  let after: string | null = null
  for (;;) {
    const answer: Answer<AgentsAnswer> = await page(find, after)
    if (!answer.ok) return answer
    for (const agent of answer.value.agents) {
      if (seen.has(agent.name)) continue
      seen.add(agent.name)
      agents.push(agent)
    }
    const next = answer.value.next
    // A page that leads to itself would never end.
    if (next === null || next === undefined || next === after) return { ok: true, value: { agents, find, cut: false } }
    if (agents.length >= max) return { ok: true, value: { agents, find, cut: true } }
    after = next
  }
}

export type AgentShow = 'all' | 'in' | 'out' | 'blocked' | 'disabled' | 'temporary'

export const AGENT_SHOW: readonly (readonly [AgentShow | '', string])[] = [
  ['', 'All'],
  ['in', 'Logged in'],
  ['out', 'Not logged in'],
  ['blocked', 'Locked'],
  ['disabled', 'Disabled'],
  ['temporary', 'Must change password'],
]

export function shownAgents(agents: readonly AdminAgent[], show: string, role: string): readonly AdminAgent[] {
  if (show === '' && role === '') return agents
  return agents.filter((agent) => (role === '' || agent.role === role) && fits(agent, show))
}

function fits(agent: AdminAgent, show: string): boolean {
  switch (show) {
    case 'in': return agent.login !== null
    case 'out': return agent.login === null && agent.enabled && agent.blocked === null
    case 'blocked': return agent.blocked !== null
    case 'disabled': return stateOf(agent) === 'disabled'
    case 'temporary': return agent.must_change
    // An address with a word that means nothing shows all rather than nobody.
    default: return true
  }
}
