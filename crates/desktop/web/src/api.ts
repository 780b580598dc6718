// The words the server speaks. Written by hand for now; names match the Rust words exactly.

export type Typology = 'webrtc' | 'external' | 'phonebar'
export type PhoneState = 'free' | 'in_use' | 'unreachable' | 'never_registered'
export type Activity = 'idle' | 'ringing' | 'in_call'

/** Milliseconds since 1970 by the server's clock. */
export type WallMs = number

export interface Site {
  name: string
  version: string
  environment: string | null
  login_methods: string[]
}

export interface Agent {
  name: string
  display_name: string
  extension: string
  typology: Typology
}

export interface Phone {
  name: string
  label: string | null
  site: string | null
  floor: string | null
  state: PhoneState
  by: string | null
  since: WallMs | null
}

/** Who already sits somewhere with these credentials, as the takeover dialog tells it. */
export interface Held {
  epoch: number
  device: { name: string; label: string | null } | null
  activity: Activity
  activity_since: WallMs | null
  since: WallMs
  from: string | null
}

export interface Login {
  id: number | string
  epoch: number
  since: WallMs
}

/** The phone the agent sits at. Only /api/me knows its state. */
export interface SeatedPhone {
  name: string
  label: string | null
  state?: PhoneState
}

export interface ActivityNow {
  activity: Activity
  peer: string | null
  since: WallMs | null
}

/** The answer to POST /api/login. */
export interface LoginAnswer {
  state: 'choose_phone' | 'held' | 'ready'
  csrf: string
  agent: Agent
  held: Held | null
  sentence: string | null
  last_phone: string | null
}

export interface PhonesAnswer {
  phones: Phone[]
  last_phone: string | null
}

/** The answer to POST /api/login/device. */
export interface SeatedAnswer {
  state: 'ready'
  csrf: string
  agent: Agent
  login: Login
  phone: SeatedPhone | null
}

/** The answer to GET /api/me: before a phone is chosen what POST /api/login answered, afterwards who sits where. */
export interface Me extends LoginAnswer {
  login: Login | null
  phone: SeatedPhone | null
  activity: ActivityNow | null
}

/** The answer to GET /api/sip: what it takes to register and call, for the tab that asks. */
export interface SipAnswer {
  uri: string
  ws: string
  ticket: string
  expires_in_s: number
  ice_servers: RTCIceServer[]
  /** Codec names in the order to prefer; the page has an order of its own where the server has none. */
  codecs?: string[] | null
  /** False: another tab of this browser has the audio. */
  owner?: boolean
}

/** Why a login ended, as its former page tells it. */
export interface LoginEnded {
  why: string
  sentence: string
  at: WallMs | null
  from: string | null
}

/** Every refusal has a word for programs and a sentence for people; some carry more. */
export interface Refusal {
  reason: string
  sentence: string
  retry_after_s?: number
  held?: Held | null
  why?: string
  at?: WallMs | null
  from?: string | null
}

/** A line over the last seconds: mean opinion score and loss times one hundred. */
export interface Measured {
  mos_x100: number
  loss_x100: number
  jitter_us: number
  round_trip_us: number | null
}

/** One row of the list anew. */
export interface PhoneFrame extends Partial<Pick<Phone, 'label' | 'site' | 'floor'>> {
  type: 'phone'
  name: string
  state: PhoneState
  by: string | null
  since: WallMs | null
}

export type Frame = { seq?: number } & (
  | PhoneFrame
  | ({ type: 'login_ended' } & LoginEnded)
  | ({ type: 'activity' } & ActivityNow)
  /** One direction of the call fell silent, or speaks again. */
  | { type: 'audio'; silent: boolean; from_agent: boolean }
  /** How well one side of the call is connected, as the gateway measures it. */
  | ({ type: 'quality'; from_agent: boolean } & Measured)
  | { type: 'phone_unreachable' }
  | { type: 'phone_back' }
  /** This tab has the audio no more: another one of the same login has taken it. */
  | { type: 'tab_lost'; tab: string }
  | { type: 'snapshot'; phones: Phone[] }
  | { type: 'ping' }
)
