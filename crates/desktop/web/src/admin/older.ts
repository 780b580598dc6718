// A list that is read backwards in time: a page, then the one before it, until there is no more.

import type { Refusal } from '../api'

export interface Older<L> {
  lines: readonly L[]
  /** Where the next older page begins; null: this is all. */
  next: string | number | null
  /** The answer to the first page is here. */
  begun: boolean
  refusal: Refusal | null
}

export function fresh<L>(): Older<L> {
  return { lines: [], next: null, begun: false, refusal: null }
}

export function firstCame<L>(lines: readonly L[], next: string | number | null): Older<L> {
  return { lines, next, begun: true, refusal: null }
}

/** The page before the oldest line. A line that is here already is not shown twice. */
export function olderCame<L>(older: Older<L>, lines: readonly L[], next: string | number | null, keyOf: (line: L) => string): Older<L> {
  const known = new Set(older.lines.map(keyOf))
  const fresh = lines.filter((line) => !known.has(keyOf(line)))
  // A page that brings nothing new and leads to itself would be asked for without end.
  const stuck = fresh.length === 0 && next === older.next
  return { ...older, lines: [...older.lines, ...fresh], next: stuck ? null : next, refusal: null }
}
