import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { SipAnswer } from '../api'
import type { Answer } from '../http'
import { FakePhone } from './fake'
import { keepCalls, type Kept } from './resume'
import type { Tone } from './ringer'
import { notReady, Softphone } from './softphone'
import type { MicState, Sound, SoundView } from './sound'

const account: SipAnswer = { uri: 'sip:web-1@x', ws: 'wss://x/sip', ticket: 't', expires_in_s: 60, ice_servers: [] }

/** A room with a microphone that can be taken away. */
function room(microphone: MicState = 'allowed') {
  const listeners = new Set<() => void>()
  const sound = {
    view: { microphone, sound: 'allowed', microphones: [], speakers: [], chosen: {}, missing: {}, volume: 1, canChooseSpeaker: true } as unknown as SoundView,
    listen: (listener: () => void) => { listeners.add(listener); return () => listeners.delete(listener) },
    start: async () => {},
    stop: () => {},
    play: () => {},
    set(state: MicState) {
      sound.view = { ...sound.view, microphone: state }
      for (const listener of listeners) listener()
    },
  }
  return sound
}

async function world(options: { microphone?: MicState; answers?: Answer<SipAnswer>[]; tab?: string } = {}) {
  const phones: FakePhone[] = []
  const sound = room(options.microphone)
  const tones: (Tone | null)[] = []
  const answers = options.answers ?? []
  const asked: string[] = []
  const softphone = new Softphone({
    agent: 'bea',
    tab: async () => options.tab ?? 'tab-1',
    api: {
      sip: async (tab) => { asked.push(tab); return answers.shift() ?? { ok: true, value: account } },
      takeSip: async () => ({ ok: true, value: null }),
    },
    phone: async () => { const phone = new FakePhone(); phones.push(phone); return phone },
    sound: sound as unknown as Sound,
    ringer: { play: (tone) => { if (tones.at(-1) !== tone) tones.push(tone) } },
  })
  await softphone.start()
  const phone = () => phones.at(-1)!
  return { softphone, sound, tones, phone, phones, asked, view: () => softphone.view, calls: () => softphone.view.phone.calls }
}

beforeEach(() => { localStorage.clear(); sessionStorage.clear(); vi.useFakeTimers() })
afterEach(() => vi.useRealTimers())

test('ready means: the right to the audio, a microphone, a registration', async () => {
  const w = await world()
  expect(w.asked).toEqual(['tab-1'])
  expect(w.phone().account?.ticket).toBe('t')
  expect(notReady(w.view())).toBeNull()
})

test('without a microphone nobody registers; granting it recovers without a new login', async () => {
  const w = await world({ microphone: 'denied' })
  expect(w.phone().wanted).toBe(false)
  expect(notReady(w.view())).toBe('microphone')
  w.sound.set('allowed')
  expect(notReady(w.view())).toBeNull()
  w.sound.set('no_device')
  expect(w.phone().wanted).toBe(false)
  expect(w.asked).toHaveLength(1)
})

test('a microphone that goes during a call does not take the registration along', async () => {
  const w = await world()
  const id = w.phone().rings('+49')
  w.softphone.answer(id)
  w.sound.set('no_device')
  expect(w.phone().wanted).toBe(true)
  w.phone().end(id, 'hung_up_there')
  expect(w.phone().wanted).toBe(false)
})

test('it rings until answered, knocks during a call, and is quiet afterwards', async () => {
  const w = await world()
  const first = w.phone().rings('+49')
  expect(w.tones.at(-1)).toBe('ring')
  w.softphone.answer(first)
  expect(w.tones.at(-1)).toBeNull()
  const second = w.phone().rings('+39')
  expect(w.tones.at(-1)).toBe('knock')
  w.softphone.reject(second)
  expect(w.tones.at(-1)).toBeNull()
})

test('answering the second call holds the first, switching back holds the second', async () => {
  const w = await world()
  const first = w.phone().rings('1')
  w.softphone.answer(first)
  const second = w.phone().rings('2')
  w.softphone.answer(second)
  expect(w.calls().map((c) => c.held)).toEqual([true, false])
  w.softphone.hold(first, false)
  expect(w.calls().map((c) => c.held)).toEqual([false, true])
})

test('a call that nobody took is told as missed and kept in the list', async () => {
  const w = await world()
  w.phone().end(w.phone().rings('+49', 'Ann'), 'cancelled')
  expect(w.view().last).toMatchObject({ missed: true, peer: { name: 'Ann' } })
  expect(w.view().recent[0]).toMatchObject({ number: '+49', ms: null, direction: 'in' })
  w.softphone.call('2005')
  expect(w.view().last).toBeNull()
})

