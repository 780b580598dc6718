// What a telephone in the page can do, whatever protocol is underneath. The rest of the page knows only this.

export type CallId = string

/** Where a call is in its life. `mending`: it was up, the way to it broke, and it is being tied on again. */
export type Phase = 'dialing' | 'ringing_there' | 'ringing' | 'answering' | 'up' | 'mending'

export interface Peer {
  number: string
  name: string | null
}

export interface CallView {
  id: CallId
  direction: 'in' | 'out'
  peer: Peer
  phase: Phase
  muted: boolean
  /** On hold by us. */
  held: boolean
  /** On hold by the other side. */
  heldByPeer: boolean
  /** Milliseconds since 1970, the server's clock. */
  began: number
  answered: number | null
  /** Being handed to this number; it ends by itself when that worked. */
  transfer: { to: string; state: 'asked' | 'failed' } | null
  /** The call of the self test: not one of a person. */
  test: boolean
}

/** Why a call is over, from a closed list. */
export type EndWhy =
  | 'hung_up' | 'hung_up_there' | 'cancelled' | 'answered_elsewhere' | 'rejected' | 'rejected_there' | 'busy' | 'no_answer'
  | 'not_found' | 'unavailable' | 'not_allowed' | 'no_microphone' | 'no_sound' | 'transferred' | 'connection' | 'failed'

/** `down`: not wanted. `lost`: wanted, and not there for longer than a blink. */
export type Line = 'down' | 'connecting' | 'up' | 'lost'

export interface PhoneView {
  line: Line
  registered: boolean
  /** Why the server would not register us, as a SIP status. */
  refused: number | null
  calls: readonly CallView[]
}

export type PhoneEvent =
  | { type: 'changed' }
  | { type: 'ended'; call: CallView; why: EndWhy }
  /** The way to the server is back after it was lost. */
  | { type: 'back' }
  /** What the server knows us by is not good any more; a fresh account is needed. */
  | { type: 'stale' }

/** What it takes to be somebody on the line (the answer of `GET /api/sip`). */
export interface Account {
  uri: string
  ws: string
  ticket: string
  ice_servers: readonly RTCIceServer[]
  /** Names in the order of preference, as in SDP; what is not named comes after. */
  codecs: readonly string[]
}

/** What ties a call on again that an earlier life of this page held (RFC 3891). */
export interface Thread {
  callId: string
  /** Our tag in the old dialog. */
  local: string
  remote: string
}

export interface CallOptions {
  test?: boolean
  /** Ties on an old call instead of making a new one. */
  resume?: { thread: Thread; view: Pick<CallView, 'direction' | 'peer' | 'began' | 'answered'> }
}

/** The page's ears and mouth, given to the phone so that it owns no device. */
export interface Media {
  /** A live microphone of its own for one call; the phone stops it. Rejects when there is none. */
  microphone(): Promise<MediaStream>
  /** What comes from the other side; again with `null` when the call is over. */
  play(id: CallId, stream: MediaStream | null): void
}

export interface Phone {
  /** Replaced, never changed, each time something changes. */
  readonly view: PhoneView
  listen(listener: (event: PhoneEvent) => void): () => void
  /** Takes the account in use from now on; the first one opens the line. */
  use(account: Account): void
  /** Whether calls may come here. */
  register(wanted: boolean): void
  call(number: string, options?: CallOptions): CallId | null
  answer(id: CallId): void
  reject(id: CallId): void
  hangUp(id: CallId): void
  mute(id: CallId, on: boolean): void
  hold(id: CallId, on: boolean): void
  /** Digits `0`–`9`, `*`, `#`, `A`–`D` as telephone events in the sound (RFC 4733). False: this call takes none now. */
  digits(id: CallId, digits: string): boolean
  /** Hands the call to another number without asking there first (RFC 3515). */
  transfer(id: CallId, number: string): void
  /** All calls speak into this microphone from now on. */
  useMicrophone(track: MediaStreamTrack): void
  stats(id: CallId): Promise<RTCStatsReport | null>
  /** What a later life of this page needs to tie this call on again. */
  thread(id: CallId): Thread | null
  /** Asks whether the line is really there, when something suggests it is not. */
  probe(): void
  /** Lets go of the line; calls are not hung up when the page goes, so that it may come back to them. */
  stop(options: { hangUp: boolean }): void
}

export const idlePhone: PhoneView = { line: 'down', registered: false, refused: null, calls: [] }

/** The words of an ending, for the person. */
export function endWords(why: EndWhy): string {
  switch (why) {
    case 'hung_up': return 'Call ended.'
    case 'hung_up_there': return 'The other side hung up.'
    case 'cancelled': return 'The caller gave up.'
    case 'answered_elsewhere': return 'Answered elsewhere.'
    case 'rejected': return 'Rejected.'
    case 'rejected_there': return 'The call was declined.'
    case 'busy': return 'Busy.'
    case 'no_answer': return 'No answer.'
    case 'not_found': return 'There is no such number.'
    case 'unavailable': return 'Nobody can be reached there right now.'
    case 'not_allowed': return 'You may not call this number.'
    case 'no_microphone': return 'The microphone could not be opened.'
    case 'no_sound': return 'No way was found for the sound.'
    case 'transferred': return 'Transferred.'
    case 'connection': return 'The connection broke and the call could not be kept.'
    case 'failed': return 'The call did not get through.'
  }
}

/** The call that is spoken in, if there is one. */
export function talking(calls: readonly CallView[]): CallView | null {
  return calls.find((c) => !c.test && !c.held && c.phase !== 'ringing') ?? null
}

export function people(calls: readonly CallView[]): readonly CallView[] {
  return calls.filter((c) => !c.test)
}
