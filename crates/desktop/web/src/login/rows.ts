// Where each row of the phone list stands, and which of thousands are worth drawing.

import { rowNames, type Picker, type Section } from './picker'

export const ROW_PX = 52
export const HEAD_PX = 30
/** Drawn above and below what is visible, so that scrolling never shows a gap. */
const OVERSCAN = 6

export interface Group {
  section: Section
  top: number
  height: number
  names: readonly string[]
  /** The position of its first row among all rows, from 0. */
  first: number
}

export function groups(rows: Picker['rows']): Group[] {
  const made: Group[] = []
  let top = 0
  let first = 0
  for (const section of ['last', 'available', 'others'] as const) {
    const names = rows[section]
    if (names.length === 0) continue
    const height = HEAD_PX + names.length * ROW_PX
    made.push({ section, top, height, names, first })
    top += height
    first += names.length
  }
  return made
}

export function totalHeight(made: readonly Group[]): number {
  const last = made[made.length - 1]
  return last ? last.top + last.height : 0
}

/** The rows of a group that a window of `height` pixels at `scroll` shows: from, up to. */
export function visible(group: Group, scroll: number, height: number): [from: number, to: number] {
  const start = scroll - group.top - HEAD_PX
  const from = Math.floor(start / ROW_PX) - OVERSCAN
  const to = Math.ceil((start + height) / ROW_PX) + OVERSCAN
  const clamp = (n: number) => Math.min(group.names.length, Math.max(0, n))
  return [clamp(from), clamp(to)]
}

/** Where to scroll so that a row, with its heading if it is the first, is seen whole; null when it is. */
export function scrollFor(made: readonly Group[], picker: Picker, name: string, scroll: number, height: number): number | null {
  const index = rowNames(picker).indexOf(name)
  const group = made.find((g) => index >= g.first && index < g.first + g.names.length)
  if (index < 0 || !group) return null
  const within = index - group.first
  const top = group.top + HEAD_PX + within * ROW_PX
  const wanted = within === 0 ? group.top : top
  // The heading of the group sticks to the top edge and must not cover the row.
  if (wanted < scroll + (within === 0 ? 0 : HEAD_PX)) return Math.max(0, wanted - (within === 0 ? 0 : HEAD_PX))
  if (top + ROW_PX > scroll + height) return top + ROW_PX - height
  return null
}