test('another tab has the audio: nothing is opened; taking over opens it', async () => {
  const w = await world({ answers: [{ ok: true, value: { ...account, owner: false } }] })
  expect(w.view().stage).toBe('elsewhere')
  expect(w.phones).toHaveLength(0)
  await w.softphone.takeOver()
  expect(notReady(w.view())).toBeNull()
})

test('the tab that loses the audio lets go of the line without hanging up', async () => {
  const w = await world()
  w.softphone.answer(w.phone().rings('+49'))
  w.softphone.tabLost('tab-2')
  expect(w.view().stage).toBe('here')
  w.softphone.tabLost('tab-1')
  expect(w.view().stage).toBe('elsewhere')
  expect(w.phone().stopped).toEqual({ hangUp: false })
  expect(sessionStorage.getItem('hotseat-calls')).toBeNull()
})

const kept = (seen: number): Kept => ({
  thread: { callId: 'c', local: 'l', remote: 'r' }, view: { direction: 'in', peer: { number: '+49', name: 'Ann' }, began: 1, answered: 2 },
  muted: true, held: false, seen,
})

test('after a reload the call is tied on again, and is muted as it was', async () => {
  keepCalls([kept(Date.now() - 2_000)])
  const w = await world()
  expect(w.phone().resumed).toEqual([{ callId: 'c', local: 'l', remote: 'r' }])
  const id = w.calls()[0]!.id
  expect(w.calls()[0]).toMatchObject({ phase: 'mending', answered: 2, peer: { name: 'Ann' } })
  w.phone().change(id, { phase: 'up' })
  expect(w.calls()[0]).toMatchObject({ phase: 'up', muted: true })
})

test('a call is not tied on without a microphone, and given up after half a minute', async () => {
  keepCalls([kept(Date.now() - 2_000)])
  const w = await world({ microphone: 'not_asked' })
  expect(w.view().resuming).toHaveLength(1)
  vi.advanceTimersByTime(29_000)
  expect(w.view().resuming).toHaveLength(0)
  expect(w.view().last?.why).toBe('connection')
})

test('a call that is torn off is tied on again when the line is back', async () => {
  const w = await world()
  const id = w.phone().rings('+49')
  w.softphone.answer(id)
  w.phone().set({ registered: false, line: 'lost' })
  w.phone().end(id, 'connection')
  expect(w.view().resuming).toHaveLength(1)
  expect(w.phone().resumed).toHaveLength(0)
  w.phone().set({ registered: true, line: 'up' })
  expect(w.phone().resumed).toHaveLength(1)
})

test('what is up is kept for a reload, and forgotten when it ends', async () => {
  const w = await world()
  const id = w.phone().rings('+49')
  w.softphone.answer(id)
  expect(sessionStorage.getItem('hotseat-calls')).toContain(`call-${id}`)
  w.phone().end(id, 'hung_up')
  expect(sessionStorage.getItem('hotseat-calls')).toBeNull()
})

test('a ticket that is refused is asked for anew, ever more slowly', async () => {
  const w = await world()
  w.phone().set({ registered: false, refused: 403 })
  for (let i = 0; i < 3; i += 1) w.phone().tell({ type: 'stale' })
  await vi.advanceTimersByTimeAsync(1_000)
  expect(w.asked.length).toBeLessThanOrEqual(2)
  await vi.advanceTimersByTimeAsync(15_000)
  expect(w.asked.length).toBeGreaterThanOrEqual(2)
})

test('the server does not say how to call: told, and asked again', async () => {
  const no = { ok: false as const, status: 503, refusal: { reason: 'busy', sentence: 'Please wait.' } }
  const w = await world({ answers: [no, no] })
  expect(notReady(w.view())).toBe('no_account')
  expect(w.view().sentence).toBe('Please wait.')
  await vi.advanceTimersByTimeAsync(10_000)
  expect(notReady(w.view())).toBeNull()
})

test('a self test that nobody answers says so, and is no call of a person', async () => {
  const w = await world()
  w.softphone.selfTest()
  expect(w.view().test.at).toBe('calling')
  expect(w.calls()[0]?.test).toBe(true)
  vi.advanceTimersByTime(9_000)
  expect(w.view().test).toMatchObject({ at: 'failed', what: 'not_reached' })
  expect(w.calls()).toHaveLength(0)
  expect(w.view().recent).toHaveLength(0)
})
