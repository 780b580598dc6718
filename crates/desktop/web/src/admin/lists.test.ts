import { expect, test } from 'vitest'
import type { Answer } from '../http'
import { fits } from './find'
import { caughtUp, hold, noRows, polled, waiting } from './live'
import { answered, isForbidden, leadsToLogin, type Loaded } from './load'
import { firstCame, olderCame } from './older'
import { moved, OVERSCAN, rowsToDraw, scrollToRow } from './rows'

const refusal = (status: number, reason = 'x'): Answer<never> => ({ ok: false, status, refusal: { reason, sentence: `Refused ${status}.` } })
const key = (row: { id: number }) => String(row.id)
const rows = (...ids: number[]) => ids.map((id) => ({ id }))

test('a list stays on screen through a bad minute, but not through a lost right', () => {
  const there = answered<string>({ at: 'loading' }, { ok: true, value: 'list' }, 5)
  const stale = answered(there, refusal(503), 9)
  expect(stale).toEqual({ at: 'there', value: 'list', asOf: 5, stale: { reason: 'x', sentence: 'Refused 503.' } })
  expect(answered(stale, { ok: true, value: 'new' }, 12)).toEqual({ at: 'there', value: 'new', asOf: 12, stale: null })
  const gone: Loaded<string> = answered(there, refusal(403), 9)
  expect(gone.at).toBe('refused')
  expect(isForbidden(gone)).toBe(true)
  expect(answered({ at: 'loading' }, refusal(0), 9).at).toBe('refused')
})

test('a step of the way in that came back leads there, a missing right does not', () => {
  expect(leadsToLogin(refusal(401, 'no_session'))).toBe(true)
  expect(leadsToLogin(refusal(403, 'password_change_required'))).toBe(true)
  expect(leadsToLogin(refusal(403, 'right_missing'))).toBe(false)
  expect(leadsToLogin({ ok: true, value: null })).toBe(false)
})

test('nothing moves while somebody points: updated in place, the rest waits', () => {
  let live = polled(noRows<{ id: number }>(), rows(1, 2, 3), key)
  live = hold(live, true)
  live = polled(live, [{ id: 0 }, { id: 1 }, { id: 3 }, { id: 4 }], key)
  expect(live.shown.map(key)).toEqual(['1', '2', '3'])
  expect([...live.gone]).toEqual(['2'])
  expect(waiting(live)).toBe(2)
  expect(caughtUp(live).shown.map(key)).toEqual(['0', '1', '3', '4'])
  live = hold(live, false)
  expect(live.shown.map(key)).toEqual(['0', '1', '3', '4'])
  expect(live.gone.size).toBe(0)
})

test('the first rows appear even under the pointer', () => {
  const live = polled(hold(noRows<{ id: number }>(), true), rows(1, 2), key)
  expect(live.shown.length).toBe(2)
})

test('only rows near the screen are drawn, and the one with the keyboard', () => {
  const drawn = rowsToDraw(1_000, 44, 44 * 100, 440, 3)
  expect(drawn[0]).toBe(3)
  expect(drawn[1]).toBe(100 - OVERSCAN)
  expect(drawn.at(-1)).toBe(110 + OVERSCAN - 1)
  expect(rowsToDraw(5, 44, 0, 440, 0)).toEqual([0, 1, 2, 3, 4])
  expect(rowsToDraw(0, 44, 0, 440, 0)).toEqual([])
  expect(rowsToDraw(10, 44, 0, 100, 99)).not.toContain(99)
})

test('keys move within the list', () => {
  expect(moved('ArrowDown', 0, 3, 10)).toBe(1)
  expect(moved('ArrowDown', 2, 3, 10)).toBe(2)
  expect(moved('ArrowUp', 0, 3, 10)).toBe(0)
  expect(moved('PageDown', 0, 100, 10)).toBe(9)
  expect(moved('End', 0, 100, 10)).toBe(99)
  expect(moved('Home', 50, 100, 10)).toBe(0)
  expect(moved('x', 0, 100, 10)).toBe(null)
  expect(moved('ArrowDown', -1, 0, 10)).toBe(null)
})

test('the row of the keyboard is scrolled to, clear of the head', () => {
  expect(scrollToRow(0, 44, 100, 400, 36)).toBe(0)
  expect(scrollToRow(5, 44, 100, 400, 36)).toBe(null)
  expect(scrollToRow(20, 44, 0, 400, 36)).toBe(21 * 44 - 364)
})

test('older pages are put behind, no line twice, and never without end', () => {
  let older = firstCame(rows(9, 8), 8 as number | null)
  older = olderCame(older, rows(8, 7), 7, key)
  expect(older.lines.map(key)).toEqual(['9', '8', '7'])
  expect(older.next).toBe(7)
  expect(olderCame(older, rows(8, 7), 7, key).next).toBe(null)
  expect(olderCame(older, [], null, key).next).toBe(null)
})

test('found by any part, whatever case and accents', () => {
  expect(fits('zur 4', ['Desk 4', 'Zürich', null])).toBe(true)
  expect(fits('zur 5', ['Desk 4', 'Zürich'])).toBe(false)
  expect(fits('  ', ['x'])).toBe(true)
})
