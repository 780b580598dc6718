// The audit log, newest first: who did what, from where, with what outcome. Older lines come when one scrolls to them.

import { useCallback, useEffect, useMemo, useRef, useState } from 'react'
import { go, usePath } from '../route'
import type { PageProps } from './AdminApp'
import type { AuditLine } from './api'
import { detailWords, filterOf, humanised, wentWell, wordsIn } from './audit'
import { Drawer, Facts } from './Drawer'
import { adminApi, auditCsvPath } from './http'
import { Choice, ListFoot, PageHead, Search, useDensity, usePart, useSettled } from './parts'
import { withParts } from './place'
import { Refused, ListSays } from './Says'
import { Sign } from './State'
import { Table, type Column } from './Table'
import { useOlder } from './useOlder'
import { many } from './words'

const keyOf = (line: AuditLine) => String(line.id)
const time = new Intl.DateTimeFormat(undefined, { day: '2-digit', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit' })
const when = (line: AuditLine) => time.format(line.at)

const COLUMNS: readonly Column<AuditLine>[] = [
  { id: 'what', head: 'What', width: 'minmax(9rem, 1.3fr)', cell: (l) => humanised(l.what) },
  { id: 'at', head: 'When', width: '12.5rem', cell: when },
  { id: 'who', head: 'Who', width: 'minmax(6rem, 1fr)', cell: (l) => l.who || 'Unknown' },
  { id: 'whom', head: 'To whom', width: 'minmax(6rem, 1fr)', from: 900, cell: (l) => l.whom ?? '' },
  { id: 'outcome', head: 'Outcome', width: 'minmax(9.5rem, 1.2fr)', cell: (l) => <Outcome line={l} /> },
  { id: 'from', head: 'From', width: 'minmax(7rem, 0.8fr)', from: 800, cell: (l) => l.from ?? '' },
  { id: 'detail', head: 'More', width: 'minmax(8rem, 1.4fr)', from: 1_040, cell: (l) => detailWords(l.detail) },
]

function Outcome({ line }: { line: AuditLine }) {
  return <Sign shape={wentWell(line.outcome) ? 'full' : 'warn'}>{humanised(line.outcome)}</Sign>
}

export function AuditPage({ onNoSession }: PageProps) {
  const path = usePath()
  const [who, setWho] = usePart('who')
  const [what, setWhat] = usePart('what')
  const [outcome, setOutcome] = usePart('outcome')
  const [from, setFrom] = usePart('from')
  const [to, setTo] = usePart('to')
  const [open, setOpen] = usePart('open')
  const [compact, density] = useDensity()
  const settled = useSettled(who, 250)
  const filter = useMemo(() => filterOf({ who: settled, what, outcome, from, to }), [settled, what, outcome, from, to])
  const older = useOlder(useCallback((before: string | number | null) => adminApi.audit(filter, before), [filter]), onNoSession)
  const { lines, loaded } = older
  const line = open === '' ? undefined : lines.find((each) => keyOf(each) === open)
  const words = useSeenWords(lines)
  const filtered = [who, what, outcome, from, to].some((each) => each !== '')

  return (
    <>
      <PageHead title="Audit log">
        <Search label="Who" value={who} onChange={setWho} />
        <Choice label="What" value={what} options={[['', 'Everything'], ...wordsIn(lines, 'what', words.what, what).map((each) => [each, humanised(each)] as const)]} onChange={setWhat} />
        <Choice label="Outcome" value={outcome} options={[['', 'All'], ...wordsIn(lines, 'outcome', words.outcome, outcome).map((each) => [each, humanised(each)] as const)]} onChange={setOutcome} />
        <Day label="From" value={from} onChange={setFrom} />
        <Day label="To" value={to} onChange={setTo} />
      </PageHead>
      <Table
        label="Audit log"
        rows={lines}
        keyOf={keyOf}
        columns={COLUMNS}
        side={(l) => <Outcome line={l} />}
        below={(l) => [when(l), l.who || 'Unknown', l.whom && l.whom !== l.who ? `to ${l.whom}` : null].filter(Boolean).join(' · ')}
        href={(l) => withParts(path, location.search, { open: keyOf(l) })}
        onOpen={(l) => setOpen(keyOf(l), 'push')}
        open={open}
        compact={compact}
        busy={loaded.at === 'loading' || older.fetching}
        onEnd={older.onEnd}
        says={
          <ListSays
            loaded={loaded}
            count={lines.length}
            onAgain={older.again}
            empty={filtered
              ? <><strong>Nothing fits.</strong><p>Names must be whole usernames here. Try fewer words, or another day.</p><button type="button" className="button" onClick={() => go(path, 'replace')}>Show all</button></>
              : <><strong>Nothing has happened yet.</strong><p>Every login, refusal and change is written here.</p></>}
          />
        }
      />
      {older.refusal ? <Refused refusal={older.refusal} forbidden={false} onAgain={older.more} /> : null}
      <ListFoot
        loaded={loaded}
        count={loaded.at === 'there' ? `${many(lines.length, 'line', 'lines')}${older.atEnd ? '' : ', older ones below'}` : ''}
        more={
          <>
            <button type="button" className="link-button" onClick={older.again}>Newest lines</button>
            <a className="foot-link" href={auditCsvPath(filterOf({ who, what, outcome, from, to }))} download="audit.csv">Export CSV</a>
            {density}
          </>
        }
      />
      {open !== '' && line ? <LineDrawer line={line} onClose={() => setOpen('')} /> : null}
    </>
  )
}

function Day(props: { label: string; value: string; onChange: (value: string) => void }) {
  return (
    <label className="tool">
      <span>{props.label}</span>
      <input className="input input-small" type="date" value={props.value} onChange={(event) => props.onChange(event.target.value)} />
    </label>
  )
}

/** Words stay choosable when the filter leaves their lines out. */
function useSeenWords(lines: readonly AuditLine[]): { what: string[]; outcome: string[] } {
  const seen = useRef({ what: new Set<string>(), outcome: new Set<string>() })
  const [words, setWords] = useState<{ what: string[]; outcome: string[] }>({ what: [], outcome: [] })
  useEffect(() => {
    const before = seen.current.what.size + seen.current.outcome.size
    for (const line of lines) {
      seen.current.what.add(line.what)
      seen.current.outcome.add(line.outcome)
    }
    if (seen.current.what.size + seen.current.outcome.size !== before) {
      setWords({ what: [...seen.current.what], outcome: [...seen.current.outcome] })
    }
  }, [lines])
  return words
}

function LineDrawer({ line, onClose }: { line: AuditLine; onClose: () => void }) {
  const detail = line.detail
  const more: [string, string][] = typeof detail === 'object' && detail !== null && !Array.isArray(detail)
    ? Object.entries(detail).map(([name, value]) => [humanised(name), typeof value === 'object' ? detailWords(value) : String(value)])
    : detailWords(detail) === '' ? [] : [['More', detailWords(detail)]]
  return (
    <Drawer title={humanised(line.what)} sub={when(line)} onClose={onClose}>
      <Facts
        rows={[
          ['Outcome', <Outcome key="outcome" line={line} />],
          ['Who', line.who || 'Unknown'],
          ...(line.whom ? [['To whom', line.whom] as [string, string]] : []),
          ['From', line.from || 'Not known'],
          ...more,
          ['Line', String(line.id)],
        ]}
      />
    </Drawer>
  )
}
