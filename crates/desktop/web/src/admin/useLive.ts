// Rows that keep their place while somebody points at them (see live.ts).

import { useCallback, useEffect, useReducer } from 'react'
import { caughtUp, hold, noRows, polled, waiting, type Live } from './live'

type LiveEvent<T> = { type: 'rows'; rows: readonly T[]; view: string } | { type: 'hold'; held: boolean } | { type: 'catch_up' }

/** `view` names the filters: when they change, the rows are new ones and none keeps its place. */
export function useLive<T>(rows: readonly T[], keyOf: (row: T) => string, view: string) {
  const [live, tell] = useReducer(
    (before: Live<T> & { view: string }, event: LiveEvent<T>) => {
      switch (event.type) {
        case 'rows': return { ...(before.view === event.view ? polled(before, event.rows, keyOf) : caughtUp({ ...before, latest: event.rows })), view: event.view }
        case 'hold': return { ...hold(before, event.held), view: before.view }
        case 'catch_up': return { ...caughtUp(before), view: before.view }
      }
    },
    null,
    () => ({ ...polled(noRows<T>(), rows, keyOf), view }),
  )
  useEffect(() => tell({ type: 'rows', rows, view }), [rows, view])
  return {
    rows: live.shown,
    gone: live.gone,
    waiting: Math.max(0, waiting(live)),
    onHold: useCallback((held: boolean) => tell({ type: 'hold', held }), []),
    catchUp: useCallback(() => tell({ type: 'catch_up' }), []),
  }
}
