// The telephones: where they stand, how they are, who sits there; one can be freed by whoever has that right.

import { useCallback, useMemo } from 'react'
import { Button } from 'react-aria-components'
import { at } from '../clock'
import { go, usePath } from '../route'
import type { PageProps } from './AdminApp'
import type { AdminPhone, Rights } from './api'
import type { Asking } from './deed'
import { Drawer, Facts } from './Drawer'
import { fits } from './find'
import { adminApi } from './http'
import { Choice, ListFoot, PageHead, Search, useDensity, usePart } from './parts'
import { withParts } from './place'
import { ListSays } from './Says'
import { ActivitySign, PhoneSign } from './State'
import { Table, type Column } from './Table'
import { sentenceOf, useDeeds } from './useDeed'
import { useLive } from './useLive'
import { usePoll } from './usePoll'
import { callWords, many, nameOf, phoneWords, STANDING, standingOf } from './words'

const EVERY_MS = 4_000
const keyOf = (phone: AdminPhone) => phone.name
const EMPTY: AdminPhone[] = []
const title = (phone: AdminPhone) => phone.label || phone.name

const COLUMNS: readonly Column<AdminPhone>[] = [
  { id: 'label', head: 'Phone', width: 'minmax(8rem, 1.6fr)', cell: title },
  { id: 'name', head: 'Name', width: 'minmax(6rem, 1fr)', from: 860, cell: (p) => p.name },
  { id: 'site', head: 'Site', width: 'minmax(6rem, 1fr)', cell: (p) => p.site ?? '' },
  { id: 'floor', head: 'Floor', width: 'minmax(4.5rem, 0.7fr)', from: 760, cell: (p) => p.floor ?? '' },
  { id: 'state', head: 'State', width: '10rem', cell: (p) => <PhoneSign phone={p} /> },
  { id: 'by', head: 'Who sits there', width: 'minmax(8rem, 1.6fr)', cell: (p) => (p.login ? nameOf(p.login) : '') },
  { id: 'since', head: 'Since', width: '9.2rem', from: 700, cell: (p) => (p.since === null ? '' : at(p.since)) },
]

const STATES = [['', 'All'], ...(['free', 'in_use', 'away', 'never_registered', 'disabled'] as const).map((each) => [each, each === 'away' ? 'Not answering' : STANDING[each]] as const)] as const

export function PhonesPage({ rights, onNoSession }: PageProps) {
  const path = usePath()
  const [find, setFind] = usePart('find')
  const [state, setState] = usePart('state')
  const [site, setSite] = usePart('site')
  const [open, setOpen] = usePart('open')
  const [compact, density] = useDensity()
  const ask = useCallback(() => adminApi.phones(), [])
  const { loaded, again } = usePoll(ask, EVERY_MS, onNoSession)
  const all = loaded.at === 'there' ? loaded.value.phones : EMPTY
  const sites = useMemo(() => [...new Set(all.map((each) => each.site).filter((each): each is string => !!each))].sort((a, b) => a.localeCompare(b)), [all])
  const fitting = useMemo(
    () => all.filter((p) => shows(p, state) && (site === '' || p.site === site)
      && fits(find, [p.name, p.label, p.site, p.floor, p.login?.display_name, p.login?.agent])),
    [all, find, state, site],
  )
  const live = useLive(fitting, keyOf, `${find}|${state}|${site}`)
  const phone = open === '' ? undefined : all.find((each) => each.name === open)
  const away = useMemo(() => all.filter((each) => shows(each, 'away')).length, [all])

  return (
    <>
      <PageHead title="Phones">
        <Search label="Find" value={find} onChange={setFind} />
        <Choice label="State" value={state} options={STATES} onChange={setState} />
        <Choice label="Site" value={site} options={[['', 'All'], ...[...new Set([...sites, ...(site === '' ? [] : [site])])].map((each) => [each, each] as const)]} onChange={setSite} />
      </PageHead>
      <Table
        label="Phones"
        rows={live.rows}
        keyOf={keyOf}
        columns={COLUMNS}
        side={(p) => <PhoneSign phone={p} />}
        below={(p) => [p.login ? nameOf(p.login) : null, p.site, p.label && p.label !== p.name ? p.name : null].filter(Boolean).join(' · ')}
        href={(p) => withParts(path, location.search, { open: p.name })}
        onOpen={(p) => setOpen(p.name, 'push')}
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
            empty={find !== '' || state !== '' || site !== ''
              ? <><strong>No phone fits.</strong><p>Try the number on the phone, the floor, or a part of the name.</p><button type="button" className="button" onClick={() => go(path, 'replace')}>Show all</button></>
              : <><strong>No telephone is set up yet.</strong><p><code>hotseat phones add</code> on the server makes the first ones.</p></>}
          />
        }
      />
      <ListFoot
        loaded={loaded}
        count={loaded.at === 'there' ? `${many(fitting.length, 'phone', 'phones')}${away > 0 ? `, ${away} not answering` : ''}` : ''}
        waiting={live.waiting}
        onCatchUp={live.catchUp}
        more={density}
      />
      {open !== '' && loaded.at === 'there' ? (
        <PhoneDrawer key={open} name={open} phone={phone ?? null} rights={rights} onChanged={again} onClose={() => setOpen('')} />
      ) : null}
    </>
  )
}

