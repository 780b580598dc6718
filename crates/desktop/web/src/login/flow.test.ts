import { expect, test } from 'vitest'
import type { Held, LoginAnswer, Refusal } from '../api'
import { sendsAgain, start, step, type Flow, type FlowEvent } from './flow'

const agent = { name: 'ann', display_name: 'Ann', extension: '2001', typology: 'external' as const }
const held: Held = { epoch: 7, device: null, activity: 'idle', activity_since: null, since: 1, from: null }
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
