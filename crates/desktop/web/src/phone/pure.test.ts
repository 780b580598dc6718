import { expect, test } from 'vitest'
import { COMMON_FIRST, inOrder } from './codecs'
import { dialled, digitsOf } from './dial'
import { endWords, talking, type CallView, type EndWhy } from './phone'
import { countOf, judge, mosOf, type Count, type Quality } from './quality'
import { keepRecent, readRecent, RECENT_MAX, withCall, type Recent } from './recent'
import { keepCalls, RESUME_MS, takeCalls, type Kept } from './resume'
import { loudness, SPEAK_MS, verdict, type Sample } from './selftest'
import { bar, micStateOf } from './sound'
import { replaces, whyOfStatus } from './jssip'

const call = (more: Partial<CallView> = {}): CallView => ({
  id: '1', direction: 'out', peer: { number: '+4969123', name: null }, phase: 'up', muted: false, held: false, heldByPeer: false,
  began: 1_000, answered: 2_000, transfer: null, test: false, ...more,
})

test('what people write becomes what is dialled', () => {
  expect(dialled(' +49 (69) 123-4567 ')).toBe('+49691234567')
  expect(dialled('+44 (0)20 7946 0000')).toBe('+442079460000')
  expect(dialled('tel:+39.02.5550101')).toBe('+39025550101')
  expect(dialled('2001')).toBe('2001')
  expect(dialled('*21#')).toBe('*21#')
  expect(dialled('desk-17')).toBe('desk-17')
  for (const wrong of ['', '   ', 'a b', '+', 'x@evil.example', '12\r\nX: y', '1'.repeat(41), '<1>']) expect(dialled(wrong), wrong).toBeNull()
})

test('only digits reach the keypad', () => {
  expect(digitsOf('12-34 *#d')).toBe('1234*#D')
  expect(digitsOf('xyz')).toBe('')
})

test('codecs that need no transcoding come first, telephone events last, red not at all', () => {
  const of = (...names: string[]) => names.map((n) => ({ mimeType: `audio/${n}`, clockRate: 8000 }))
  const chromium = of('opus', 'red', 'G722', 'PCMU', 'PCMA', 'CN', 'telephone-event', 'telephone-event')
  const names = (list: { mimeType: string }[]) => list.map((c) => c.mimeType.slice(6))
  expect(names(inOrder(chromium, COMMON_FIRST))).toEqual(['PCMU', 'PCMA', 'G722', 'opus', 'CN', 'telephone-event', 'telephone-event'])
  expect(names(inOrder(chromium, ['OPUS']))).toEqual(['opus', 'G722', 'PCMU', 'PCMA', 'CN', 'telephone-event', 'telephone-event'])
})

test('quality is read from the counters, whichever of them there are', () => {
  const count = countOf([
    { type: 'inbound-rtp', kind: 'audio', packetsReceived: 100, packetsLost: 4, jitter: 0.012 },
    { type: 'candidate-pair', nominated: true, currentRoundTripTime: 0.5 },
    { type: 'remote-inbound-rtp', kind: 'audio', roundTripTime: 0.04, fractionLost: 0.02 },
    { type: 'inbound-rtp', kind: 'video', packetsReceived: 9 },
  ], 5)
  expect(count).toEqual({ at: 5, received: 100, lost: 4, jitterMs: 12, rttMs: 40, lostThere: 2 })
  expect(countOf([{ type: 'inbound-rtp', kind: 'audio', packetsReceived: NaN, packetsLost: -3 }], 1)).toMatchObject({ received: 0, lost: 0 })
})

const reading = (received: number, lost: number, more: Partial<Count> = {}): Count =>
  ({ at: 0, received, lost, jitterMs: 5, rttMs: 40, lostThere: null, ...more })
/** Ten readings, 100 packets each. */
const after = (lost: number, more: Partial<Count> = {}) => {
  let quality: Quality | null = null
  for (let i = 0; i < 10; i += 1) quality = judge(quality, reading(i * (100 - lost), i * lost, more), reading((i + 1) * (100 - lost), (i + 1) * lost, more))
  return quality!
}

test('quality has a word and names the cause that costs most', () => {
  expect(after(0)).toMatchObject({ grade: 'good', words: 'Good' })
  expect(after(6).words).toMatch(/^(Fair|Weak): 6 % of the sound towards you is lost$/)
  expect(after(0, { lostThere: 20 }).words).toBe('Bad: 20 % of the sound from you is lost')
  expect(after(0, { jitterMs: 140 }).words).toMatch(/: the sound arrives unevenly$/)
  expect(after(0, { rttMs: 900 }).words).toMatch(/: the sound arrives late$/)
  expect(mosOf(0, 0, 0)).toBeGreaterThan(mosOf(1, 0, 0))
})

