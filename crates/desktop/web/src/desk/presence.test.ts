import { expect, test } from 'vitest'
import { EVERY_MS, worthAWord } from './presence'

test('at work, a word a minute', () => {
  expect(worthAWord('pointermove', EVERY_MS - 1, false)).toBe(false)
  expect(worthAWord('pointermove', EVERY_MS, false)).toBe(true)
  expect(worthAWord('keydown', EVERY_MS, false)).toBe(true)
})

test('with the end announced, what is pressed counts at once and a moving pointer does not', () => {
  expect(worthAWord('keydown', 0, true)).toBe(true)
  expect(worthAWord('pointerdown', 0, true)).toBe(true)
  expect(worthAWord('pointermove', EVERY_MS, true)).toBe(false)
})
