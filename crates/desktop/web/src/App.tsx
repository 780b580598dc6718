// Which page is shown: the address says where the person wants to be, the session says whether they may.

import { lazy, Suspense, useEffect, useState } from 'react'
import type { LoginEnded, Site } from './api'
import { DeskPage } from './desk/DeskPage'
import { api } from './http'
import type { Message } from './login/flow'
import { LoginPage } from './login/LoginPage'
import { refusedMessage } from './login/refused'
import { EndedPage } from './pages/EndedPage'
import { ForgotPage } from './pages/ForgotPage'
import { HelpPage } from './pages/HelpPage'
import { ResetPage } from './pages/ResetPage'
import { LoggedOutPage, UnknownPage, UnreachablePage, WaitingPage } from './pages/SmallPages'
import { TicketPage } from './pages/TicketPage'
import { go, loginPath, placeOf, safeNext, usePath } from './route'
import { useSession } from './session'

/** Agents at desk phones never load it. */
const BrowserDesk = lazy(() => import('./bar/BrowserDesk'))
/** Only those who look after others load it. */
const AdminApp = lazy(() => import('./admin/AdminApp'))

export function App() {
  const place = placeOf(usePath())
  const { session, refresh, set } = useSession()
  const site = useSite()
  const [said, setSaid] = useState<Message | null>(() => (place === 'login' ? refusedMessage(location.search) : null))

  // Where the session says that the address is not the place to be.
  const outside = session.at === 'none' || session.at === 'pending'
  // Looking after others needs no phone: whoever has passed every step of the login but the choice of one is in enough.
  const passed = session.at === 'in' || (session.at === 'pending' && ['choose_phone', 'held', 'ready'].includes(session.me.state))
  const away = (['desk', 'phonebar', 'unknown'].includes(place) && outside) || (place === 'admin' && outside && !passed)
  const arrived = place === 'login' && (session.at === 'in' || (passed && toAdmin()))
  useEffect(() => {
    if (away) go(loginPath(location.pathname + location.search), 'replace')
    else if (arrived) go(safeNext(new URLSearchParams(location.search).get('next'), location.origin), 'replace')
  }, [away, arrived])
  useEffect(() => {
    if (session.at === 'in' || session.at === 'pending') setSaid(null)
  }, [session.at])
  // A reload is not refused again.
  useEffect(() => {
    const url = new URL(location.href)
    if (!url.searchParams.has('refused')) return
    url.searchParams.delete('refused')
    history.replaceState(null, '', url.pathname + url.search)
  }, [])

  switch (place) {
    case 'help': return <HelpPage site={site} />
    case 'logged-out': return <LoggedOutPage site={site} />
    case 'forgot': return <ForgotPage site={site} />
    case 'reset': return <ResetPage site={site} />
    case 'ticket': return <TicketPage site={site} look={refresh} onRefused={(message) => { setSaid(message); go('/login', 'replace') }} />
  }
  if (session.at === 'loading' || away || arrived) return <WaitingPage />
  if (session.at === 'unreachable') return <UnreachablePage sentence={session.sentence} />
  if (place === 'login') {
    const me = session.at === 'pending' ? session.me : null
    return <LoginPage site={site} me={me} said={said} phoneless={toAdmin()} onIn={refresh} onOut={() => set({ at: 'none' })} />
  }
  if (place === 'admin' && passed) {
    const out = () => { set({ at: 'none' }); go('/login') }
    return <Suspense fallback={<WaitingPage />}><AdminApp site={site} onNoSession={() => void refresh()} onLoggedOut={out} /></Suspense>
  }
  if (session.at === 'ended') {
    return <EndedPage ended={session.ended} onAgain={() => { set({ at: 'none' }); go('/login') }} />
  }
  if (session.at !== 'in') return <WaitingPage />
  if (place === 'unknown') return <UnknownPage />
  const desk = {
    me: session.me,
    compact: place === 'phonebar',
    refresh,
    onEnded: (ended: LoginEnded) => set({ at: 'ended', ended }),
    onLoggedOut: () => { set({ at: 'none' }); go('/logged-out') },
  }
  const key = session.me.login?.id ?? 'desk'
  if (session.me.agent.typology === 'external') return <DeskPage key={key} {...desk} />
  return <Suspense fallback={<WaitingPage />}><BrowserDesk key={key} {...desk} /></Suspense>
}

/** The way back after the login leads to the administrators' pages. */
function toAdmin(): boolean {
  return placeOf(safeNext(new URLSearchParams(location.search).get('next'), location.origin).split(/[?#]/)[0] ?? '') === 'admin'
}

function useSite(): Site | null {
  const [site, setSite] = useState<Site | null>(null)
  useEffect(() => {
    void api.site().then((answer) => answer.ok && setSite(answer.value))
  }, [])
  return site
}
