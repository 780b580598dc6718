import { expect, test } from 'vitest'
import { emptyPicker, type Picker } from './picker'
import { groups, HEAD_PX, ROW_PX, scrollFor, totalHeight, visible } from './rows'

const names = (prefix: string, n: number) => Array.from({ length: n }, (_, i) => `${prefix}${i}`)
const picker: Picker = { ...emptyPicker, rows: { last: ['l0'], available: names('a', 1000), others: [] } }
const made = groups(picker.rows)

test('groups stand below each other, empty ones take no room', () => {
  expect(made.map((g) => [g.section, g.top, g.first])).toEqual([['last', 0, 0], ['available', HEAD_PX + ROW_PX, 1]])
  expect(totalHeight(made)).toBe(2 * HEAD_PX + 1001 * ROW_PX)
  expect(totalHeight([])).toBe(0)
})

test('of a thousand rows only those near the window are drawn', () => {
  const available = made[1]!
  const [from, to] = visible(available, 500 * ROW_PX, 300)
  expect(from).toBeGreaterThan(480)
  expect(to - from).toBeLessThan(25)
  expect(visible(available, 0, 300)[0]).toBe(0)
  expect(visible(available, 1e9, 300)).toEqual([1000, 1000])
})

test('the row of the keyboard is scrolled to only when it is not seen whole', () => {
  expect(scrollFor(made, picker, 'a0', 0, 300)).toBeNull()
  const down = scrollFor(made, picker, 'a50', 0, 300)!
  expect(scrollFor(made, picker, 'a50', down, 300)).toBeNull()
  expect(scrollFor(made, picker, 'l0', 5000, 300)).toBe(0)
  expect(scrollFor(made, picker, 'nobody', 0, 300)).toBeNull()
})
