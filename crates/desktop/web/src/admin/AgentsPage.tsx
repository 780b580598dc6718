// The agents: find one, see how they stand, open them.

import { useCallback, useMemo, useState } from 'react'
import { at } from '../clock'
import { go, usePath } from '../route'
import type { PageProps } from './AdminApp'
import { AgentDrawer } from './AgentDrawer'
import { AGENT_SHOW, AGENTS_PER_PAGE, allAgents, shownAgents } from './agentlist'
import { ROLES, type AdminAgent } from './api'
import { adminApi } from './http'
import { Choice, ListFoot, PageHead, Search, useDensity, usePart, useSettled } from './parts'
import { withParts } from './place'
import { ListSays } from './Says'
import { AgentSign } from './State'
import { Table, type Column } from './Table'
import { useLive } from './useLive'
import { usePoll } from './usePoll'
import { factorWord, many, nameOf, ROLE, seatWords, TYPOLOGY } from './words'

/** A page of the server's list is asked for about this often, however many pages there are. */
const EVERY_MS = 5_000
const keyOf = (agent: AdminAgent) => agent.name

const COLUMNS: readonly Column<AdminAgent>[] = [
  { id: 'name', head: 'Name', width: 'minmax(9rem, 2fr)', cell: (a) => nameOf(a) },
  { id: 'login', head: 'Username', width: 'minmax(6rem, 1fr)', from: 700, cell: (a) => a.name },
  { id: 'typology', head: 'Takes calls', width: 'minmax(5.5rem, 0.8fr)', from: 1_240, cell: (a) => TYPOLOGY[a.typology] },
  { id: 'role', head: 'Role', width: '7.2rem', from: 840, cell: (a) => ROLE[a.role] },
  { id: 'state', head: 'State', width: '12.2rem', cell: (a) => <AgentSign agent={a} until /> },
  { id: 'device', head: 'Where', width: 'minmax(6rem, 1.2fr)', cell: (a) => (a.login ? seatWords(a.login) : '') },
  { id: 'since', head: 'Since', width: '9.2rem', from: 760, cell: (a) => (a.login ? at(a.login.since) : '') },
  { id: 'factors', head: 'Second factor', width: 'minmax(6rem, 0.9fr)', from: 1_100, cell: (a) => a.factors.map(factorWord).join(', ') },
  { id: 'last', head: 'Last login', width: '9.2rem', from: 960, cell: (a) => (a.last_login === null ? 'Never' : at(a.last_login)) },
]

export function AgentsPage({ me, rights, onNoSession }: PageProps) {
  const path = usePath()
  const [find, setFind] = usePart('find')
  const [show, setShow] = usePart('show')
  const [role, setRole] = usePart('role')
  const [open, setOpen] = usePart('open')
  const [compact, density] = useDensity()
  const settled = useSettled(find.trim(), 200)
  const ask = useCallback(() => allAgents(adminApi.agents, settled), [settled])
  const count = usePages()
  const { loaded, again } = usePoll(ask, EVERY_MS * count.pages, onNoSession)
  const all = loaded.at === 'there' ? loaded.value.agents : EMPTY
  count.note(all.length)
  const fitting = useMemo(() => shownAgents(all, show, role), [all, show, role])
  // The view changes when the rows do, not when they are asked for.
  const found = loaded.at === 'there' ? loaded.value.find : ''
  const live = useLive(fitting, keyOf, `${found}|${show}|${role}`)
  const agent = open === '' ? undefined : all.find((each) => each.name === open)
  const blocked = useMemo(() => all.filter((each) => each.blocked).length, [all])

  return (
    <>
      <PageHead title="Agents">
        <Search label="Find" value={find} onChange={setFind} />
        <Choice label="Show" value={show} options={AGENT_SHOW} onChange={setShow} />
        <Choice label="Role" value={role} options={[['', 'All'], ...ROLES.map((each) => [each, ROLE[each]] as const)]} onChange={setRole} />
      </PageHead>
      <Table
        label="Agents"
        rows={live.rows}
        keyOf={keyOf}
        columns={COLUMNS}
        side={(a) => <AgentSign agent={a} />}
        below={(a) => [a.name, a.role === 'agent' ? null : ROLE[a.role], a.login ? `${seatWords(a.login)} since ${at(a.login.since)}` : a.last_login === null ? 'never logged in' : `last login ${at(a.last_login)}`].filter(Boolean).join(' · ')}
        href={(a) => withParts(path, location.search, { open: a.name })}
        onOpen={(a) => setOpen(a.name, 'push')}
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
            empty={find !== '' || show !== '' || role !== ''
              ? <><strong>No agent fits.</strong><p>Try a part of the name, or show all.</p><button type="button" className="button" onClick={() => go(path, 'replace')}>Show all</button></>
              : <><strong>There are no agents yet.</strong><p><code>hotseat agents add</code> on the server makes the first ones.</p></>}
          />
        }
      />
      <ListFoot
        loaded={loaded}
        count={loaded.at === 'there' ? `${many(fitting.length, 'agent', 'agents')}${blocked > 0 ? `, ${blocked} locked` : ''}${loaded.value.cut ? '; there are more, find them by name' : ''}` : ''}
        waiting={live.waiting}
        onCatchUp={live.catchUp}
        more={density}
      />
      {open !== '' && loaded.at === 'there' ? (
        <AgentDrawer name={open} agent={agent ?? null} me={me} rights={rights} onChanged={again} onClose={() => setOpen('')} />
      ) : null}
    </>
  )
}

const EMPTY: AdminAgent[] = []

/** How many pages the list had last time, so that many pages are asked for less often. */
function usePages() {
  const [pages, setPages] = useState(1)
  return {
    pages,
    note: (rows: number) => {
      const now = Math.max(1, Math.ceil(rows / AGENTS_PER_PAGE))
      if (now !== pages) setPages(now)
    },
  }
}
