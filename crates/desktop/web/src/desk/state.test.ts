import { expect, test } from 'vitest'
import type { Activity, Me } from '../api'
import { absorb, deskOf, healed, stayed, STORY_MAX, type CallEntry, type Desk } from './state'

const me: Me = {
  state: 'ready', csrf: 'x', login: { id: 1, epoch: 1, since: 1 },
  agent: { name: 'ann', display_name: 'Ann', extension: '2001', typology: 'external' },
  held: null, sentence: null, last_phone: 'desk-1',
  phone: { name: 'desk-1', label: null, state: 'in_use' }, activity: { activity: 'idle', peer: null, since: null },
}
const tell = (desk: Desk, activity: Activity, peer: string | null, since: number) =>
  absorb(desk, { type: 'activity', activity, peer, since }, 'desk-1', since)
const calls = (desk: Desk) => desk.story as CallEntry[]

test('a call is one line: rang, answered, over', () => {
  let desk = tell(deskOf(me), 'ringing', '+49', 100)
  desk = tell(desk, 'in_call', '+49', 105)
  expect(desk.now).toEqual({ activity: 'in_call', peer: '+49', since: 105 })
  desk = tell(desk, 'idle', null, 200)
  expect(desk.story).toEqual([{ kind: 'call', id: 1, peer: '+49', began: 100, answered: 105, ended: 200 }])
})

test('a call that nobody answered says so', () => {
  const desk = tell(tell(deskOf(me), 'ringing', '+49', 100), 'idle', null, 130)
  expect(calls(desk)[0]).toMatchObject({ answered: null, ended: 130 })
})

test('two callers one after the other without a pause are two lines', () => {
  let desk = tell(deskOf(me), 'in_call', '+1', 100)
  desk = tell(desk, 'in_call', '+2', 150)
  expect(calls(desk).map((c) => [c.peer, c.ended])).toEqual([['+2', null], ['+1', 150]])
})

test('a line that is not good is told in words, and forgotten with its call', () => {
  const bad = { type: 'quality', mos_x100: 290, loss_x100: 800, jitter_us: 4_000, round_trip_us: 30_000 } as const
  let desk = absorb(tell(deskOf(me), 'in_call', '+49', 100), { ...bad, from_agent: true }, 'desk-1', 110)
  expect(desk.line).toEqual({ agent: 'Your line: bad: 8 % of the sound from you is lost.', peer: null })
  desk = absorb(desk, { ...bad, from_agent: false, mos_x100: 330 }, 'desk-1', 111)
  expect(desk.line.peer).toBe('The other line: weak: 8 % of the sound towards you is lost.')
  expect(absorb(desk, { ...bad, from_agent: true, mos_x100: 420 }, 'desk-1', 120).line.agent).toBe(null)
  expect(tell(desk, 'idle', null, 130).line).toEqual({ agent: null, peer: null })
})

test('the phone is lost once and comes back once', () => {
  let desk = deskOf(me)
  desk = absorb(desk, { type: 'phone_unreachable' }, 'desk-1', 10)
  desk = absorb(desk, { type: 'phone_unreachable' }, 'desk-1', 11)
  expect(desk.reachable).toBe(false)
  desk = absorb(desk, { type: 'phone_back' }, 'desk-1', 20)
  expect(desk.story.map((e) => e.kind)).toEqual(['phone_back', 'phone_lost'])
})

test('only my phone matters', () => {
  const frame = { type: 'phone' as const, state: 'unreachable' as const, by: null, since: null }
  expect(absorb(deskOf(me), { ...frame, name: 'desk-2' }, 'desk-1', 1).phone).toBe('in_use')
  expect(absorb(deskOf(me), { ...frame, name: 'desk-1' }, 'desk-1', 1).phone).toBe('unreachable')
})

test('after a reconnect the story stays and the present is true', () => {
  const before = tell(deskOf(me), 'in_call', '+1', 100)
  const after = healed(before, me, 300)
  expect(after.now.activity).toBe('idle')
  expect(calls(after)[0]).toMatchObject({ peer: '+1', ended: 300 })
})

test('the story is bounded', () => {
  let desk = deskOf(me)
  for (let i = 0; i < STORY_MAX + 10; i += 1) desk = tell(tell(desk, 'in_call', `+${i}`, i), 'idle', null, i)
  expect(desk.story).toHaveLength(STORY_MAX)
})

test('silence is told per direction and ends with the call', () => {
  let desk = tell(deskOf(me), 'in_call', '+1', 100)
  desk = absorb(desk, { type: 'audio', silent: true, from_agent: false }, 'desk-1', 110)
  expect(desk.silent).toEqual({ agent: false, peer: true })
  desk = tell(desk, 'idle', null, 120)
  expect(desk.silent).toEqual({ agent: false, peer: false })
})

test('the end of a login is announced; a call or being there ends idleness, and nothing else', () => {
  const desk = deskOf(me)
  const idle = absorb(desk, { type: 'login_ends_soon', why: 'idle', at: 9 }, null, 1)
  expect(idle.soon).toMatchObject({ why: 'idle', at: 9 })
  expect(stayed(idle).soon).toBeNull()
  expect(absorb(idle, { type: 'activity', activity: 'ringing', peer: null, since: 2 }, null, 2).soon).toBeNull()
  expect(absorb(idle, { type: 'login_ends_soon', why: 'idle', at: null }, null, 2).soon).toBeNull()
  const shift = absorb(desk, { type: 'login_ends_soon', why: 'shift_end', at: 9 }, null, 1)
  expect(stayed(shift).soon).not.toBeNull()
  expect(absorb(shift, { type: 'activity', activity: 'in_call', peer: null, since: 2 }, null, 2).soon).not.toBeNull()
})

test('presence says whether calls can come, and since when not', () => {
  const gone = absorb(deskOf(me), { type: 'presence', state: 'not_ready', reason: 'phone_unreachable', since: 7 }, 'desk-1', 8)
  expect(gone).toMatchObject({ reachable: false, notReadySince: 7 })
  const back = absorb(gone, { type: 'presence', state: 'ready', reason: null, since: 9 }, 'desk-1', 9)
  expect(back).toMatchObject({ reachable: true, notReadySince: null })
  expect(back.story.map((e) => e.kind)).toEqual(['phone_back', 'phone_lost'])
  expect(deskOf({ ...me, presence: { state: 'not_ready', reason: 'phone_unreachable', since: 7 } }).reachable).toBe(false)
})
