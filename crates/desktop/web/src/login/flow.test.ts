import { expect, test } from 'vitest'
import type { Held, LoginAnswer, Refusal } from '../api'
import { sendsAgain, start, step, type Flow, type FlowEvent } from './flow'

const agent = { name: 'ann', display_name: 'Ann', extension: '2001', typology: 'external' as const }
const held: Held = { epoch: 7, device: null, activity: 'idle', activity_since: null, since: 1, from: null, takeover: 'end' }
const answer = (more: Partial<LoginAnswer>): LoginAnswer =>
  ({ state: 'choose_phone', csrf: 'x', agent, held: null, sentence: null, last_phone: null, ...more })
const play = (...events: FlowEvent[]): Flow => events.reduce(step, start)
const refused = (reason: string, status: number, more: Partial<Refusal> = {}): FlowEvent =>
  ({ type: 'refused', status, refusal: { reason, sentence: `the sentence of ${reason}`, ...more } })
const free = (name: string) =>
  ({ name, label: null, site: null, floor: null, state: 'free' as const, by: null, since: null })

test('credentials, a phone, in', () => {
  const choosing = play({ type: 'sent' }, { type: 'logged_in', answer: answer({ last_phone: 'a' }) },
    { type: 'listed', phones: [free('a')], last: 'a', now: 0 })
  expect(choosing).toMatchObject({ step: 'phone', busy: false, agent })
  expect(choosing.picker.selected).toBe('a')
  expect(step(choosing, { type: 'seated' }).step).toBe('in')
})

test('who needs no phone is in at once', () => {
  expect(play({ type: 'logged_in', answer: answer({ state: 'ready' }) }).step).toBe('in')
})

test('wrong credentials: the sentence, and the form again', () => {
  const flow = play({ type: 'sent' }, refused('wrong_credentials', 401))
  expect(flow).toMatchObject({ step: 'credentials', busy: false, message: { tone: 'error', text: 'the sentence of wrong_credentials' } })
})

test('an earlier login is asked about before any phone is shown; yes keeps its epoch, no starts afresh', () => {
  const asked = play({ type: 'logged_in', answer: answer({ state: 'held', held }) })
  expect(asked).toMatchObject({ step: 'credentials', question: { then: 'choose' } })
  expect(sendsAgain(asked.question)).toBe(false)
  expect(step(asked, { type: 'agreed' })).toMatchObject({ step: 'phone', take_over_epoch: 7, question: null })
  const no = step(asked, { type: 'declined' })
  expect(no).toMatchObject({ step: 'credentials', take_over_epoch: null, question: null, agent: null })
})

test('overtaken while choosing: asked again, and yes sends the choice with the newer epoch', () => {
  const choosing = play({ type: 'logged_in', answer: answer({}) }, { type: 'listed', phones: [free('a')], last: null, now: 0 },
    { type: 'picker', event: { type: 'chosen', name: 'a' } }, { type: 'sent' })
  const asked = step(choosing, refused('already_logged_in', 409, { held: { ...held, epoch: 9 } }))
  expect(sendsAgain(asked.question)).toBe(true)
  expect(asked.picker.selected).toBe('a')
  expect(step(asked, { type: 'agreed' })).toMatchObject({ take_over_epoch: 9, busy: true, step: 'phone' })
})

test('a phone that was taken is let go, the sentence is shown, the step stays', () => {
  const choosing = play({ type: 'logged_in', answer: answer({}) }, { type: 'listed', phones: [free('a')], last: null, now: 0 },
    { type: 'picker', event: { type: 'chosen', name: 'a' } })
  const flow = step(choosing, refused('phone_in_use', 409))
  expect(flow).toMatchObject({ step: 'phone', message: { text: 'the sentence of phone_in_use' } })
  expect(flow.picker.selected).toBeNull()
})

test('no takeover during a call: said, and the phone stays chosen for later', () => {
  const choosing = play({ type: 'logged_in', answer: answer({}) }, { type: 'listed', phones: [free('a')], last: null, now: 0 },
    { type: 'picker', event: { type: 'chosen', name: 'a' } })
  const flow = step(choosing, refused('call_in_progress', 409, { held }))
  expect(flow.question).toBeNull()
  expect(flow.picker.selected).toBe('a')
})

test('a login that waited too long goes back to the credentials with the sentence', () => {
  const choosing = play({ type: 'logged_in', answer: answer({}) })
  expect(step(choosing, refused('login_expired', 401))).toMatchObject({ step: 'credentials', message: { tone: 'info' } })
})

test('browser agents are told calmly', () => {
  expect(play(refused('browser_calls_unavailable', 403)).message?.tone).toBe('info')
})

