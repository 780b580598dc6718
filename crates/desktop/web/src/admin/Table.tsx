// A table of any length: only the rows on screen are in the document, arrows move, Enter opens, and nothing shifts when
// news comes in.

import { memo, useCallback, useEffect, useLayoutEffect, useRef, useState, type KeyboardEvent, type MouseEvent, type ReactNode } from 'react'
import { moved, rowsToDraw, scrollToRow } from './rows'

export interface Column<T> {
  id: string
  head: string
  /** A track of CSS grid. */
  width: string
  /** Narrower than this many pixels, the table does without it. */
  from?: number
  cell: (row: T) => ReactNode
}

/** Narrower than this, a row is two lines: its name and its state, and below them the rest in words. */
const TWO_LINES_BELOW_PX = 640
const ROW_PX = { normal: 44, compact: 32, narrow: 62 }
const HEAD_PX = 36

export interface TableProps<T> {
  label: string
  rows: readonly T[]
  keyOf: (row: T) => string
  /** The first is what a row is called; it carries the link. */
  columns: readonly Column<T>[]
  /** On narrow screens: beside the name, and below it. */
  side: (row: T) => ReactNode
  below: (row: T) => ReactNode
  href: (row: T) => string
  onOpen: (row: T) => void
  open: string | null
  gone?: ReadonlySet<string>
  compact: boolean
  busy: boolean
  /** What stands in place of the rows. */
  says: ReactNode
  onHold?: (held: boolean) => void
  /** The end of what is there has come on screen. */
  onEnd?: () => void
}

export function Table<T>(props: TableProps<T>) {
  const { rows, keyOf, onHold, onEnd } = props
  const box = useRef<HTMLDivElement>(null)
  const [view, setView] = useState({ scroll: 0, height: 480, width: 1_000 })
  const [activeKey, setActiveKey] = useState<string | null>(null)
  const focusNext = useRef(false)
  const held = useRef({ pointer: false, focus: false })

  const narrow = view.width < TWO_LINES_BELOW_PX
  const rowPx = narrow ? ROW_PX.narrow : props.compact ? ROW_PX.compact : ROW_PX.normal
  const headPx = narrow ? 0 : HEAD_PX
  const columns = narrow ? props.columns.slice(0, 1) : props.columns.filter((each) => view.width >= (each.from ?? 0))
  const tracks = narrow ? 'minmax(0, 1fr) auto' : columns.map((each) => each.width).join(' ')
  const found = activeKey === null ? -1 : rows.findIndex((row) => keyOf(row) === activeKey)
  const active = found < 0 && rows.length > 0 ? 0 : found

  useLayoutEffect(() => {
    const element = box.current
    if (!element) return
    const measure = () => setView((before) =>
      before.height === element.clientHeight && before.width === element.clientWidth
        ? before
        : { ...before, height: element.clientHeight, width: element.clientWidth })
    measure()
    const watch = new ResizeObserver(measure)
    watch.observe(element)
    return () => watch.disconnect()
  }, [])

  useEffect(() => {
    if (onEnd && rows.length > 0 && view.scroll + view.height + 20 * rowPx > rows.length * rowPx) onEnd()
  }, [onEnd, rows.length, view.scroll, view.height, rowPx])

  const hold = useCallback((part: Partial<typeof held.current>) => {
    const before = held.current.pointer || held.current.focus
    held.current = { ...held.current, ...part }
    const now = held.current.pointer || held.current.focus
    if (before !== now) onHold?.(now)
  }, [onHold])

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const to = moved(event.key, active, rows.length, Math.floor((view.height - headPx) / rowPx))
    const row = to === null ? undefined : rows[to]
    if (to === null || row === undefined) return
    event.preventDefault()
    focusNext.current = true
    setActiveKey(keyOf(row))
    const element = box.current
    const scroll = element ? scrollToRow(to, rowPx, element.scrollTop, element.clientHeight, headPx) : null
    if (element && scroll !== null) {
      element.scrollTop = scroll
      setView((before) => ({ ...before, scroll }))
    }
  }

  // The keyboard's row is drawn by now, so it can have the focus.
  useLayoutEffect(() => {
    if (!focusNext.current) return
    focusNext.current = false
    box.current?.querySelector<HTMLElement>('[data-active] a')?.focus({ preventScroll: true })
  })

  return (
    <div className="table-frame">
      <div
        ref={box}
        role="table"
        aria-label={props.label}
        aria-rowcount={rows.length + 1}
        aria-busy={props.busy}
        className={narrow ? 'table table-narrow' : 'table'}
        onScroll={(event) => { const scroll = event.currentTarget.scrollTop; setView((before) => ({ ...before, scroll })) }}
        onKeyDown={onKeyDown}
        onPointerEnter={() => hold({ pointer: true })}
        onPointerLeave={() => hold({ pointer: false })}
        onFocus={() => hold({ focus: true })}
        onBlur={(event) => { if (!event.currentTarget.contains(event.relatedTarget)) hold({ focus: false }) }}
      >
        <div role="rowgroup" className={narrow ? 'unseen' : 'table-head'}>
          <div role="row" aria-rowindex={1} className="table-headrow" style={{ gridTemplateColumns: tracks, height: HEAD_PX }}>
            {narrow
              ? [props.columns[0]?.head ?? '', 'State', 'More'].map((head) => <span key={head} role="columnheader">{head}</span>)
              : columns.map((each) => <span key={each.id} role="columnheader">{each.head}</span>)}
          </div>
        </div>
        <div role="rowgroup" className="table-body" style={{ height: rows.length * rowPx }}>
          {rowsToDraw(rows.length, rowPx, view.scroll, view.height, active).map((i) => {
            const row = rows[i]
            if (row === undefined) return null
            const key = keyOf(row)
            return (
              <Row
                key={key}
                row={row}
                id={key}
                index={i}
                top={i * rowPx}
                height={rowPx}
                tracks={tracks}
                columns={columns}
                narrow={narrow}
                side={props.side}
                below={props.below}
                href={props.href(row)}
                isActive={i === active}
                isOpen={key === props.open}
                isGone={props.gone?.has(key) ?? false}
                onOpen={props.onOpen}
                onActive={setActiveKey}
              />
            )
          })}
        </div>
      </div>
      {props.says}
    </div>
  )
}

