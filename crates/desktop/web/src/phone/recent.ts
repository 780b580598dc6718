// The last numbers of this agent, kept in this browser only.

import type { CallView, EndWhy } from './phone'

export const RECENT_MAX = 20

export interface Recent {
  number: string
  name: string | null
  direction: 'in' | 'out'
  at: number
  /** How long it was spoken; null when it never came to that. */
  ms: number | null
}

const key = (agent: string) => `hotseat-recent-${agent}`

export function readRecent(agent: string, storage: Storage = localStorage): readonly Recent[] {
  try {
    const value: unknown = JSON.parse(storage.getItem(key(agent)) ?? '[]')
    return Array.isArray(value) ? value.filter(isRecent).slice(0, RECENT_MAX) : []
  } catch {
    return []
  }
}

export function keepRecent(agent: string, list: readonly Recent[], storage: Storage = localStorage): void {
  try {
    storage.setItem(key(agent), JSON.stringify(list))
  } catch {
    // A full or forbidden storage costs the list, nothing else.
  }
}

/** Newest first; a number that is called again moves up instead of standing twice. */
export function withCall(list: readonly Recent[], call: CallView, now: number): readonly Recent[] {
  if (call.test || call.peer.number === '') return list
  const { number, name } = call.peer
  const entry: Recent = { number, name, direction: call.direction, at: call.began, ms: call.answered === null ? null : now - call.answered }
  return [entry, ...list.filter((e) => e.number !== number)].slice(0, RECENT_MAX)
}

/** What the list says of a call that was not spoken in. */
export function missed(entry: Recent): string {
  return entry.direction === 'in' ? 'missed' : 'not answered'
}

/** Endings that are news of a call that wanted to reach us. */
export function isMissed(call: CallView, why: EndWhy): boolean {
  return call.direction === 'in' && call.answered === null && why === 'cancelled'
}

function isRecent(value: unknown): value is Recent {
  const v = value as Partial<Recent> | null
  return typeof v === 'object' && v !== null && typeof v.number === 'string' && typeof v.at === 'number' && (v.direction === 'in' || v.direction === 'out')
}
