// What every desktop does, whatever rings there: it follows the events, notices when they stop, and lets people go.

import { useEffect, useReducer, useRef, useState } from 'react'
import type { Frame as EventFrame, LoginEnded, Me } from '../api'
import { serverNow } from '../clock'
import { openEvents, type Link } from '../events'
import { api } from '../http'
import type { Session } from '../session'
import { tellPresence } from './presence'
import { absorb, deskOf, healed, stayed, type Desk } from './state'

export interface DeskProps {
  me: Me
  /** In a window of its own, beside other work. */
  compact: boolean
  refresh: () => Promise<Session>
  onEnded: (ended: LoginEnded) => void
  onLoggedOut: () => void
}

type DeskEvent = { type: 'frame'; frame: EventFrame; phone: string | null } | { type: 'healed'; me: Me } | { type: 'stayed' }

function reduce(desk: Desk, event: DeskEvent): Desk {
  switch (event.type) {
    case 'frame': return absorb(desk, event.frame, event.phone, serverNow())
    case 'healed': return healed(desk, event.me, serverNow())
    case 'stayed': return stayed(desk)
  }
}

export interface DeskControl {
  desk: Desk
  link: Link
  leaving: 'no' | 'asked' | 'sent'
  failure: string | null
  /** Out at once when nothing is going on, otherwise after a question. */
  askToLeave: (busy: boolean) => void
  stay: () => void
  leave: () => void
  /** The server knows that somebody is here. */
  stayed: () => void
}

export function useDesk(props: DeskProps, also?: { onFrame?: (frame: EventFrame) => void; onBack?: () => void }): DeskControl {
  const { me } = props
  const [desk, tell] = useReducer(reduce, me, deskOf)
  const [link, setLink] = useState<Link>('connecting')
  const [leaving, setLeaving] = useState<'no' | 'asked' | 'sent'>('no')
  const [failure, setFailure] = useState<string | null>(null)
  const latest = useRef({ props, also })
  latest.current = { props, also }
  const phoneName = me.phone?.name ?? null

  useEffect(() => {
    const check = async () => {
      const found = await latest.current.props.refresh()
      if (found.at === 'in') tell({ type: 'healed', me: found.me })
    }
    return openEvents({
      onFrame: (frame) => {
        if (frame.type === 'login_ended') {
          const { why, sentence, at, from } = frame
          return latest.current.props.onEnded({ why, sentence, at, from })
        }
        latest.current.also?.onFrame?.(frame)
        tell({ type: 'frame', frame, phone: phoneName })
      },
      onLink: setLink,
      // Closed for a moment, or because the session is over? Only the server knows.
      onClosed: () => void check(),
      onBack: () => {
        latest.current.also?.onBack?.()
        void check()
      },
    })
  }, [phoneName])

  const warned = useRef(false)
  warned.current = desk.soon?.why === 'idle'
  useEffect(() => tellPresence(() => warned.current, () => tell({ type: 'stayed' })), [])

  const logOut = async () => {
    setLeaving('sent')
    const answer = await api.logout()
    if (answer.ok || answer.status === 401) return props.onLoggedOut()
    setLeaving('no')
    setFailure(answer.refusal.sentence)
  }
  return {
    desk, link, leaving, failure,
    askToLeave: (busy) => {
      if (leaving === 'sent') return
      setFailure(null)
      if (busy) setLeaving('asked')
      else void logOut()
    },
    stay: () => setLeaving('no'),
    leave: () => void logOut(),
    stayed: () => tell({ type: 'stayed' }),
  }
}