interface RowProps<T> {
  row: T
  id: string
  index: number
  top: number
  height: number
  tracks: string
  columns: readonly Column<T>[]
  narrow: boolean
  side: (row: T) => ReactNode
  below: (row: T) => ReactNode
  href: string
  isActive: boolean
  isOpen: boolean
  isGone: boolean
  onOpen: (row: T) => void
  onActive: (key: string) => void
}

function PlainRow<T>(props: RowProps<T>) {
  const { row, columns } = props
  const open = (event: MouseEvent) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    // Somebody who marks a number in the row wants to copy it, not to open the row.
    if (!(document.getSelection()?.isCollapsed ?? true)) return
    event.preventDefault()
    props.onActive(props.id)
    props.onOpen(row)
  }
  const words = ['row', props.isOpen ? 'row-open' : '', props.isGone ? 'row-gone' : ''].filter(Boolean).join(' ')
  const [first, ...others] = columns
  return (
    <div
      role="row"
      aria-rowindex={props.index + 2}
      className={words}
      data-active={props.isActive ? '' : undefined}
      style={{ top: props.top, height: props.height, gridTemplateColumns: props.tracks }}
      onClick={open}
    >
      <span role="rowheader" className="cell cell-name">
        <a href={props.href} tabIndex={props.isActive ? 0 : -1} onFocus={() => props.onActive(props.id)}>{first?.cell(row)}</a>
      </span>
      {props.narrow ? (
        <>
          <span role="cell" className="cell cell-side">{props.side(row)}</span>
          <span role="cell" className="cell cell-below">{props.below(row)}</span>
        </>
      ) : (
        others.map((each) => <span key={each.id} role="cell" className="cell">{each.cell(row)}</span>)
      )}
    </div>
  )
}

const Row = memo(PlainRow) as typeof PlainRow
