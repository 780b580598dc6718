// The phone over SIP, by JsSIP. Nothing of JsSIP leaves this file.

import { UA } from 'jssip'
import { serverNow } from '../clock'
import { COMMON_FIRST, prefer } from './codecs'
import { idlePhone } from './phone'
import type { Account, CallId, CallOptions, CallView, EndWhy, Line, Media, Phone, PhoneEvent, PhoneView, Thread } from './phone'
import { sipSocket, type DroppableSocket } from './socket'

/** RFC 3261 §10.2.1.1; short, so that a page that died without a word is noticed. */
const REGISTER_EXPIRES_S = 120
/** Shorter interruptions of the line are healed without a word. */
const PATIENCE_MS = 1_500
/** An answer to a REGISTER that takes longer means the connection is dead. */
const PROBE_MS = 4_000
/** ICE that is broken for longer is restarted (RFC 8445 §9). */
const ICE_PATIENCE_MS = 2_000
/** The server knows where it is and learns where we are from our packets: more candidates are not worth waiting for. */
const GATHER_MS = 400
const RING_MAX_S = 180
/** Until the next try when the wire was busy with another offer. */
const AGAIN_MS = 150
/** RFC 3261 §14.1: the owner of the Call-ID waits 2.1 to 4 s after a collision. */
const COLLIDED_MS = 2_500
/** RFC 4733: long enough for every machine, and the usual pause between two. */
const DIGIT_MS = 120
const DIGIT_GAP_MS = 70

/** What we use of a message. */
interface Message {
  call_id: string
  from_tag: string
  to_tag?: string | null
  status_code?: number
  getHeader(name: string): string | undefined
}
interface EndEvent {
  originator: 'local' | 'remote' | 'system'
  message: Message | null
  cause: string
}
interface Session {
  connection: RTCPeerConnection | null
  direction: 'incoming' | 'outgoing'
  remote_identity: { uri: { user: string | null }; display_name: string | null }
  isEstablished(): boolean
  isEnded(): boolean
  answer(options: object): void
  terminate(options?: { cause?: string; status_code?: number }): void
  mute(options: object): void
  unmute(options: object): void
  hold(): boolean
  unhold(): boolean
  isOnHold(): { local: boolean; remote: boolean }
  renegotiate(options: object): boolean
  sendDTMF(digits: string, options: object): void
  refer(target: string, options: object): unknown
  on(event: string, listener: (event: never) => void): void
}
/** The parts of the library's user agent that its types leave out. */
interface Agent {
  on(event: string, listener: (event: never) => void): void
  start(): void
  stop(): void
  register(): void
  unregister(): void
  isRegistered(): boolean
  isConnected(): boolean
  set(name: 'authorization_jwt', value: string): boolean
  call(target: string, options: object): Session
  transport: { connect(): void; disconnect(): void } | null
}

interface Leg {
  id: CallId
  session: Session
  microphone: MediaStream | null
  thread: Thread | null
  /** On hold or not, as soon as the wire is free. */
  wantHeld: boolean | null
  again: ReturnType<typeof setTimeout> | undefined
  /** Whom to tell the server who ended it. */
  endedByUs: boolean
  view: CallView
}

export class JssipPhone implements Phone {
  view: PhoneView = idlePhone
  private ua: Agent | null = null
  private socket: DroppableSocket | null = null
  private account: Account | null = null
  private domain = ''
  private wanted = false
  private legs = new Map<CallId, Leg>()
  private made = 0
  private listeners = new Set<(event: PhoneEvent) => void>()
  private patience: ReturnType<typeof setTimeout> | undefined
  private probing: ReturnType<typeof setTimeout> | undefined

  constructor(private readonly media: Media, private readonly instance: string) {}

