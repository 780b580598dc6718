// Calls that outlive a reload: what is needed to tie them on again lies in the tab's own storage.

import type { CallView, Thread } from './phone'

/** The server holds a call this long after its page went. */
export const RESUME_MS = 30_000
const KEY = 'hotseat-calls'

export interface Kept {
  thread: Thread
  view: Pick<CallView, 'direction' | 'peer' | 'began' | 'answered'>
  muted: boolean
  held: boolean
  /** When the page was last alive, by the computer's clock. */
  seen: number
}

export function keepCalls(kept: readonly Kept[], storage: Storage = sessionStorage): void {
  try {
    if (kept.length === 0) storage.removeItem(KEY)
    else storage.setItem(KEY, JSON.stringify(kept))
  } catch {
    // Without storage a reload ends the call, as it would have without us.
  }
}

/** What may still be tied on; taken out, so that a call is tried by one life of the page only. */
export function takeCalls(now: number, storage: Storage = sessionStorage): readonly Kept[] {
  try {
    const value: unknown = JSON.parse(storage.getItem(KEY) ?? '[]')
    storage.removeItem(KEY)
    return Array.isArray(value) ? value.filter((k): k is Kept => isKept(k) && now - k.seen < RESUME_MS) : []
  } catch {
    return []
  }
}

function isKept(value: unknown): boolean {
  const k = value as Partial<Kept> | null
  return typeof k?.seen === 'number' && typeof k.thread?.callId === 'string' && typeof k.thread.local === 'string'
    && typeof k.thread.remote === 'string' && typeof k.view?.peer?.number === 'string'
}
