import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Frame } from './api'
import { backoffMs, follow, openEvents, PATIENCE_MS, SILENCE_MS, type Link } from './events'

class FakeSocket {
  static made: FakeSocket[] = []
  onopen?: () => void
  onmessage?: (message: { data: string }) => void
  onclose?: () => void
  constructor(readonly url: URL) { FakeSocket.made.push(this) }
  close() { this.onclose?.() }
  say(frame: Frame) { this.onmessage?.({ data: JSON.stringify(frame) }) }
}
const newest = () => FakeSocket.made[FakeSocket.made.length - 1]!

beforeEach(() => {
  FakeSocket.made = []
  vi.useFakeTimers()
  vi.stubGlobal('WebSocket', FakeSocket)
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

function listen() {
  const heard: Frame[] = []
  const links: Link[] = []
  const told = { closed: 0, back: 0 }
  const stop = openEvents({
    onFrame: (frame) => heard.push(frame), onLink: (link) => links.push(link),
    onClosed: () => { told.closed += 1 }, onBack: () => { told.back += 1 },
  })
  return { heard, links, told, stop }
}

test('what was seen is not seen twice; a snapshot starts anew', () => {
  expect(follow(5, { type: 'phone_back', seq: 5 })).toEqual({ last: 5, fresh: false })
  expect(follow(5, { type: 'phone_back', seq: 6 })).toEqual({ last: 6, fresh: true })
  expect(follow(5, { type: 'snapshot', seq: 1, phones: [] })).toEqual({ last: 1, fresh: true })
  expect(follow(5, { type: 'ping' })).toEqual({ last: 5, fresh: true })
})

test('retries come slower, spread, and never stop', () => {
  expect(backoffMs(0, 1)).toBe(250)
  expect(backoffMs(99, 1)).toBe(10_000)
  expect(backoffMs(99, 0)).toBe(5_000)
})

test('a short interruption is healed without a word, from where it was', () => {
  const { links, told, stop } = listen()
  newest().onopen?.()
  newest().say({ type: 'phone_back', seq: 41 })
  newest().close()
  vi.advanceTimersByTime(300)
  expect(newest().url.search).toBe('?after=41')
  newest().onopen?.()
  vi.advanceTimersByTime(PATIENCE_MS * 2)
  expect(links).toEqual(['up'])
  expect(told).toEqual({ closed: 1, back: 0 })
  stop()
})

test('a longer one is said, and so is its end', () => {
  const { links, told, stop } = listen()
  newest().onopen?.()
  newest().close()
  for (let i = 0; i < 4; i += 1) {
    vi.advanceTimersByTime(PATIENCE_MS)
    newest().close()
  }
  expect(links).toEqual(['up', 'lost'])
  vi.advanceTimersByTime(10_000)
  newest().onopen?.()
  expect(links).toEqual(['up', 'lost', 'up'])
  expect(told.back).toBe(1)
  stop()
})

test('silence is a lost connection too, pings are not silence', () => {
  const { heard, stop } = listen()
  newest().onopen?.()
  vi.advanceTimersByTime(SILENCE_MS - 1_000)
  newest().say({ type: 'ping' })
  vi.advanceTimersByTime(SILENCE_MS - 1_000)
  expect(FakeSocket.made).toHaveLength(1)
  vi.advanceTimersByTime(2_000)
  expect(FakeSocket.made).toHaveLength(2)
  expect(heard).toEqual([])
  stop()
})

test('after the end nothing is opened any more', () => {
  const { stop } = listen()
  newest().onopen?.()
  stop()
  window.dispatchEvent(new Event('online'))
  vi.advanceTimersByTime(60_000)
  expect(FakeSocket.made).toHaveLength(1)
})
