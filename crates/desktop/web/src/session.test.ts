import { expect, test } from 'vitest'
import type { Me } from './api'
import { sessionOf } from './session'

const me = { state: 'ready' } as Me

test('what the answer to «who am I» means', () => {
  expect(sessionOf({ ok: true, value: me }).at).toBe('in')
  expect(sessionOf({ ok: true, value: { ...me, state: 'choose_phone' } }).at).toBe('pending')
  expect(sessionOf({ ok: false, status: 401, refusal: { reason: 'no_session', sentence: '' } }).at).toBe('none')
  expect(sessionOf({ ok: false, status: 0, refusal: { reason: 'no_connection', sentence: 's' } })).toEqual({ at: 'unreachable', sentence: 's' })
  expect(sessionOf({ ok: false, status: 503, refusal: { reason: 'busy', sentence: 's' } }).at).toBe('unreachable')
  expect(sessionOf({ ok: false, status: 401, refusal: { reason: 'login_ended', sentence: 's', why: 'taken_over', at: 5, from: 'x' } }))
    .toEqual({ at: 'ended', ended: { why: 'taken_over', sentence: 's', at: 5, from: 'x' } })
})
