// Who sits where, live. One login can be ended, or all of a site at once after seeing who that is.

import { useCallback, useMemo, useState } from 'react'
import { Button } from 'react-aria-components'
import { at } from '../clock'
import { Lasting } from '../parts/Lasting'
import { go, usePath } from '../route'
import type { PageProps } from './AdminApp'
import type { AdminLogin, Rights } from './api'
import type { Asking } from './deed'
import { Drawer, Facts } from './Drawer'
import { adminApi } from './http'
import { fits } from './find'
import { Choice, ListFoot, PageHead, Search, useDensity, usePart } from './parts'
import { withParts } from './place'
import { ListSays } from './Says'
import { SiteLogout } from './SiteLogout'
import { ActivitySign } from './State'
import { Table, type Column } from './Table'
import { sentenceOf, useDeeds } from './useDeed'
import { useLive } from './useLive'
import { usePoll } from './usePoll'
import { callWords, many, nameOf, placeWords, seatWords, whereWords } from './words'

const EVERY_MS = 4_000
const keyOf = (login: AdminLogin) => String(login.id)
const EMPTY: AdminLogin[] = []

const COLUMNS: readonly Column<AdminLogin>[] = [
  { id: 'agent', head: 'Agent', width: 'minmax(9rem, 2fr)', cell: (l) => nameOf(l) },
  { id: 'name', head: 'Username', width: 'minmax(6rem, 1fr)', from: 860, cell: (l) => l.agent },
  { id: 'phone', head: 'Where', width: 'minmax(7rem, 1.4fr)', cell: (l) => seatWords(l) },
  { id: 'place', head: 'Place', width: 'minmax(6rem, 1fr)', from: 980, cell: (l) => placeWords(l) },
  { id: 'activity', head: 'Now', width: '10.5rem', cell: (l) => <ActivitySign activity={l.activity} /> },
  { id: 'since', head: 'Since', width: '9.2rem', cell: (l) => at(l.since) },
  { id: 'from', head: 'From', width: 'minmax(7rem, 1fr)', from: 1_120, cell: (l) => l.from ?? '' },
]

const SHOW = [['', 'All'], ['in_call', 'In a call'], ['phone', 'At a phone'], ['browser', 'In a browser']] as const

export function LoginsPage({ rights, onNoSession }: PageProps) {
  const path = usePath()
  const [find, setFind] = usePart('find')
  const [show, setShow] = usePart('show')
  const [open, setOpen] = usePart('open')
  const [compact, density] = useDensity()
  const [emptying, setEmptying] = useState(false)
  const ask = useCallback(() => adminApi.logins(), [])
  const { loaded, again } = usePoll(ask, EVERY_MS, onNoSession)
  const all = loaded.at === 'there' ? loaded.value.logins : EMPTY
  const fitting = useMemo(() => all.filter((login) => showsLogin(login, show) && fits(find, words(login))), [all, find, show])
  const live = useLive(fitting, keyOf, `${find}|${show}`)
  const inCall = useMemo(() => all.filter((each) => each.activity === 'in_call').length, [all])
  const login = open === '' ? undefined : all.find((each) => keyOf(each) === open)

  return (
    <>
      <PageHead title="Logins">
        <Search label="Find" value={find} onChange={setFind} />
        <Choice label="Show" value={show} options={SHOW} onChange={setShow} />
        {rights.has('site_logout') ? <Button className="button button-tool" onPress={() => setEmptying(true)}>Log out a site…</Button> : null}
      </PageHead>
      <Table
        label="Logins"
        rows={live.rows}
        keyOf={keyOf}
        columns={COLUMNS}
        side={(l) => (live.gone.has(keyOf(l)) ? 'Ended' : <ActivitySign activity={l.activity} />)}
        below={(l) => [seatWords(l), `since ${at(l.since)}`, l.from].filter(Boolean).join(' · ')}
        href={(l) => withParts(path, location.search, { open: keyOf(l) })}
        onOpen={(l) => setOpen(keyOf(l), 'push')}
        open={open}
        gone={live.gone}
        compact={compact}
        busy={loaded.at === 'loading'}
        onHold={live.onHold}
        says={
          <ListSays
            loaded={loaded}
            count={live.rows.length}
            onAgain={() => void again()}
            empty={find !== '' || show !== ''
              ? <><strong>No login fits.</strong><p>Try a part of the name or of the phone, or show all.</p><button type="button" className="button" onClick={() => go(path, 'replace')}>Show all</button></>
              : <><strong>Nobody is logged in.</strong><p>Who sits down appears here by themselves.</p></>}
          />
        }
      />
      <ListFoot
        loaded={loaded}
        count={loaded.at === 'there' ? `${many(fitting.length, 'login', 'logins')}${inCall > 0 ? `, ${inCall} in a call` : ''}` : ''}
        waiting={live.waiting}
        onCatchUp={live.catchUp}
        more={density}
      />
      {open !== '' && loaded.at === 'there' ? (
        <LoginDrawer key={open} login={login ?? null} rights={rights} onChanged={again} onClose={() => setOpen('')} />
      ) : null}
      {emptying ? <SiteLogout onDone={() => void again()} onClose={() => setEmptying(false)} /> : null}
    </>
  )
}

