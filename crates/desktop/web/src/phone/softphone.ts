// The softphone of one agent in one tab: it joins the line, the sound, the tab's right to both, and what a person does.
// Everything the page shows of it is in `view`; everything a person may do is a method.

import type { SipAnswer } from '../api'
import { serverNow } from '../clock'
import { backoffMs } from '../events'
import type { Answer } from '../http'
import { COMMON_FIRST } from './codecs'
import type { Account, CallId, CallView, EndWhy, Media, Peer, Phone, PhoneEvent, PhoneView } from './phone'
import { idlePhone, people, talking } from './phone'
import { countOf, judge, type Count, type Quality } from './quality'
import { isMissed, keepRecent, readRecent, withCall, type Recent } from './recent'
import { keepCalls, RESUME_MS, takeCalls, type Kept } from './resume'
import type { Ringer } from './ringer'
import type { Test } from './selftest'
import { canSpeak, meter, type Role, type Sound, type SoundView } from './sound'
import { TestCall, type Levels } from './testcall'

/** `elsewhere`: another tab of this browser has the audio. `no_account`: the server did not say how to call; tried again. */
export type Stage = 'starting' | 'no_account' | 'elsewhere' | 'here'

export interface SoftphoneView {
  stage: Stage
  sentence: string | null
  phone: PhoneView
  sound: SoundView
  test: Test
  quality: ReadonlyMap<CallId, Quality>
  /** The call that ended last, until the next one begins. */
  last: { peer: Peer; why: EndWhy; at: number; missed: boolean } | null
  recent: readonly Recent[]
  /** Calls of an earlier life of this page that wait to be tied on again. */
  resuming: readonly Kept[]
}

export interface SoftphoneParts {
  agent: string
  tab: () => Promise<string>
  api: { sip: (tab: string) => Promise<Answer<SipAnswer>>; takeSip: (tab: string) => Promise<Answer<null>> }
  phone: (media: Media, instance: string) => Promise<Phone>
  sound: Sound
  ringer: Pick<Ringer, 'play'>
}

/** The number of the gateway that sends back what it hears, three seconds later. */
export const SELF_TEST = 'self-test'
const STATS_MS = 2_000
/** Tabs of one login tell each other of calls that move along. */
const CHANNEL = 'hotseat-phone'

export class Softphone {
  view: SoftphoneView
  private phone: Phone | null = null
  private tab = ''
  private over = false
  private attempt = 0
  private asking = false
  private taking = false
  private retry: ReturnType<typeof setTimeout> | undefined
  private expiry: ReturnType<typeof setTimeout> | undefined
  private stats: ReturnType<typeof setInterval> | undefined
  private counts = new Map<CallId, Count>()
  private kept = new Map<CallId, Kept>()
  /** What to do with a resumed call when it is up again. */
  private wishes = new Map<CallId, Pick<Kept, 'muted' | 'held'>>()
  private heard = new Map<CallId, MediaStream>()
  private speaking: MediaStreamTrack | null = null
  private test: TestCall | null = null
  private notification: { id: CallId; shown: Notification } | null = null
  private channel: BroadcastChannel | null = null
  private listeners = new Set<() => void>()
  private undo: (() => void)[] = []

  constructor(private readonly parts: SoftphoneParts) {
    this.view = {
      stage: 'starting', sentence: null, phone: idlePhone, sound: parts.sound.view, test: { at: 'none' }, quality: new Map(),
      last: null, recent: readRecent(parts.agent), resuming: [],
    }
  }