test('a single hiccup does not make a call bad, and no packets say nothing', () => {
  const good = after(0)
  expect(judge(good, reading(0, 0), reading(96, 4))!.grade).toBe('good')
  expect(judge(good, reading(5, 5), reading(5, 5))).toBe(good)
  expect(judge(null, reading(5, 5), reading(5, 5))).toBeNull()
})

test('recent calls: newest first, each number once, twenty, never the self test', () => {
  let list: readonly Recent[] = []
  for (let i = 0; i < 30; i += 1) list = withCall(list, call({ peer: { number: `${i % 25}`, name: null }, began: i }), 5_000)
  expect(list).toHaveLength(RECENT_MAX)
  expect(list[0]).toMatchObject({ number: '4', at: 29 })
  expect(new Set(list.map((r) => r.number)).size).toBe(RECENT_MAX)
  expect(withCall(list, call({ test: true }), 1)).toBe(list)
  keepRecent('ann', list)
  expect(readRecent('ann')).toEqual(list)
  expect(readRecent('bea')).toEqual([])
  localStorage.setItem('hotseat-recent-bea', '[1,{"number":5},null]')
  expect(readRecent('bea')).toEqual([])
  localStorage.setItem('hotseat-recent-bea', '{broken')
  expect(readRecent('bea')).toEqual([])
})

test('a call may be tied on again within half a minute, once', () => {
  const kept: Kept = {
    thread: { callId: 'c', local: 'l', remote: 'r' }, view: { direction: 'in', peer: { number: '1', name: null }, began: 1, answered: 2 },
    muted: true, held: false, seen: 100_000,
  }
  keepCalls([kept])
  expect(takeCalls(100_000 + RESUME_MS - 1)).toEqual([kept])
  expect(takeCalls(100_001)).toEqual([])
  keepCalls([kept])
  expect(takeCalls(100_000 + RESUME_MS)).toEqual([])
  sessionStorage.setItem('hotseat-calls', '[{"seen":100000}]')
  expect(takeCalls(100_001)).toEqual([])
})

test('Replaces names the tags from where it is received', () => {
  expect(replaces({ callId: 'abc@x', local: 'mine', remote: 'yours' })).toBe('Replaces: abc@x;to-tag=yours;from-tag=mine')
})

test('every answer of a callee becomes a sentence', () => {
  const why: [number | undefined, EndWhy][] = [[486, 'busy'], [600, 'busy'], [603, 'rejected_there'], [404, 'not_found'], [480, 'unavailable'], [408, 'no_answer'], [403, 'not_allowed'], [488, 'no_sound'], [500, 'failed']]
  for (const [status, word] of why) expect(whyOfStatus(status, 'x')).toBe(word)
  expect(whyOfStatus(undefined, 'Connection Error')).toBe('connection')
  expect(endWords('busy')).toBe('Busy.')
})

const samples = (spoken: number, heard: number): Sample[] =>
  Array.from({ length: 150 }, (_, i) => ({ t: i * 50, spoken: i * 50 <= SPEAK_MS ? spoken : 0, heard: i * 50 > SPEAK_MS ? heard : 0 }))

test('the self test says what failed', () => {
  expect(verdict(samples(0.1, 0.08))).toBeNull()
  expect(verdict(samples(0.0005, 0))).toBe('microphone_silent')
  expect(verdict(samples(0.1, 0))).toBe('nothing_back')
  expect(verdict(samples(0.1, 0.004))).toBe('quiet_back')
  expect(verdict([])).toBe('microphone_silent')
  expect(loudness([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])).toBe(0)
})

test('a level is shown as ears hear it', () => {
  expect(bar(0)).toBe(0)
  expect(bar(0.5)).toBeCloseTo(1, 1)
  expect(bar(0.01)).toBeGreaterThan(0.3)
})

test('each refusal of a microphone is told apart', () => {
  const error = (name: string, message = '') => new DOMException(message, name)
  expect(micStateOf(error('NotAllowedError', 'Permission denied'), 'denied')).toBe('denied')
  expect(micStateOf(error('NotAllowedError', 'Permission dismissed'), 'prompt')).toBe('not_asked')
  expect(micStateOf(error('NotFoundError'), 'granted')).toBe('no_device')
  expect(micStateOf(error('NotReadableError'), 'granted')).toBe('busy')
})

test('one call at a time is spoken in', () => {
  expect(talking([call({ held: true }), call({ id: '2', phase: 'ringing' })])).toBeNull()
  expect(talking([call({ held: true }), call({ id: '2' })])?.id).toBe('2')
})
