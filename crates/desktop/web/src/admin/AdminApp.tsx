// The administrators' pages: who one is, what one may see, and the page the address names. Loaded only by those who come
// here.

import { useCallback, useEffect, useMemo, useState, type ComponentType } from 'react'
import type { Site } from '../api'
import { api } from '../http'
import { AppLink } from '../parts/AppLink'
import { Frame, Mark, PageTitle, useTitle } from '../parts/Frame'
import { go, usePath } from '../route'
import './admin.css'
import { AgentsPage } from './AgentsPage'
import type { AdminMe, Rights } from './api'
import { AuditPage } from './AuditPage'
import { adminApi } from './http'
import { LicencePage } from './LicencePage'
import { leadsToLogin } from './load'
import { LoginsPage } from './LoginsPage'
import { PhonesPage } from './PhonesPage'
import { factsOf, firstPage, maySee, pageOf, PAGES, pathOf, type Page } from './place'
import { Refused } from './Says'
import { SecurityPage } from './SecurityPage'
import { usePoll } from './usePoll'
import { nameOf, ROLE } from './words'

/** Rights change rarely; whoever lost one is also told by the next refusal. */
const RIGHTS_EVERY_MS = 60_000

export interface PageProps {
  /** The username of the one who looks. */
  me: string
  rights: Rights
  onNoSession: () => void
}

const PAGE: Record<Page, ComponentType<PageProps>> = {
  agents: AgentsPage,
  logins: LoginsPage,
  phones: PhonesPage,
  audit: AuditPage,
  security: SecurityPage,
  licence: LicencePage,
}

/** `onNoSession`: the session is over; whoever shows this page sends to the login and back here. */
export default function AdminApp(props: { site: Site | null; onNoSession: () => void; onLoggedOut: () => void }) {
  const { loaded, again } = usePoll(adminApi.me, RIGHTS_EVERY_MS, props.onNoSession)
  const rights = useMemo<Rights>(() => new Set(loaded.at === 'there' ? loaded.value.rights : []), [loaded])
  const page = pageOf(usePath())
  const home = page === 'home' && loaded.at === 'there' ? firstPage(rights) : null
  useEffect(() => {
    if (home) go(pathOf(home), 'replace')
  }, [home])

  if (loaded.at === 'loading' || home) return <Waiting />
  if (loaded.at === 'refused') {
    if (leadsToLogin({ ok: false, status: loaded.status, refusal: loaded.refusal })) return <Waiting />
    if (loaded.status === 403) return <NotYours site={props.site} sentence={loaded.refusal.sentence} onLogOut={props.onLoggedOut} />
    return (
      <Frame site={props.site}>
        <PageTitle title="Administration">Administration</PageTitle>
        <Refused refusal={loaded.refusal} forbidden={false} onAgain={() => void again()} />
      </Frame>
    )
  }
  if (rights.size === 0) return <NotYours site={props.site} sentence={null} onLogOut={props.onLoggedOut} />
  return (
    <div className="admin">
      <a className="admin-skip" href="#admin-main" onClick={(event) => { event.preventDefault(); document.getElementById('admin-main')?.focus() }}>To the page</a>
      <Side site={props.site} me={loaded.value} page={page} rights={rights} onLogOut={props.onLoggedOut} />
      <main id="admin-main" tabIndex={-1} className="admin-main">
        <Content page={page} me={loaded.value.agent.name} rights={rights} onNoSession={props.onNoSession} />
      </main>
    </div>
  )
}

function Content({ page, ...props }: PageProps & { page: ReturnType<typeof pageOf> }) {
  if (page === 'home') return null
  if (page === 'unknown') {
    return (
      <section className="calm">
        <PageTitle title="Not found">There is no such page here.</PageTitle>
        <p className="quiet">Choose one on the left.</p>
      </section>
    )
  }
  const facts = factsOf(page)
  if (!maySee(page, props.rights)) {
    return (
      <section className="calm">
        <PageTitle title={facts.title}>{facts.title}</PageTitle>
        <p>{facts.forbidden}</p>
        <p className="quiet">If you need this page, ask an administrator for the right to it.</p>
      </section>
    )
  }
  const Shown = PAGE[page]
  return <Shown key={page} {...props} />
}

function Side(props: { site: Site | null; me: AdminMe; page: ReturnType<typeof pageOf>; rights: Rights; onLogOut: () => void }) {
  const { me } = props
  return (
    <header className="admin-side">
      <div className="admin-mark"><Mark /><span>{props.site?.name ?? 'Hotseat'}</span></div>
      <nav aria-label="Administration">
        <ul>
          {PAGES.filter((each) => maySee(each.page, props.rights)).map((each) => (
            <li key={each.page}>
              <AppLink to={pathOf(each.page)} className="admin-link" current={each.page === props.page}>{each.title}</AppLink>
            </li>
          ))}
        </ul>
      </nav>
      <div className="admin-who">
        <p title={nameOf(me.agent)}>{nameOf(me.agent)}</p>
        {me.agent.role ? <p className="quiet">{ROLE[me.agent.role]}</p> : null}
        <div className="admin-who-links">
          <AppLink to="/">Desktop</AppLink>
          <LogOut onOut={props.onLogOut} />
        </div>
      </div>
    </header>
  )
}

function LogOut({ onOut }: { onOut: () => void }) {
  const [busy, setBusy] = useState(false)
  const leave = useCallback(async () => {
    setBusy(true)
    const answer = await api.logout()
    setBusy(false)
    // Gone already is as good.
    if (answer.ok || answer.status === 401) onOut()
  }, [onOut])
  return <button type="button" className="link-button" disabled={busy} onClick={() => void leave()}>Log out</button>
}

function NotYours(props: { site: Site | null; sentence: string | null; onLogOut: () => void }) {
  return (
    <Frame site={props.site}>
      <PageTitle title="Administration">These pages are for those who look after Hotseat.</PageTitle>
      <p className="quiet">{props.sentence ?? 'Your account has no rights here. If it should, ask an administrator.'}</p>
      <AppLink to="/" className="button button-main button-wide">To the desktop</AppLink>
      <div className="card-links"><LogOut onOut={props.onLogOut} /></div>
    </Frame>
  )
}

function Waiting() {
  useTitle('Administration')
  return (
    <main className="waiting" aria-busy="true">
      <span className="waiting-dot" />
      <span className="unseen">Loading…</span>
    </main>
  )
}
