// The desktop of an agent at a desk phone: the bar with state and phone, the call that is on, and what happened.

import { useEffect, useReducer, useRef, useState } from 'react'
import type { Frame as EventFrame, LoginEnded, Me } from '../api'
import { serverNow } from '../clock'
import { openEvents, type Link } from '../events'
import { api } from '../http'
import { ConnectionBanner } from '../parts/ConnectionBanner'
import { useTitle } from '../parts/Frame'
import { Question } from '../parts/Question'
import type { Session } from '../session'
import { NowCard } from './NowCard'
import { Phonebar } from './Phonebar'
import { absorb, deskOf, healed, type Desk } from './state'
import { Story } from './Story'
import { YouCard } from './YouCard'

type DeskEvent = { type: 'frame'; frame: EventFrame; phone: string | null } | { type: 'healed'; me: Me }

function reduce(desk: Desk, event: DeskEvent): Desk {
  return event.type === 'frame'
    ? absorb(desk, event.frame, event.phone, serverNow())
    : healed(desk, event.me, serverNow())
}

export function DeskPage(props: {
  me: Me
  refresh: () => Promise<Session>
  onEnded: (ended: LoginEnded) => void
  onLoggedOut: () => void
}) {
  const { me } = props
  const [desk, tell] = useReducer(reduce, me, deskOf)
  const [link, setLink] = useState<Link>('connecting')
  const [leaving, setLeaving] = useState<'no' | 'asked' | 'sent'>('no')
  const [failure, setFailure] = useState<string | null>(null)
  const latest = useRef(props)
  latest.current = props
  const phoneName = me.phone?.name ?? null

  useEffect(() => {
    const check = async () => {
      const found = await latest.current.refresh()
      if (found.at === 'in') tell({ type: 'healed', me: found.me })
    }
    return openEvents({
      onFrame: (frame) => {
        if (frame.type === 'login_ended') {
          const { why, sentence, at, from } = frame
          latest.current.onEnded({ why, sentence, at, from })
        } else tell({ type: 'frame', frame, phone: phoneName })
      },
      onLink: setLink,
      // Closed for a moment, or because the session is over? Only the server knows.
      onClosed: () => void check(),
      onBack: () => void check(),
    })
  }, [phoneName])

  const logOut = async () => {
    setLeaving('sent')
    const answer = await api.logout()
    if (answer.ok || answer.status === 401) return props.onLoggedOut()
    setLeaving('no')
    setFailure(answer.refusal.sentence)
  }
  const askToLeave = () => {
    if (leaving === 'sent') return
    setFailure(null)
    if (desk.now.activity === 'idle') void logOut()
    else setLeaving('asked')
  }

  useTitle(titleOf(desk))
  return (
    <div className="desk">
      <Phonebar me={me} desk={desk} onLogOut={askToLeave} />
      <ConnectionBanner lost={link === 'lost'} />
      <main className="desk-main">
        <div role="alert">{failure ? <p className="message message-error">{failure}</p> : null}</div>
        <div className="desk-grid">
          <NowCard me={me} desk={desk} />
          <Story story={desk.story} />
          <YouCard me={me} />
        </div>
      </main>
      {leaving === 'asked' ? (
        <Question
          title={desk.now.activity === 'in_call' ? 'You are in a call.' : 'Your phone is ringing.'}
          no="Stay"
          yes="Log out"
          onNo={() => setLeaving('no')}
          onYes={() => void logOut()}
        >
          <p>Logging out now ends {desk.now.activity === 'in_call' ? 'the call' : 'the ringing'}.</p>
        </Question>
      ) : null}
    </div>
  )
}

function titleOf(desk: Desk): string {
  switch (desk.now.activity) {
    case 'ringing': return `Ringing ${desk.now.peer ?? ''}`.trim()
    case 'in_call': return 'In a call'
    case 'idle': return desk.reachable ? 'Ready' : 'Phone unreachable'
  }
}
