import { expect, test } from 'vitest'
import type { PasswordRule } from '../api'
import { mayBeSent, rulesOf, tickOf } from './rules'

const SPECIAL = '~!@#$%^&-_=+[{]}'
const rule = (id: string, more: Partial<PasswordRule> = {}): PasswordRule => ({ id, text: id, ...more })
const suite = [rule('length', { min: 8 }), rule('lower'), rule('upper'), rule('digit'), rule('special', { chars: SPECIAL }), rule('not_old'), rule('not_recent', { n: 12 }), rule('not_common')]

test('each rule is ticked by what is typed', () => {
  expect(suite.map((r) => tickOf(r, ''))).toEqual(['open', 'open', 'open', 'open', 'open', 'later', 'later', 'later'])
  expect(suite.map((r) => tickOf(r, 'Sunny-Day7'))).toEqual(['met', 'met', 'met', 'met', 'met', 'later', 'later', 'later'])
  expect(tickOf(rule('length', { min: 3 }), '🙂🙂')).toBe('open')
  expect(tickOf(rule('length', { min: 3 }), '🙂🙂🙂')).toBe('met')
})

test('letters of every alphabet that has cases count', () => {
  expect(tickOf(rule('lower'), 'É')).toBe('open')
  expect(tickOf(rule('lower'), 'é')).toBe('met')
  expect(tickOf(rule('upper'), 'Ж')).toBe('met')
})

test('exactly these special characters count, and no others', () => {
  const special = rule('special', { chars: SPECIAL })
  for (const c of SPECIAL) expect(tickOf(special, `a${c}`), c).toBe('met')
  for (const c of '*()"\'?/|\\<>,.:;` €') expect(tickOf(special, `a${c}`), c).toBe('open')
})

test('the old password is compared where it is known', () => {
  expect(tickOf(rule('not_old'), 'same', { old: 'same' })).toBe('open')
  expect(tickOf(rule('not_old'), 'other', { old: 'same' })).toBe('met')
  expect(tickOf(rule('not_old'), 'other')).toBe('later')
})

test('what the server refused stays refused until something else is typed', () => {
  const refused = { failed: ['not_common'], typed: 'Password-1' }
  expect(tickOf(rule('not_common'), 'Password-1', { refused })).toBe('failed')
  expect(tickOf(rule('not_common'), 'Password-12', { refused })).toBe('later')
  expect(mayBeSent(suite, 'Password-1', { refused })).toBe(false)
  expect(mayBeSent(suite, 'Password-12', { refused })).toBe(true)
  expect(mayBeSent(suite, 'password-12', {})).toBe(false)
})

test('rules come alone or with their profile', () => {
  expect(rulesOf({ profile: 'suite', rules: suite })).toBe(suite)
  expect(rulesOf(suite)).toBe(suite)
  expect(rulesOf(null)).toEqual([])
})