/** «Not answering» is whatever should be there and is not, also under a login. */
function shows(phone: AdminPhone, state: string): boolean {
  const standing = standingOf(phone)
  switch (state) {
    case 'free': case 'never_registered': case 'disabled': return standing === state
    case 'in_use': return phone.login !== null
    case 'away': return ['suspect', 'unreachable', 'expired', 'in_use_away'].includes(standing)
    default: return true
  }
}

export function askingToFree(phone: AdminPhone): Asking {
  const { login } = phone
  const where = phoneWords(phone.name, phone.label)
  if (!login) return { title: `Free ${where}?`, effects: [], yes: 'Free phone' }
  return {
    title: `Free ${where}?`,
    effects: [`${nameOf(login)} will be signed out at ${where}${callWords(login.activity)}.`, phone.state === 'registered' ? 'The phone stays connected and can be chosen by the next person at once.' : 'The phone is not answering now; it can be chosen when it is back.'],
    yes: 'Free phone',
  }
}

function PhoneDrawer(props: { name: string; phone: AdminPhone | null; rights: Rights; onChanged: () => Promise<void>; onClose: () => void }) {
  const { phone } = props
  const deeds = useDeeds<{ type: 'free' }>(
    async () => {
      const answer = await adminApi.freePhone(props.name)
      if (answer.ok) await props.onChanged()
      return answer
    },
    (_, value) => sentenceOf(value) ?? `${phone ? title(phone) : props.name} is free.`,
  )
  if (!phone) return <Drawer title={props.name} onClose={props.onClose}><p>There is no such phone, or it was removed.</p></Drawer>
  const { login } = phone
  return (
    <Drawer title={title(phone)} sub={phone.name} onClose={props.onClose}>
      <Facts
        rows={[
          ['State', <PhoneSign key="state" phone={phone} />],
          ...(phone.since === null ? [] : [['Since', at(phone.since)] as [string, string]]),
          ['Site', phone.site || 'None'],
          ['Floor', phone.floor || 'None'],
          ['Who sits there', login ? `${nameOf(login)}, since ${at(login.since)}` : 'Nobody'],
          ...(login ? [['Now', <ActivitySign key="now" activity={login.activity} />] as [string, React.ReactNode]] : []),
        ]}
      />
      {props.rights.has('free_phones') && login ? (
        <section className="deeds" aria-label="What can be done">
          <Button className="button" onPress={() => deeds.start({ type: 'free' }, askingToFree(phone))}>Free phone</Button>
        </section>
      ) : null}
      {deeds.message}
      {deeds.question}
    </Drawer>
  )
}
