// `/t#ticket`: the phonebar's globe opens this, and the desktop is logged in already. A ticket is good once, for a minute.

import { useEffect, useRef, useState } from 'react'
import type { Site } from '../api'
import { api } from '../http'
import type { Message } from '../login/flow'
import { AppLink } from '../parts/AppLink'
import { Frame, PageTitle } from '../parts/Frame'
import { go } from '../route'
import type { Session } from '../session'
import { WaitingPage } from './SmallPages'

export function TicketPage(props: { site: Site | null; look: () => Promise<Session>; onRefused: (said: Message) => void }) {
  const [refused, setRefused] = useState<string | null>(null)
  const used = useRef(false)
  const latest = useRef(props)
  latest.current = props
  useEffect(() => {
    if (used.current) return
    used.current = true
    const ticket = location.hash.slice(1)
    // Out of the address before anything else: neither the history nor a glance keeps it.
    history.replaceState(null, '', '/t')
    void (async () => {
      const answer = await api.useTicket(ticket)
      const found = await latest.current.look()
      if (answer.ok) return go('/', 'replace')
      // Whoever is logged in here anyway only learns that this link did nothing.
      if (found.at === 'in') setRefused(answer.refusal.sentence)
      else latest.current.onRefused({ tone: 'error', text: answer.refusal.sentence })
    })()
  }, [])
  if (refused === null) return <WaitingPage />
  return (
    <Frame site={props.site}>
      <PageTitle title="Link used">This link works no more.</PageTitle>
      <p className="quiet">{refused}</p>
      <AppLink to="/" className="button button-main button-wide">To the desktop</AppLink>
    </Frame>
  )
}
