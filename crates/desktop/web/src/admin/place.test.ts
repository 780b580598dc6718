import { expect, test } from 'vitest'
import type { Right } from './api'
import { firstPage, maySee, pageOf, PAGES, withParts } from './place'

const rights = (...words: Right[]) => new Set(words)

test('addresses mean pages', () => {
  expect(['/admin', '/admin/', '/admin/agents', '/admin/agents/', '/admin/licence', '/admin/x', '/admin/agents/ann'].map(pageOf))
    .toEqual(['home', 'home', 'agents', 'agents', 'licence', 'unknown', 'unknown'])
})

test('/admin leads to the first page one may see', () => {
  expect(firstPage(rights('manage_agents', 'see_audit'))).toBe('agents')
  expect(firstPage(rights('see_logins', 'end_logins'))).toBe('logins')
  expect(firstPage(rights('free_phones'))).toBe('phones')
  expect(firstPage(rights())).toBe(null)
})

test('a supervisor sees logins and phones and nothing else', () => {
  const supervisor = rights('see_logins', 'end_logins')
  expect(PAGES.filter((each) => maySee(each.page, supervisor)).map((each) => each.page)).toEqual(['logins', 'phones'])
})

test('equal views have equal addresses', () => {
  expect(withParts('/admin/agents', '?show=in&find=a', { find: 'ann b' })).toBe('/admin/agents?find=ann+b&show=in')
  expect(withParts('/admin/agents', '?show=in', { show: '' })).toBe('/admin/agents')
  expect(withParts('/admin/agents', '?show=in', { open: 'ann', show: null })).toBe('/admin/agents?open=ann')
})