  listen(listener: (event: PhoneEvent) => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  use(account: Account): void {
    const fresh = this.ua === null || this.account?.ws !== account.ws || this.account.uri !== account.uri
    this.account = account
    if (!fresh) {
      this.ua?.set('authorization_jwt', `Bearer ${account.ticket}`)
      if (this.wanted && this.ua?.isConnected() && !this.ua.isRegistered()) this.ua.register()
      return
    }
    this.ua?.stop()
    this.open(account)
  }

  private open(account: Account): void {
    const socket = sipSocket(account.ws)
    this.socket = socket
    this.domain = account.uri.replace(/^sips?:/, '').replace(/^[^@]*@/, '')
    const ua = new UA({
      sockets: [socket as never],
      uri: account.uri,
      // RFC 8898: the ticket of this login instead of a password.
      authorization_jwt: `Bearer ${account.ticket}`,
      // RFC 5626 §4.1: one instance per tab, the same after a reload.
      instance_id: this.instance,
      register: this.wanted,
      register_expires: REGISTER_EXPIRES_S,
      session_timers: false,
      no_answer_timeout: RING_MAX_S,
      connection_recovery_min_interval: 1,
      connection_recovery_max_interval: 4,
      user_agent: 'Hotseat phonebar',
    }) as unknown as Agent
    this.ua = ua
    const mine = (act: () => void) => () => { if (this.ua === ua) act() }
    ua.on('connected', mine(() => this.connected()))
    ua.on('disconnected', mine(() => this.disconnected()))
    ua.on('registered', mine(() => {
      clearTimeout(this.probing)
      this.probing = undefined
      this.tellLine('up', { registered: true, refused: null })
    }))
    ua.on('unregistered', mine(() => this.set({ registered: false })))
    ua.on('registrationFailed', ((event: { response: Message | null }) => {
      if (this.ua !== ua) return
      const status = event.response?.status_code ?? null
      this.set({ registered: false, refused: status })
      // RFC 3261 §22.1, §21.4.4: not (any more) who we said to be.
      if (status === 401 || status === 403 || status === 407) this.tell({ type: 'stale' })
    }) as never)
    ua.on('newRTCSession', ((event: { originator: string; session: Session; request: Message }) => {
      if (event.originator === 'remote') this.comes(event.session, event.request)
    }) as never)
    this.set({ line: 'connecting' })
    ua.start()
  }

  private connected(): void {
    // With a registration wanted the line is good when that is done; without, it is good now. The library registers by
    // itself only when it was told so before it connected.
    if (this.wanted) this.ua?.register()
    else this.tellLine('up', {})
  }

  private disconnected(): void {
    clearTimeout(this.probing)
    this.probing = undefined
    this.patience ??= setTimeout(() => this.set({ line: 'lost' }), navigator.onLine === false ? 0 : PATIENCE_MS)
    this.set({ registered: false, line: this.view.line === 'lost' ? 'lost' : 'connecting' })
    // A reconnect shows its ticket again; a fresh one costs nothing and may be needed.
    this.tell({ type: 'stale' })
  }

  private tellLine(line: Line, more: Partial<PhoneView>): void {
    clearTimeout(this.patience)
    this.patience = undefined
    const was = this.view.line
    this.set({ ...more, line })
    if (line !== 'up' || was === 'up') return
    // RFC 5626 §4.3: the calls follow onto the new flow; our re-INVITE tells the server the way and restarts ICE.
    for (const leg of this.legs.values()) this.mend(leg)
    this.tell({ type: 'back' })
  }

  register(wanted: boolean): void {
    if (this.wanted === wanted) return
    this.wanted = wanted
    const { ua } = this
    if (!ua) return
    if (!wanted) ua.unregister()
    else if (ua.isConnected()) ua.register()
  }

  probe(): void {
    const { ua, socket } = this
    if (!ua || !socket || this.probing) return
    if (!ua.isConnected()) {
      ua.transport?.connect()
      return
    }
    if (!this.wanted) return
    this.probing = setTimeout(() => {
      this.probing = undefined
      socket.drop()
      ua.transport?.connect()
    }, PROBE_MS)
    ua.register()
  }

  call(number: string, options: CallOptions = {}): CallId | null {
    const { ua, account } = this
    if (!ua || !account || !ua.isConnected()) return null
    const id = this.nextId()
    const { resume } = options
    const view: CallView = {
      id, direction: 'out', peer: { number, name: null }, phase: resume ? 'mending' : 'dialing', muted: false, held: false,
      heldByPeer: false, began: serverNow(), answered: null, transfer: null, test: options.test ?? false, ...resume?.view,
    }
    const extraHeaders = resume ? [replaces(resume.thread), 'Require: replaces'] : []
    this.add(view)
    void this.media.microphone().then(
      (microphone) => {
        if (!this.view.calls.some((c) => c.id === id)) return stopAll(microphone)
        const session = ua.call(this.uri(number), {
          mediaStream: microphone,
          mediaConstraints: { audio: true, video: false },
          pcConfig: { iceServers: [...account.ice_servers] },
          extraHeaders,
          eventHandlers: {},
        })
        this.own({ id, session, microphone, thread: null, wantHeld: null, again: undefined, endedByUs: false, view })
      },
      () => this.forget(view, 'no_microphone'),
    )
    return id
  }

  /** Somebody calls. */
  private comes(session: Session, request: Message): void {
    const { uri, display_name } = session.remote_identity
    const id = this.nextId()
    const view: CallView = {
      id, direction: 'in', peer: { number: uri.user ?? '', name: display_name || null }, phase: 'ringing', muted: false, held: false,
      heldByPeer: false, began: serverNow(), answered: null, transfer: null, test: false,
    }
    this.add(view)
    const thread = request.to_tag ? { callId: request.call_id, local: request.to_tag, remote: request.from_tag } : null
    this.own({ id, session, microphone: null, thread, wantHeld: null, again: undefined, endedByUs: false, view })
  }

  /** Follows a session from here to its end. */
  private own(leg: Leg): void {
    const { session, id } = leg
    this.legs.set(id, leg)
    const on = (event: string, listener: (event: never) => void) => session.on(event, listener)
    keepThroughOutage(session, () => {
      clearTimeout(leg.again)
      leg.again = setTimeout(() => { if (leg.wantHeld !== null) this.applyHold(leg); else this.mend(leg) }, COLLIDED_MS)
    })
    if (session.connection) this.watch(leg, session.connection)
    on('peerconnection', ((event: { peerconnection: RTCPeerConnection }) => this.watch(leg, event.peerconnection)) as never)
    // The last moment before the offer is made, with the microphone already attached.
    on('connecting', (() => {
      if (session.direction === 'outgoing' && session.connection) prefer(session.connection, this.account?.codecs ?? COMMON_FIRST)
    }) as never)
    on('icecandidate', ((event: { ready(): void }) => { setTimeout(event.ready, GATHER_MS) }) as never)
    on('progress', (() => {
      if (session.direction === 'outgoing') this.change(leg, leg.view.phase === 'dialing' ? { phase: 'ringing_there' } : {})
    }) as never)
    on('accepted', ((event: { response?: Message }) => {
      const { response } = event
      if (response?.to_tag) leg.thread = { callId: response.call_id, local: response.from_tag, remote: response.to_tag }
      this.change(leg, { phase: 'up', answered: leg.view.answered ?? serverNow() })
    }) as never)
    const holds = () => this.change(leg, { held: session.isOnHold().local, heldByPeer: session.isOnHold().remote })
    on('hold', holds as never)
    on('unhold', holds as never)
    on('muted', (() => this.change(leg, { muted: true })) as never)
    on('unmuted', (() => this.change(leg, { muted: false })) as never)
    on('ended', ((event: EndEvent) => this.over(leg, event)) as never)
    on('failed', ((event: EndEvent) => this.over(leg, event)) as never)
  }

  private watch(leg: Leg, connection: RTCPeerConnection): void {
    connection.addEventListener('track', (event) => {
      this.media.play(leg.id, event.streams[0] ?? new MediaStream([event.track]))
    })
    let broken: ReturnType<typeof setTimeout> | undefined
    connection.addEventListener('iceconnectionstatechange', () => {
      const state = connection.iceConnectionState
      clearTimeout(broken)
      if (state === 'connected' || state === 'completed') return this.change(leg, leg.view.phase === 'mending' ? { phase: 'up' } : {})
      if (state !== 'disconnected' && state !== 'failed') return
      broken = setTimeout(() => {
        this.probe()
        this.mend(leg)
      }, state === 'failed' ? 0 : ICE_PATIENCE_MS)
    })
  }

  /** A new offer over the line of now, with new candidates. Only when there is a line: without one it would end the call. */
  private mend(leg: Leg): void {
    if (!leg.session.isEstablished() || leg.session.isEnded() || !this.ua?.isConnected()) return
    if (this.wanted && !this.ua.isRegistered()) return
    try {
      leg.session.renegotiate({ rtcOfferConstraints: { iceRestart: true } })
    } catch {
      // Another renegotiation is on its way; it does the same.
    }
  }

  answer(id: CallId): void {
    const leg = this.legs.get(id)
    const { account } = this
    if (!leg || !account || leg.view.phase !== 'ringing') return
    this.change(leg, { phase: 'answering' })
    void this.media.microphone().then(
      (microphone) => {
        if (leg.session.isEnded()) return stopAll(microphone)
        leg.microphone = microphone
        leg.session.answer({
          mediaStream: microphone,
          mediaConstraints: { audio: true, video: false },
          pcConfig: { iceServers: [...account.ice_servers] },
        })
      },
      // The call rings on: the person may choose another microphone and answer again.
      () => this.change(leg, { phase: 'ringing' }),
    )
  }

  reject(id: CallId): void {
    // RFC 3261 §21.6.2: this one place does not want it; 603 would speak for all of the agent's places.
    this.end(id, 486)
  }
  hangUp(id: CallId): void {
    this.end(id, undefined)
  }
  private end(id: CallId, status_code: number | undefined): void {
    const leg = this.legs.get(id)
    if (!leg) {
      const view = this.view.calls.find((c) => c.id === id)
      if (view) this.forget(view, 'hung_up')
      return
    }
    leg.endedByUs = true
    if (!leg.session.isEnded()) leg.session.terminate(status_code === undefined ? undefined : { status_code })
  }

  mute(id: CallId, on: boolean): void {
    const session = this.legs.get(id)?.session
    if (on) session?.mute({ audio: true })
    else session?.unmute({ audio: true })
  }

  hold(id: CallId, on: boolean): void {
    const leg = this.legs.get(id)
    if (!leg?.session.isEstablished()) return
    leg.wantHeld = on
    this.applyHold(leg)
  }

  /** While one offer is on its way there can be no other (RFC 3261 §14.1): the last wish waits for its turn. */
  private applyHold(leg: Leg): void {
    const { session, wantHeld } = leg
    clearTimeout(leg.again)
    if (wantHeld === null || session.isEnded()) return
    if (session.isOnHold().local === wantHeld || (wantHeld ? session.hold() : session.unhold())) {
      leg.wantHeld = null
      return
    }
    leg.again = setTimeout(() => this.applyHold(leg), AGAIN_MS)
  }

  digits(id: CallId, digits: string): boolean {
    const session = this.legs.get(id)?.session
    const dtmf = session?.connection?.getSenders().find((s) => s.track?.kind === 'audio')?.dtmf
    // Not before the sound flows, and not when the other side named no telephone events; the library would throw.
    if (!session?.isEstablished() || !dtmf?.canInsertDTMF || !/^[0-9A-D*#]+$/.test(digits)) return false
    session.sendDTMF(digits, { transportType: 'RFC2833', duration: DIGIT_MS, interToneGap: DIGIT_GAP_MS })
    return true
  }

  transfer(id: CallId, number: string): void {
    const leg = this.legs.get(id)
    if (!leg?.session.isEstablished()) return
    const failed = () => this.change(leg, { transfer: { to: number, state: 'failed' } })
    this.change(leg, { transfer: { to: number, state: 'asked' } })
    leg.session.refer(this.uri(number), {
      eventHandlers: {
        requestFailed: failed,
        failed,
        accepted: () => {
          // RFC 5589 §6.1: the far end has it; our leg is over.
          leg.endedByUs = true
          if (!leg.session.isEnded()) leg.session.terminate()
        },
      },
    })
  }

  useMicrophone(track: MediaStreamTrack): void {
    for (const leg of this.legs.values()) {
      const sender = leg.session.connection?.getSenders().find((s) => s.track?.kind === 'audio')
      if (!sender || !leg.microphone) continue
      const mine = track.clone()
      mine.enabled = sender.track?.enabled ?? true
      const before = leg.microphone
      leg.microphone = new MediaStream([mine])
      void sender.replaceTrack(mine).then(() => stopAll(before), () => mine.stop())
    }
  }

  async stats(id: CallId): Promise<RTCStatsReport | null> {
    return (await this.legs.get(id)?.session.connection?.getStats()) ?? null
  }

  thread(id: CallId): Thread | null {
    const leg = this.legs.get(id)
    return leg && leg.view.answered !== null ? leg.thread : null
  }

  stop({ hangUp }: { hangUp: boolean }): void {
    for (const timer of [this.patience, this.probing]) clearTimeout(timer)
    const { ua } = this
    this.ua = null
    if (hangUp) ua?.stop()
    else this.socket?.disconnect()
    for (const leg of [...this.legs.values()]) this.release(leg)
    this.legs.clear()
    this.set({ ...idlePhone })
  }

  private over(leg: Leg, event: EndEvent): void {
    const view = leg.view
    this.release(leg)
    this.legs.delete(leg.id)
    this.forget(view, view.transfer?.state === 'asked' && event.originator !== 'system' && leg.endedByUs ? 'transferred' : why(leg, event))
  }

  private release(leg: Leg): void {
    clearTimeout(leg.again)
    stopAll(leg.microphone)
    this.media.play(leg.id, null)
  }

  private forget(view: CallView, reason: EndWhy): void {
    this.set({ calls: this.view.calls.filter((c) => c.id !== view.id) })
    this.tell({ type: 'ended', call: view, why: reason })
  }

  private uri(number: string): string {
    return /^sips?:/.test(number) ? number : `sip:${number}@${this.domain}`
  }
  private nextId(): CallId {
    this.made += 1
    return `${this.made}`
  }
  private add(view: CallView): void {
    this.set({ calls: [...this.view.calls, view] })
  }
  private change(leg: Leg, more: Partial<CallView>): void {
    leg.view = { ...leg.view, ...more }
    this.set({ calls: this.view.calls.map((c) => (c.id === leg.id ? leg.view : c)) })
  }
  private set(more: Partial<PhoneView>): void {
    this.view = { ...this.view, ...more }
    this.tell({ type: 'changed' })
  }
  private tell(event: PhoneEvent): void {
    for (const listener of [...this.listeners]) listener(event)
  }
}

/** RFC 3891 §3: the tags are named from where the header is received. */
export function replaces({ callId, local, remote }: Thread): string {
  return `Replaces: ${callId};to-tag=${remote};from-tag=${local}`
}

/**
 * The library hangs up when ICE fails, or when an offer in the call is refused, be it for a collision (491). The server
 * keeps a silent call for half a minute, and so do we: it is tried again, and if nothing comes of it the server ends
 * the call. A dialog that the server no longer knows (481) ends by another way.
 */
function keepThroughOutage(session: Session, again: () => void): void {
  const terminate = session.terminate.bind(session)
  session.terminate = (options) => {
    const established = session.isEstablished()
    if (established && options?.cause === 'RTP Timeout') return
    if (established && options?.cause === 'WebRTC Error') return again()
    terminate(options)
  }
}

function stopAll(stream: MediaStream | null): void {
  for (const track of stream?.getTracks() ?? []) track.stop()
}

function why(leg: Leg, event: EndEvent): EndWhy {
  if (leg.endedByUs) return leg.view.phase === 'ringing' ? 'rejected' : 'hung_up'
  const status = event.message?.status_code
  if (leg.view.answered !== null) {
    return event.originator === 'remote' ? 'hung_up_there' : ['Connection Error', 'Request Timeout', 'Dialog Error'].includes(event.cause) ? 'connection' : 'failed'
  }
  if (leg.view.direction === 'in') {
    // RFC 3326 §2: the 200 of another place travels in the Reason of the CANCEL.
    return /cause\s*=\s*200/.test(event.message?.getHeader('reason') ?? '') ? 'answered_elsewhere' : 'cancelled'
  }
  return whyOfStatus(status, event.cause)
}

export function whyOfStatus(status: number | undefined, cause: string): EndWhy {
  switch (status) {
    case 486: case 600: return 'busy'
    case 603: return 'rejected_there'
    case 404: case 484: case 604: return 'not_found'
    case 480: case 410: return 'unavailable'
    case 408: case 487: return 'no_answer'
    case 403: case 401: case 407: return 'not_allowed'
    case 488: case 606: return 'no_sound'
    case undefined: return cause === 'Connection Error' || cause === 'Request Timeout' ? 'connection' : 'failed'
    default: return 'failed'
  }
}
