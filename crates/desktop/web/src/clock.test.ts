import { afterEach, expect, test, vi } from 'vitest'
import { at, lasting, noteServerDate, serverNow } from './clock'

afterEach(() => noteServerDate(new Date().toUTCString()))

test('how long something lasts', () => {
  expect([0, 999, 59_000, 252_000, 3_600_000, 36_061_000].map(lasting)).toEqual(['00:00', '00:00', '00:59', '04:12', '1:00:00', '10:01:01'])
  expect(lasting(-5_000)).toBe('00:00')
})

test('a computer whose clock is wrong still counts right', () => {
  vi.spyOn(Date, 'now').mockReturnValue(1_000_000_000_000)
  noteServerDate(new Date(1_000_000_600_000).toUTCString())
  expect(serverNow()).toBe(1_000_000_600_500)
  noteServerDate(new Date(1_000_000_001_000).toUTCString())
  expect(serverNow()).toBe(1_000_000_000_000)
  noteServerDate('nonsense')
  expect(serverNow()).toBe(1_000_000_000_000)
})

test('today, yesterday, before', () => {
  const now = new Date(2025, 10, 23, 14, 32).getTime()
  expect(at(now - 60_000, now, 'en-GB')).toBe('14:31')
  expect(at(new Date(2025, 10, 22, 18, 40).getTime(), now, 'en-GB')).toBe('yesterday 18:40')
  expect(at(new Date(2025, 10, 21, 8, 2).getTime(), now, 'en-GB')).toBe('21 Nov 08:02')
})
