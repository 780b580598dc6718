// Whether someone is logged in, as this page knows it. The cookie is the truth; `/api/me` tells what it is worth.

import { useCallback, useEffect, useRef, useState } from 'react'
import type { LoginEnded, Me } from './api'
import { api, type Answer } from './http'

export type Session =
  | { at: 'loading' }
  /** The server could not be asked; tried again by itself. */
  | { at: 'unreachable'; sentence: string }
  | { at: 'none' }
  /** Credentials given, no phone yet. */
  | { at: 'pending'; me: Me }
  | { at: 'in'; me: Me }
  | { at: 'ended'; ended: LoginEnded }

const RETRY_MS = 3_000

export function sessionOf(answer: Answer<Me>): Session {
  if (answer.ok) return answer.value.state === 'ready' ? { at: 'in', me: answer.value } : { at: 'pending', me: answer.value }
  const { refusal, status } = answer
  if (refusal.reason === 'login_ended') {
    const { why = 'ended', sentence, at = null, from = null } = refusal
    return { at: 'ended', ended: { why, sentence, at, from } }
  }
  if (status === 401 || status === 403) return { at: 'none' }
  return { at: 'unreachable', sentence: refusal.sentence }
}

export interface SessionControl {
  session: Session
  /** Asks the server again; the answer is also returned. */
  refresh: () => Promise<Session>
  set: (session: Session) => void
}

export function useSession(): SessionControl {
  const [session, set] = useState<Session>({ at: 'loading' })
  const asked = useRef(0)
  const refresh = useCallback(async () => {
    const mine = ++asked.current
    const found = sessionOf(await api.me())
    // An answer overtaken by a newer question says nothing any more. A desk that cannot reach the server stays on
    // screen: the banner tells, and nothing is lost.
    if (mine === asked.current) {
      set((before) => (found.at === 'unreachable' && before.at !== 'loading' && before.at !== 'unreachable' ? before : found))
    }
    return found
  }, [])
  const decide = useCallback((next: Session) => {
    asked.current += 1
    set(next)
  }, [])
  useEffect(() => void refresh(), [refresh])
  useEffect(() => {
    if (session.at !== 'unreachable') return
    const timer = setTimeout(() => void refresh(), RETRY_MS)
    return () => clearTimeout(timer)
  }, [session, refresh])
  return { session, refresh, set: decide }
}