  readonly listen = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }
  readonly snapshot = (): SoftphoneView => this.view

  private set(more: Partial<SoftphoneView>): void {
    this.view = { ...this.view, ...more }
    for (const listener of [...this.listeners]) listener()
  }

  async start(): Promise<void> {
    const { parts } = this
    this.undo.push(parts.sound.listen(() => {
      this.set({ sound: parts.sound.view })
      this.settle()
    }))
    const on = (target: EventTarget, event: string, act: (event: Event) => void) => {
      target.addEventListener(event, act)
      this.undo.push(() => target.removeEventListener(event, act))
    }
    on(window, 'beforeunload', (event) => {
      if (people(this.view.phone.calls).some((c) => c.phase !== 'ringing')) event.preventDefault()
    })
    on(window, 'pagehide', () => this.keep())
    // The system says that the way changed: look at once instead of waiting for silence.
    on(window, 'online', () => this.phone?.probe())
    on(window, 'offline', () => this.phone?.probe())
    if (typeof BroadcastChannel !== 'undefined') {
      this.channel = new BroadcastChannel(CHANNEL)
      this.channel.onmessage = (message) => this.handed(message.data)
    }
    this.tab = await parts.tab()
    if (this.over) return
    this.awaitResume(takeCalls(Date.now()))
    await Promise.all([parts.sound.start(), this.join()])
  }

  stop(): void {
    this.over = true
    for (const undo of this.undo.splice(0)) undo()
    for (const timer of [this.retry, this.expiry]) clearTimeout(timer)
    clearInterval(this.stats)
    this.test?.cancel()
    this.channel?.close()
    this.parts.ringer.play(null)
    this.notification?.shown.close()
    this.phone?.stop({ hangUp: true })
    this.parts.sound.stop()
    keepCalls([])
  }

  /** Asks the server how to call, and whether this tab may. */
  private async join(): Promise<void> {
    if (this.asking || this.over) return
    this.asking = true
    clearTimeout(this.retry)
    const answer = await this.parts.api.sip(this.tab)
    this.asking = false
    if (this.over) return
    if (!answer.ok) {
      if (this.view.stage !== 'here') this.set({ stage: 'no_account', sentence: answer.refusal.sentence })
      return this.later()
    }
    if (answer.value.owner === false) return this.leave()
    await this.enter(accountOf(answer.value))
  }

  private later(): void {
    clearTimeout(this.retry)
    this.retry = setTimeout(() => void this.join(), backoffMs(this.attempt, Math.random()))
    this.attempt += 1
  }

  private async enter(account: Account): Promise<void> {
    if (!this.phone) {
      const phone = await this.parts.phone({ microphone: () => this.microphone(), play: (id, stream) => this.play(id, stream) }, this.tab)
      if (this.over) return phone.stop({ hangUp: true })
      this.phone = phone
      this.undo.push(phone.listen((event) => this.heardFromPhone(event)))
    }
    this.taking = false
    this.set({ stage: 'here', sentence: null })
    this.settle()
    this.phone.use(account)
  }

  /** Another tab has the audio: let go of the line, keep the calls alive for it. */
  private leave(): void {
    clearTimeout(this.retry)
    const kept = this.keep()
    if (kept.length > 0) {
      this.channel?.postMessage({ to: 'owner', kept })
      keepCalls([])
    }
    this.kept.clear()
    this.wishes.clear()
    this.phone?.stop({ hangUp: false })
    this.phone = null
    this.taking = false
    this.set({ stage: 'elsewhere', sentence: null, phone: idlePhone, resuming: [] })
    this.settle()
  }

  /** The server says which tab has the audio no more. */
  tabLost(tab: string): void {
    if (tab === this.tab && this.view.stage === 'here') this.leave()
  }

  /** «Take over here». */
  async takeOver(): Promise<void> {
    // The former owner hands its calls over before we have our answer.
    this.taking = true
    const answer = await this.parts.api.takeSip(this.tab)
    if (answer.ok) return this.join()
    this.taking = false
    this.set({ sentence: answer.refusal.sentence })
  }

  /** Calls that the former owner let go of. */
  private handed(data: unknown): void {
    const { kept } = (data ?? {}) as { kept?: readonly Kept[] }
    if (!Array.isArray(kept) || (this.view.stage === 'elsewhere' && !this.taking)) return
    this.awaitResume(kept as readonly Kept[])
    this.settle()
  }

  /** The event stream came back after a silence: is the line still there as well? */
  lookAgain(): void {
    this.phone?.probe()
  }

  private heardFromPhone(event: PhoneEvent): void {
    const { phone } = this
    if (!phone) return
    switch (event.type) {
      case 'changed':
        if (phone.view.registered) this.attempt = 0
        this.set({ phone: phone.view })
        this.follow()
        return this.settle()
      case 'ended': return this.ended(event.call, event.why)
      case 'stale': return this.later()
      case 'back': return
    }
  }

  /** What must be true now, whatever happened: registered or not, ringing or not, kept for a reload. */
  private settle(): void {
    const { phone, view } = this
    const { calls } = view.phone
    if (phone) phone.register(view.stage === 'here' && (canSpeak(view.sound) || people(calls).length > 0))
    const ringing = people(calls).find((c) => c.phase === 'ringing')
    const busy = talking(calls)
    const there = calls.find((c) => c.phase === 'ringing_there' && !c.test && !this.heard.has(c.id))
    this.parts.ringer.play(ringing ? (busy ? 'knock' : 'ring') : there ? 'there' : null)
    this.announce(ringing ?? null)
    this.resume()
  }

  /** After each change of the calls: what a later life of the page must know, and the counters. */
  private follow(): void {
    const { calls } = this.view.phone
    for (const call of calls) {
      if (call.phase === 'up' && this.test?.id === call.id) this.test.up()
      if (call.phase !== 'up' || call.test) continue
      const wish = this.wishes.get(call.id)
      if (wish) {
        this.wishes.delete(call.id)
        if (wish.muted) this.phone?.mute(call.id, true)
        if (wish.held) this.phone?.hold(call.id, true)
      }
      const thread = this.phone?.thread(call.id)
      const { direction, peer, began, answered, muted, held } = call
      if (thread) this.kept.set(call.id, { thread, view: { direction, peer, began, answered }, muted, held, seen: Date.now() })
    }
    this.keep()
    const up = calls.some((c) => c.phase === 'up')
    if (up && !this.stats) this.stats = setInterval(() => void this.count(), STATS_MS)
    if (!up && this.stats) {
      clearInterval(this.stats)
      this.stats = undefined
    }
  }

  private keep(): readonly Kept[] {
    const now = Date.now()
    const kept = [...this.kept.values()].map((k) => ({ ...k, seen: now }))
    const waiting = this.view.resuming.filter((k) => !kept.some((e) => e.thread.callId === k.thread.callId))
    if (!this.over) keepCalls([...kept, ...waiting])
    return kept
  }

  private async count(): Promise<void> {
    this.keep()
    const quality = new Map(this.view.quality)
    for (const call of this.view.phone.calls) {
      if (call.phase !== 'up') continue
      const report = await this.phone?.stats(call.id)
      if (!report) continue
      const now = countOf(report.values() as Iterable<Record<string, unknown>>, Date.now())
      const last = this.counts.get(call.id)
      this.counts.set(call.id, now)
      const found = last ? judge(quality.get(call.id) ?? null, last, now) : null
      if (found) quality.set(call.id, found)
    }
    if (!this.over) this.set({ quality })
  }

  private ended(call: CallView, why: EndWhy): void {
    const kept = this.kept.get(call.id)
    this.kept.delete(call.id)
    this.counts.delete(call.id)
    this.wishes.delete(call.id)
    const quality = new Map(this.view.quality)
    quality.delete(call.id)
    this.set({ quality, phone: this.phone?.view ?? idlePhone })
    if (call.test) {
      if (this.test?.id === call.id) this.test.ended(why)
      return this.settle()
    }
    // Torn off, not ended: the server holds it for a while.
    if (why === 'connection' && kept && Date.now() - kept.seen < RESUME_MS) this.awaitResume([kept])
    else {
      const recent = withCall(this.view.recent, call, serverNow())
      keepRecent(this.parts.agent, recent)
      this.set({ recent, last: { peer: call.peer, why, at: serverNow(), missed: isMissed(call, why) } })
    }
    this.keep()
    this.settle()
  }

  private awaitResume(kept: readonly Kept[]): void {
    if (kept.length === 0) return
    this.set({ resuming: [...this.view.resuming, ...kept] })
    clearTimeout(this.expiry)
    const first = Math.min(...this.view.resuming.map((k) => k.seen))
    this.expiry = setTimeout(() => {
      const lost = this.view.resuming[0]
      if (lost) this.set({ resuming: [], last: { peer: lost.view.peer, why: 'connection', at: serverNow(), missed: false } })
    }, Math.max(0, first + RESUME_MS - Date.now()))
  }

  /** As soon as there is a line and a microphone, calls of before are tied on again. */
  private resume(): void {
    const { phone, view } = this
    const ready = phone && view.phone.registered && view.phone.line === 'up' && canSpeak(view.sound)
    if (!ready || view.resuming.length === 0) return
    const { resuming } = view
    clearTimeout(this.expiry)
    this.set({ resuming: [] })
    for (const { thread, view: old, muted, held } of resuming) {
      const id = phone.call(old.peer.number, { resume: { thread, view: old } })
      if (id !== null) this.wishes.set(id, { muted, held })
    }
  }

  // --- What a person does ---

  call(number: string): void {
    if (talking(this.view.phone.calls)) return
    this.set({ last: null })
    this.phone?.call(number)
  }
  answer(id: CallId): void {
    const busy = talking(this.view.phone.calls)
    // One voice at a time: the other one waits.
    if (busy && busy.id !== id) this.phone?.hold(busy.id, true)
    this.set({ last: null })
    this.phone?.answer(id)
  }
  reject(id: CallId): void { this.phone?.reject(id) }
  hangUp(id: CallId): void { this.phone?.hangUp(id) }
  mute(id: CallId, on: boolean): void { this.phone?.mute(id, on) }
  hold(id: CallId, on: boolean): void {
    const busy = talking(this.view.phone.calls)
    if (!on && busy && busy.id !== id) this.phone?.hold(busy.id, true)
    this.phone?.hold(id, on)
  }
  digits(id: CallId, digits: string): boolean { return this.phone?.digits(id, digits) ?? false }
  transfer(id: CallId, to: string): void { this.phone?.transfer(id, to) }

  async allowMicrophone(): Promise<void> { await this.parts.sound.allow() }
  async checkSound(): Promise<void> { await this.parts.sound.check() }
  setVolume(volume: number): void { this.parts.sound.setVolume(volume) }
  /** A microphone for the level meter; the caller stops it. */
  openMicrophone(): Promise<MediaStream> { return this.parts.sound.open() }
  audio(): AudioContext { return this.parts.sound.audio() }
  tryRing(on: boolean): void { this.parts.ringer.play(on ? 'ring' : null) }

  choose(role: Role, id: string): void {
    this.parts.sound.choose(role, id)
    if (role === 'microphone' && this.view.phone.calls.length > 0) void this.speakAnew()
  }

  private async microphone(): Promise<MediaStream> {
    const stream = await this.parts.sound.open()
    const track = stream.getAudioTracks()[0] ?? null
    if (track) this.mind(track)
    return stream
  }

  /** A microphone that is pulled out is replaced by the one that is left; one that the computer mutes is shown. */
  private mind(track: MediaStreamTrack): void {
    this.speaking = track
    track.addEventListener('mute', () => { if (this.speaking === track) this.parts.sound.noteMuted(true) })
    track.addEventListener('unmute', () => { if (this.speaking === track) this.parts.sound.noteMuted(false) })
    track.addEventListener('ended', () => { if (this.speaking === track) void this.speakAnew() })
  }

  private async speakAnew(): Promise<void> {
    if (this.view.phone.calls.length === 0) return
    try {
      const stream = await this.parts.sound.open()
      const track = stream.getAudioTracks()[0]
      if (!track) return
      this.phone?.useMicrophone(track)
      for (const each of stream.getTracks()) if (each !== track) each.stop()
      this.mind(track)
    } catch {
      void this.parts.sound.check()
    }
  }

  private play(id: CallId, stream: MediaStream | null): void {
    if (stream) this.heard.set(id, stream)
    else this.heard.delete(id)
    this.parts.sound.play(id, stream)
    this.settle()
  }

  // --- The self test ---

  selfTest(): void {
    const { phone } = this
    if (!phone || this.test || this.view.phone.calls.length > 0) return
    const test = new TestCall({
      call: () => phone.call(SELF_TEST, { test: true }),
      hangUp: (id) => phone.hangUp(id),
      levels: (id) => this.levels(id),
      show: (shown) => { if (!this.over) this.set({ test: shown }) },
    }, () => { this.test = null })
    this.test = test.id === null ? null : test
  }

  forgetTest(): void {
    if (this.test) this.test.cancel()
    else this.set({ test: { at: 'none' } })
  }

  private async levels(id: CallId): Promise<Levels> {
    const context = this.parts.sound.audio()
    const microphone = await this.parts.sound.open()
    const spoken = meter(context, microphone)
    const remote = this.heard.get(id)
    const heard = remote ? meter(context, remote) : null
    return {
      read: () => ({ spoken: spoken.read(), heard: heard?.read() ?? 0 }),
      close() {
        spoken.close()
        heard?.close()
        for (const track of microphone.getTracks()) track.stop()
      },
    }
  }

  // --- Notifications of the desktop ---

  private announce(ringing: CallView | null): void {
    if (this.notification && this.notification.id !== ringing?.id) {
      this.notification.shown.close()
      this.notification = null
    }
    if (!ringing || this.notification || !document.hidden) return
    if (typeof Notification === 'undefined' || Notification.permission !== 'granted') return
    const shown = new Notification(ringing.peer.name ?? ringing.peer.number, {
      body: 'is calling', tag: `hotseat-call-${ringing.id}`, requireInteraction: true,
    })
    shown.onclick = () => { window.focus(); shown.close() }
    this.notification = { id: ringing.id, shown }
  }
}

export function accountOf(answer: SipAnswer): Account {
  const { uri, ws, ticket, ice_servers, codecs } = answer
  return { uri, ws, ticket, ice_servers: ice_servers ?? [], codecs: codecs && codecs.length > 0 ? codecs : COMMON_FIRST }
}

/** Why calls cannot come here now; null when they can. */
export function notReady(view: SoftphoneView): 'starting' | 'no_account' | 'elsewhere' | 'microphone' | 'line' | null {
  if (view.stage !== 'here') return view.stage
  if (view.sound.microphone === 'checking') return 'starting'
  if (!canSpeak(view.sound)) return 'microphone'
  if (view.phone.registered) return null
  return view.phone.line === 'connecting' && view.phone.refused === null ? 'starting' : 'line'
}