function showsLogin(login: AdminLogin, show: string): boolean {
  switch (show) {
    case 'in_call': return login.activity === 'in_call'
    case 'phone': return login.phone !== null
    case 'browser': return login.phone === null
    default: return true
  }
}

function words(login: AdminLogin): (string | null | undefined)[] {
  return [login.agent, login.display_name, login.extension, login.phone ?? 'browser', login.label, login.site, login.from]
}

/** «Ann Bianchi will be signed out at desk-17; her call ends», without guessing what Ann is called by others. */
export function askingToEnd(login: AdminLogin): Asking {
  const who = nameOf(login)
  return {
    title: `End the login of ${who}?`,
    effects: [`${who} will be signed out ${whereWords(login)}${callWords(login.activity)}.`],
    yes: 'End login',
  }
}

function LoginDrawer(props: { login: AdminLogin | null; rights: Rights; onChanged: () => Promise<void>; onClose: () => void }) {
  const [last, setLast] = useState(props.login)
  if (props.login && props.login !== last) setLast(props.login)
  const over = props.login === null
  const login = props.login ?? last
  const deeds = useDeeds<{ type: 'end' }>(
    async () => {
      const answer = await adminApi.endLogin(login?.id ?? 0)
      if (answer.ok) await props.onChanged()
      return answer
    },
    (_, value) => sentenceOf(value) ?? (login ? `${nameOf(login)} is signed out.` : 'The login is ended.'),
  )
  if (!login) {
    return <Drawer title="Login" onClose={props.onClose}><p>This login is over.</p></Drawer>
  }
  return (
    <Drawer title={nameOf(login)} sub={`${login.agent} · ${login.extension}`} onClose={props.onClose}>
      <Facts
        rows={[
          ['Where', seatWords(login)],
          ...(login.phone ? [['Place', placeWords(login) || 'Not known'] as [string, string]] : []),
          ['Now', over ? 'This login is over.' : <ActivitySign key="now" activity={login.activity} />],
          ['Since', at(login.since)],
          ...(over ? [] : [['For', <Lasting key="for" since={login.since} />] as [string, React.ReactNode]]),
          ...(login.from ? [['From', login.from] as [string, string]] : []),
        ]}
      />
      {props.rights.has('end_logins') && !over ? (
        <section className="deeds" aria-label="What can be done">
          <Button className="button" onPress={() => deeds.start({ type: 'end' }, askingToEnd(login))}>End login</Button>
        </section>
      ) : null}
      {deeds.message}
      {deeds.question}
    </Drawer>
  )
}
