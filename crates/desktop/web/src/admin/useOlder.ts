// Reads a list backwards page by page, one question at a time.

import { useCallback, useEffect, useRef, useState } from 'react'
import { serverNow } from '../clock'
import type { Answer } from '../http'
import type { AuditAnswer, AuditLine } from './api'
import { leadsToLogin, type Loaded } from './load'
import { firstCame, fresh, olderCame, type Older } from './older'

/** More lines than this are for the CSV. */
const LINES_MAX = 20_000

export function useOlder(ask: (before: string | number | null) => Promise<Answer<AuditAnswer>>, onNoSession: () => void) {
  const [older, setOlder] = useState<Older<AuditLine>>(fresh)
  const [loaded, setLoaded] = useState<Loaded<null>>({ at: 'loading' })
  const [fetching, setFetching] = useState(false)
  const asked = useRef(0)
  const busy = useRef(false)
  const lost = useRef(onNoSession)
  lost.current = onNoSession

  const again = useCallback(() => {
    const mine = ++asked.current
    busy.current = true
    setFetching(true)
    void ask(null).then((answer) => {
      if (mine !== asked.current) return
      busy.current = false
      setFetching(false)
      if (answer.ok) {
        setOlder(firstCame(answer.value.lines, answer.value.next ?? null))
        setLoaded({ at: 'there', value: null, asOf: serverNow(), stale: null })
        return
      }
      if (leadsToLogin(answer)) lost.current()
      setLoaded({ at: 'refused', status: answer.status, refusal: answer.refusal })
      setOlder(fresh())
    })
  }, [ask])

  useEffect(() => {
    again()
    return () => { asked.current += 1 }
  }, [again])

  const { next, lines, refusal } = older
  const more = useCallback(() => {
    if (busy.current || next === null || lines.length >= LINES_MAX) return
    const mine = ++asked.current
    busy.current = true
    setFetching(true)
    void ask(next).then((answer) => {
      if (mine !== asked.current) return
      busy.current = false
      setFetching(false)
      if (answer.ok) setOlder((before) => olderCame(before, answer.value.lines, answer.value.next ?? null, (line) => String(line.id)))
      else setOlder((before) => ({ ...before, refusal: answer.refusal }))
    })
  }, [ask, next, lines.length])

  return {
    lines,
    loaded,
    fetching,
    atEnd: next === null,
    refusal,
    again,
    more,
    /** Scrolling does not repeat a question that was refused; the button does. */
    onEnd: refusal ? undefined : more,
  }
}
