import { expect, test } from 'vitest'
import { deedOf, shortcuts } from './shortcuts'

const key = (code: string, more = {}) => ({ altKey: true, ctrlKey: false, metaKey: false, shiftKey: false, repeat: false, code, ...more })

test('Alt and a letter, and nothing that a browser or a keyboard layout uses', () => {
  expect(deedOf(key('KeyM'))).toBe('mute')
  expect(deedOf(key('KeyM', { altKey: false }))).toBeNull()
  // AltGr on Windows.
  expect(deedOf(key('KeyM', { ctrlKey: true }))).toBeNull()
  expect(deedOf(key('KeyM', { repeat: true }))).toBeNull()
  for (const menu of 'DEFBHSTV') expect(shortcuts.some((s) => s.code === `Key${menu}`), menu).toBe(false)
  expect(new Set(shortcuts.map((s) => s.code)).size).toBe(shortcuts.length)
})