test('how long to wait is said once', () => {
  const text = (sentence: string, s: number) =>
    play({ type: 'refused', status: 429, refusal: { reason: 'too_many_attempts', sentence, retry_after_s: s } }).message?.text
  expect(text('Too many attempts.', 30)).toBe('Too many attempts. Please wait 30 seconds.')
  expect(text('Too many attempts.', 240)).toBe('Too many attempts. Please wait 4 minutes.')
  expect(text('Try again in 30 s.', 30)).toBe('Try again in 30 s.')
})

test('phone news reach the picker', () => {
  const flow = play({ type: 'logged_in', answer: answer({}) },
    { type: 'frame', frame: { type: 'snapshot', seq: 1, phones: [free('a')] }, now: 0 },
    { type: 'frame', frame: { type: 'phone', seq: 2, name: 'a', state: 'unreachable', by: null, since: 5 }, now: 5 })
  expect(flow.picker.phones.get('a')?.state).toBe('unreachable')
})

test('an agent whose calls come to the browser is not asked for a phone, and is told what the server says', () => {
  const browser = { ...agent, typology: 'webrtc' as const }
  const seeking = play({ type: 'logged_in', answer: answer({ agent: browser }) })
  expect(seeking).toMatchObject({ step: 'no_choice', busy: true })
  expect(step(seeking, refused('browser_calls_unavailable', 422))).toMatchObject({ step: 'credentials', busy: false, message: { tone: 'info' } })
  const asked = step(seeking, refused('already_logged_in', 409, { held }))
  expect(step(asked, { type: 'agreed' })).toMatchObject({ step: 'no_choice', take_over_epoch: 7 })
})

test('a reload in the middle goes on where it was, the question included', () => {
  const me = { ...answer({ last_phone: 'a' }), login: null, phone: null, activity: null }
  expect(play({ type: 'resumed', me })).toMatchObject({ step: 'phone', picker: { last: 'a' } })
  expect(play({ type: 'resumed', me: { ...me, state: 'held', held } }).question?.held.epoch).toBe(7)
  expect(play({ type: 'resumed', me: { ...me, state: 'ready' } }).step).toBe('in')
})

test('what the account demands comes in the order the server says, and brings what it needs', () => {
  const factor = play({ type: 'logged_in', answer: answer({ state: 'second_factor', kinds: ['passkey', 'totp'] }) })
  expect(factor).toMatchObject({ step: 'factor', kinds: ['passkey', 'totp'] })
  const rules = [{ id: 'length', text: 'At least 8', min: 8 }]
  const password = step(factor, { type: 'logged_in', answer: answer({ state: 'change_password', why: 'expired', rules }) })
  expect(password).toMatchObject({ step: 'password', why: 'expired', rules, kinds: [] })
  expect(step(password, { type: 'logged_in', answer: answer({ state: 'enrol_factor' }) }).step).toBe('enrol')
})

test('recovery codes are shown before anything else, and then it goes on where the server said', () => {
  const enrolling = play({ type: 'logged_in', answer: answer({ state: 'enrol_factor' }) })
  const codes = step(enrolling, { type: 'enrolled', answer: { ...answer({}), recovery_codes: ['a', 'b'] } })
  expect(codes).toMatchObject({ step: 'codes', codes: { list: ['a', 'b'] } })
  expect(step(codes, { type: 'codes_kept' })).toMatchObject({ step: 'phone', codes: null })
  // Whoever has codes already gets none.
  expect(step(enrolling, { type: 'enrolled', answer: answer({}) }).step).toBe('phone')
})

test('a wrong code stays at the factor, too many lead back to the beginning, each with its sentence', () => {
  const factor = play({ type: 'logged_in', answer: answer({ state: 'second_factor', kinds: ['totp'] }) }, { type: 'sent' })
  expect(step(factor, refused('wrong_code', 422))).toMatchObject({ step: 'factor', busy: false, message: { text: 'the sentence of wrong_code' } })
  expect(step(factor, refused('factor_tries_spent', 401))).toMatchObject({ step: 'credentials', message: { tone: 'error' } })
  expect(step(factor, refused('login_expired', 401))).toMatchObject({ step: 'credentials', message: { tone: 'info' } })
})

test('blocked: whom to ask is shown until the next try', () => {
  const blocked = play({ type: 'sent' }, refused('blocked', 403))
  expect(blocked).toMatchObject({ step: 'credentials', blocked: true })
  expect(step(blocked, { type: 'sent' }).blocked).toBe(false)
})

test('notices of the login stay through its steps', () => {
  const notices = [{ kind: 'licence', severity: 'info' as const, sentence: 'soon' }]
  const flow = play({ type: 'logged_in', answer: answer({ state: 'second_factor', notices }) }, { type: 'logged_in', answer: answer({}) })
  expect(flow.notices).toEqual(notices)
})
