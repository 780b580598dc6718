import { expect, test } from 'vitest'
import type { Phone, PhoneState } from '../api'
import { counts, emptyPicker, fold, othersShown, OTHERS_SHOWN_MAX, pick, rowNames, type Picker } from './picker'

const phone = (name: string, state: PhoneState = 'free', more: Partial<Phone> = {}): Phone =>
  ({ name, label: null, site: null, floor: null, state, by: null, since: null, ...more })

function shown(phones: Phone[], last: string | null = null): Picker {
  return pick(pick(emptyPicker, { type: 'last_used', name: last }), { type: 'listed', phones, now: 0 })
}
const taken = (p: Picker, name: string, now = 10): Picker =>
  pick(p, { type: 'phone', frame: { type: 'phone', name, state: 'in_use', by: 'Bruno', since: now }, now })
const freed = (p: Picker, name: string, now = 10): Picker =>
  pick(p, { type: 'phone', frame: { type: 'phone', name, state: 'free', by: null, since: now }, now })

test('available come first, numbers in the order of numbers', () => {
  const p = shown([phone('desk-10'), phone('desk-9'), phone('desk-2', 'in_use'), phone('desk-1', 'unreachable')])
  expect(rowNames(p)).toEqual(['desk-9', 'desk-10', 'desk-1', 'desk-2'])
  expect(counts(p)).toEqual({ available: 2, others: 2 })
})

test('the phone used last is on top and chosen, whichever comes first, the list or the word', () => {
  const phones = [phone('a'), phone('b'), phone('c')]
  expect(shown(phones, 'c').selected).toBe('c')
  expect(rowNames(shown(phones, 'c'))).toEqual(['c', 'a', 'b'])
  const late = pick(shown(phones), { type: 'last_used', name: 'b' })
  expect(late.selected).toBe('b')
  const quicker = pick(pick(shown(phones), { type: 'chosen', name: 'a' }), { type: 'last_used', name: 'b' })
  expect(quicker.selected).toBe('a')
})

test('the phone used last is not chosen when somebody sits there', () => {
  const p = shown([phone('a'), phone('b', 'in_use')], 'b')
  expect(p.selected).toBeNull()
  expect(p.rows.last).toEqual(['b'])
})

test('a row that is taken keeps its place, and the choice is lost with a sentence', () => {
  const before = pick(shown([phone('a'), phone('b', 'free', { label: 'B desk' }), phone('c')]), { type: 'chosen', name: 'b' })
  const after = taken(before, 'b')
  expect(rowNames(after)).toEqual(['a', 'b', 'c'])
  expect(after.selected).toBeNull()
  expect(after.notice).toBe('B desk was just taken by Bruno. Please choose another telephone.')
  expect(after.changed.get('b')).toBe(10)
  expect(counts(after)).toEqual({ available: 2, others: 1 })
})

test('somebody else being taken does not touch the choice', () => {
  const p = taken(pick(shown([phone('a'), phone('b')]), { type: 'chosen', name: 'a' }), 'b')
  expect(p.selected).toBe('a')
  expect(p.notice).toBeNull()
})

test('a phone that cannot be had is not chosen, and the reason is said', () => {
  const p = pick(shown([phone('a'), phone('b', 'in_use', { by: 'Bruno' })]), { type: 'chosen', name: 'b' })
  expect(p.selected).toBeNull()
  expect(p.notice).toContain('in use by Bruno')
})

test('many that cannot be had are one click away; one that becomes free appears at the end', () => {
  const others = Array.from({ length: OTHERS_SHOWN_MAX + 1 }, (_, i) => phone(`x${i}`, 'in_use'))
  const p = shown([phone('y'), ...others])
  expect(othersShown(p)).toBe(false)
  expect(rowNames(p)).toEqual(['y'])
  expect(rowNames(freed(p, 'x3'))).toEqual(['y', 'x3'])
  expect(rowNames(pick(p, { type: 'others_toggled' }))).toHaveLength(OTHERS_SHOWN_MAX + 2)
})

test('a search finds name, label, site and floor, in any order, and also those that are taken', () => {
  const p = shown([
    phone('a', 'free', { label: 'Fenster', site: 'Zürich', floor: '3' }),
    phone('b', 'in_use', { site: 'Zürich', floor: '4' }),
    phone('c'),
  ])
  const search = (query: string) => rowNames(pick(p, { type: 'typed', query }))
  expect(search('zurich')).toEqual(['a', 'b'])
  expect(search(' 3  ZÜRICH ')).toEqual(['a'])
  expect(search('fenst')).toEqual(['a'])
  expect(search('nothing')).toEqual([])
  expect(pick(p, { type: 'typed', query: 'zurich' }).active).toBe('a')
})

test('the keyboard walks all rows and stops at both ends', () => {
  let p = shown([phone('a'), phone('b'), phone('c', 'in_use')])
  const walk = (by: number) => { p = pick(p, { type: 'moved', by }); return p.active }
  expect([walk(1), walk(1), walk(1), walk(1), walk(-5)]).toEqual(['a', 'b', 'c', 'c', 'a'])
  expect(pick(p, { type: 'moved_to', end: 'last' }).active).toBe('c')
  expect(pick(emptyPicker, { type: 'moved', by: 1 }).active).toBeNull()
})

test('a list after a reconnect brings only news', () => {
  const p = pick(shown([phone('a'), phone('b'), phone('c')]), { type: 'chosen', name: 'c' })
  const again = pick(p, { type: 'listed', phones: [phone('a', 'in_use'), phone('c'), phone('0')], now: 20 })
  expect(rowNames(again)).toEqual(['a', 'c', '0'])
  expect(again.selected).toBe('c')
  expect([...again.changed.keys()]).toEqual(['a'])
  const gone = pick(again, { type: 'listed', phones: [phone('a')], now: 30 })
  expect(gone.selected).toBeNull()
  expect(gone.notice).toContain('c was just removed')
})

test('text is compared without case, accents and double spaces', () => {
  expect(fold('  Zürich   NORD ')).toBe('zurich nord')
})
