// A list that changes while somebody aims at a row: what is on screen is updated in place, what is new or gone waits
// until nobody is pointing, so that no row moves under the pointer.

export interface Live<T> {
  /** As shown, in this order. */
  shown: readonly T[]
  /** Keys that are shown though the server has them no more. */
  gone: ReadonlySet<string>
  /** The newest truth. */
  latest: readonly T[]
  /** Somebody points at the list or has the keyboard in it. */
  held: boolean
}

export function noRows<T>(): Live<T> {
  return { shown: [], gone: new Set(), latest: [], held: false }
}

export function polled<T>(live: Live<T>, rows: readonly T[], keyOf: (row: T) => string): Live<T> {
  if (!live.held || live.shown.length === 0) return { ...live, shown: rows, latest: rows, gone: new Set() }
  const now = new Map(rows.map((row) => [keyOf(row), row]))
  const gone = new Set<string>()
  const shown = live.shown.map((row) => {
    const found = now.get(keyOf(row))
    if (!found) gone.add(keyOf(row))
    return found ?? row
  })
  return { ...live, shown, latest: rows, gone }
}

export function hold<T>(live: Live<T>, held: boolean): Live<T> {
  if (held) return live.held ? live : { ...live, held }
  return { ...live, held, shown: live.latest, gone: new Set() }
}

/** Everything at once, because the person asked for it. */
export function caughtUp<T>(live: Live<T>): Live<T> {
  return { ...live, shown: live.latest, gone: new Set() }
}

/** How many wait to be shown. */
export function waiting<T>(live: Live<T>): number {
  return live.latest.length - (live.shown.length - live.gone.size)
}
