import { expect, test } from 'vitest'
import { cookiesKept } from './cookies'

/** Keeps what it is told, and forgets what has no time left. */
function jar(): Pick<Document, 'cookie'> {
  const kept = new Map<string, string>()
  return {
    get cookie() { return [...kept].map(([name, value]) => `${name}=${value}`).join('; ') },
    set cookie(text: string) {
      const [name = '', value = ''] = (text.split(';')[0] ?? '').split('=')
      if (/Max-Age=0/.test(text)) kept.delete(name)
      else kept.set(name, value)
    },
  }
}

test('a browser that keeps cookies is left without ours', () => {
  const doc = jar()
  expect(cookiesKept(doc, true)).toBe(true)
  expect(doc.cookie).toBe('')
})

test('switched off, silently dropped, or forbidden: not kept', () => {
  expect(cookiesKept(jar(), false)).toBe(false)
  expect(cookiesKept({ get cookie() { return '' }, set cookie(_: string) {} }, true)).toBe(false)
  const forbidden = { get cookie(): string { throw new Error('SecurityError') }, set cookie(_: string) { throw new Error('SecurityError') } }
  expect(cookiesKept(forbidden, true)).toBe(false)
})
