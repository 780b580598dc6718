import { expect, test } from 'vitest'
import type { Notice } from '../api'
import { putAway, toShow } from './notices'

const notice = (kind: string, severity: Notice['severity'], sentence = `about ${kind}`): Notice => ({ kind, severity, sentence })
const memory = (): Storage => {
  const kept = new Map<string, string>()
  return { getItem: (k: string) => kept.get(k) ?? null, setItem: (k: string, v: string) => void kept.set(k, v) } as unknown as Storage
}

test('warnings come first, and each is said once', () => {
  const [licence, password] = [notice('licence', 'info'), notice('password_expires', 'warning')]
  expect(toShow([licence, password, licence], memory())).toEqual([password, licence])
})

test('what was put away stays away, until it says something else', () => {
  const storage = memory()
  putAway(notice('password_expires', 'info', '14 days'), storage)
  expect(toShow([notice('password_expires', 'info', '14 days')], storage)).toEqual([])
  expect(toShow([notice('password_expires', 'info', '13 days')], storage)).toHaveLength(1)
})

test('a broken storage hides nothing', () => {
  const broken = { getItem: () => '{"no":1}', setItem: () => { throw new Error('full') } } as unknown as Storage
  putAway(notice('licence', 'info'), broken)
  expect(toShow([notice('licence', 'info')], broken)).toHaveLength(1)
})
