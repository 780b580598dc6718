// What the desktop knows, as a plain machine: the phone, the call that is on, and what happened since the page opened.

import type { Activity, ActivityNow, EndsSoon, Frame, Me, PhoneState, Presence } from '../api'
import { toldWords } from '../phone/quality'

/** Older entries fall off; the call records keep them all. */
export const STORY_MAX = 50

export interface CallEntry {
  kind: 'call'
  id: number
  peer: string | null
  began: number
  answered: number | null
  ended: number | null
}
export interface PhoneEntry {
  kind: 'phone_lost' | 'phone_back'
  id: number
  at: number
}
export type Entry = CallEntry | PhoneEntry

export interface Desk {
  now: ActivityNow
  phone: PhoneState | null
  reachable: boolean
  /** Since when no call can come, if the server says. */
  notReadySince: number | null
  /** The login will end then, unless something happens. */
  soon: EndsSoon | null
  /** Nothing is heard from this side of the call that is on. */
  silent: { agent: boolean; peer: boolean }
  /** What is wrong with a line of the call that is on, in words. */
  line: { agent: string | null; peer: string | null }
  /** Newest first. */
  story: readonly Entry[]
  nextId: number
}

const NOBODY = { agent: false, peer: false }
const NOTHING = { agent: null, peer: null }

export function deskOf(me: Me): Desk {
  const desk: Desk = {
    now: { activity: 'idle', peer: null, since: null },
    phone: me.phone?.state ?? null,
    reachable: me.presence ? me.presence.state === 'ready' : me.phone?.state !== 'unreachable' && me.phone?.state !== 'never_registered',
    notReadySince: me.presence?.state === 'not_ready' ? me.presence.since : null,
    soon: me.login_ends_soon ?? null,
    silent: NOBODY,
    line: NOTHING,
    story: [],
    nextId: 1,
  }
  return me.activity ? activity(desk, me.activity, me.activity.since ?? 0) : desk
}

/** After a reconnect: what is true now, keeping the story. */
export function healed(desk: Desk, me: Me, now: number): Desk {
  const fresh = deskOf(me)
  const next = me.activity ? activity(desk, me.activity, now) : desk
  return { ...next, phone: fresh.phone, reachable: fresh.reachable, notReadySince: fresh.notReadySince, soon: fresh.soon }
}

export function absorb(desk: Desk, frame: Frame, myPhone: string | null, now: number): Desk {
  switch (frame.type) {
    case 'activity': return activity(desk, frame, now)
    case 'audio':
      return { ...desk, silent: { ...desk.silent, [frame.from_agent ? 'agent' : 'peer']: frame.silent } }
    case 'quality':
      return { ...desk, line: { ...desk.line, [frame.from_agent ? 'agent' : 'peer']: toldWords(frame, frame.from_agent) } }
    case 'presence': return present(desk, frame, now)
    case 'login_ends_soon': return { ...desk, soon: frame.at === null ? null : { why: frame.why, at: frame.at, sentence: frame.sentence } }
    case 'phone_unreachable': return reach(desk, false, now)
    case 'phone_back': return reach(desk, true, now)
    case 'phone':
      return frame.name === myPhone ? { ...desk, phone: frame.state } : desk
    case 'snapshot': {
      const mine = frame.phones.find((phone) => phone.name === myPhone)
      return mine ? { ...desk, phone: mine.state } : desk
    }
    default: return desk
  }
}

/** Whoever is at it again: idleness has no end any more. */
export function stayed(desk: Desk): Desk {
  return desk.soon?.why === 'idle' ? { ...desk, soon: null } : desk
}

function present(desk: Desk, presence: Presence, now: number): Desk {
  const ready = presence.state === 'ready'
  return { ...reach(desk, ready, presence.since ?? now), notReadySince: ready ? null : presence.since }
}

function reach(desk: Desk, reachable: boolean, now: number): Desk {
  if (desk.reachable === reachable) return desk
  const entry: PhoneEntry = { kind: reachable ? 'phone_back' : 'phone_lost', id: desk.nextId, at: now }
  return { ...tellStory(desk, entry), reachable, notReadySince: null }
}

function activity(desk: Desk, told: ActivityNow, now: number): Desk {
  const since = told.since ?? now
  const before = desk.now.activity
  const goesOn = told.activity === 'in_call' && before === 'in_call'
  const silent = goesOn ? desk.silent : NOBODY
  const line = goesOn ? desk.line : NOTHING
  // A call is the opposite of idleness; the server announces anew when it is over.
  const soon = told.activity !== 'idle' && desk.soon?.why === 'idle' ? null : desk.soon
  const next: Desk = { ...desk, silent, line, soon, now: { activity: told.activity, peer: told.peer ?? null, since } }
  if (told.activity === 'idle') return { ...next, story: endCall(desk.story, since) }
  const open = openCall(desk.story)
  // Busy again with somebody else, without an idle in between: two calls, not one.
  const same = open && before !== 'idle' && !(before === 'in_call' && told.activity === 'ringing') && samePeer(open, told)
  if (same) return { ...next, story: [answer(open, told.activity, since), ...desk.story.filter((e) => e !== open)] }
  const call: CallEntry = {
    kind: 'call', id: desk.nextId, peer: told.peer ?? null, began: since,
    answered: told.activity === 'in_call' ? since : null, ended: null,
  }
  return tellStory({ ...next, story: endCall(desk.story, since) }, call)
}

function samePeer(call: CallEntry, told: ActivityNow): boolean {
  return call.peer === null || !told.peer || call.peer === told.peer
}

function answer(call: CallEntry, activity: Activity, since: number): CallEntry {
  return activity === 'in_call' && call.answered === null ? { ...call, answered: since } : call
}

function openCall(story: readonly Entry[]): CallEntry | undefined {
  return story.find((entry): entry is CallEntry => entry.kind === 'call' && entry.ended === null)
}

function endCall(story: readonly Entry[], at: number): readonly Entry[] {
  const open = openCall(story)
  return open ? story.map((entry) => (entry === open ? { ...open, ended: at } : entry)) : story
}

function tellStory(desk: Desk, entry: Entry): Desk {
  return { ...desk, story: [entry, ...desk.story].slice(0, STORY_MAX), nextId: desk.nextId + 1 }
}
