import { expect, test } from 'vitest'
import { loginPath, placeOf, safeNext } from './route'

const origin = 'https://desk.example'

test('addresses mean places', () => {
  expect(['/', '/login', '/login/', '/help', '/logged-out', '/x'].map(placeOf))
    .toEqual(['desk', 'login', 'login', 'help', 'logged-out', 'unknown'])
})

test('back to where one wanted to go, on this site', () => {
  expect(safeNext('/calls?x=1#y', origin)).toBe('/calls?x=1#y')
  expect(safeNext(null, origin)).toBe('/')
})

test.each([
  '//evil.example', '/\\evil.example', '\\\\evil.example', 'https://evil.example/', 'javascript:alert(1)', 'evil',
  '/\t/evil.example', '/\n/evil.example', '/%5c\u0000', '', ' /x', '/login?next=/login', '/logged-out', '/api/login',
])('not led astray by %j', (next) => {
  expect(safeNext(next, origin)).toBe('/')
})

test('the login page remembers the way', () => {
  expect(loginPath('/')).toBe('/login')
  expect(loginPath('/a?b=1')).toBe('/login?next=%2Fa%3Fb%3D1')
})

test('the pages of the way in and out have their addresses, and are nowhere to come back to', () => {
  expect(['/phonebar', '/admin', '/admin/agents', '/administer', '/forgot', '/reset', '/t'].map(placeOf))
    .toEqual(['phonebar', 'admin', 'admin', 'unknown', 'forgot', 'reset', 'ticket'])
  expect(safeNext('/phonebar', origin)).toBe('/phonebar')
  expect(safeNext('/admin/logins?x=1', origin)).toBe('/admin/logins?x=1')
  for (const step of ['/forgot', '/reset#token', '/t#ticket']) expect(safeNext(step, origin), step).toBe('/')
})
