// Asks again every few seconds while the page is looked at, and at once when it is looked at again.

import { useCallback, useEffect, useRef, useState } from 'react'
import { serverNow } from '../clock'
import type { Answer } from '../http'
import { answered, leadsToLogin, type Loaded } from './load'

export interface Poll<T> {
  loaded: Loaded<T>
  /** Asks now; resolves when the answer is on screen. */
  again: () => Promise<void>
}

/**
 * `ask` must be stable; a new one (another filter) starts over and keeps the old rows on screen until its answer is
 * there. `everyMs` null: asked once.
 */
export function usePoll<T>(ask: () => Promise<Answer<T>>, everyMs: number | null, onNoSession: () => void): Poll<T> {
  const [loaded, setLoaded] = useState<Loaded<T>>({ at: 'loading' })
  const asked = useRef(0)
  const lost = useRef(onNoSession)
  lost.current = onNoSession

  const again = useCallback(async () => {
    const mine = ++asked.current
    const answer = await ask()
    // Overtaken by a newer question: says nothing any more.
    if (mine !== asked.current) return
    if (leadsToLogin(answer)) lost.current()
    setLoaded((before) => answered(before, answer, serverNow()))
  }, [ask])

  useEffect(() => {
    let over = false
    let timer: ReturnType<typeof setTimeout> | undefined
    const round = async () => {
      clearTimeout(timer)
      await again()
      if (!over && everyMs !== null) timer = setTimeout(() => void tick(), everyMs)
    }
    const tick = async () => {
      if (document.visibilityState === 'visible') return round()
      // Nobody looks: asked again the moment somebody does.
    }
    const seen = () => {
      if (document.visibilityState === 'visible' && everyMs !== null) void round()
    }
    void round()
    document.addEventListener('visibilitychange', seen)
    return () => {
      over = true
      asked.current += 1
      clearTimeout(timer)
      document.removeEventListener('visibilitychange', seen)
    }
  }, [again, everyMs])

  return { loaded, again }
}
