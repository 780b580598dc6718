// The words the server speaks. Written by hand for now; names match the Rust words exactly.

export type Typology = 'webrtc' | 'external' | 'phonebar'
export type PhoneState = 'free' | 'in_use' | 'unreachable' | 'never_registered'
export type Activity = 'idle' | 'ringing' | 'in_call'

export type LoginMethod = 'password' | 'directory' | 'oidc'
export type Role = 'agent' | 'supervisor' | 'engineer' | 'administrator'

/** Milliseconds since 1970 by the server's clock. */
export type WallMs = number

export interface Site {
  name: string
  version: string
  environment: string | null
  /** What the administrator enabled: a button for each, none for the rest. */
  login_methods: LoginMethod[]
  /** What the button of the other place says after «Log in with». */
  oidc_label?: string | null
  forgot_password?: 'mail' | 'ask_administrator'
  /** Whom to ask, in the administrator's own words. */
  contact?: string | null
}

export interface Agent {
  name: string
  display_name: string
  extension: string
  typology: Typology
  role?: Role
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
  /** What a yes does to a call that is up. */
  takeover: 'end' | 'refuse' | 'move'
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

/** What the way in asks for next. */
export type LoginState = 'second_factor' | 'change_password' | 'enrol_factor' | 'choose_phone' | 'held' | 'ready'
export type FactorKind = 'totp' | 'recovery' | 'passkey'

/** Something to know at the login, none of it in the way of working. */
export interface Notice {
  kind: string
  severity: 'info' | 'warning'
  sentence: string
  days?: number | null
}

/** One rule for a new password; `min`, `chars` and `n` where it has them. */
export interface PasswordRule {
  id: string
  text: string
  min?: number
  chars?: string
  n?: number
}
export interface PasswordRules {
  profile: 'off' | 'suite' | 'modern'
  rules: PasswordRule[]
}

/** The answer to POST /api/login, and to every step after it. */
export interface LoginAnswer {
  state: LoginState
  csrf: string
  agent: Agent
  held?: Held | null
  sentence?: string | null
  last_phone?: string | null
  /** With `second_factor`: what may be shown. */
  kinds?: FactorKind[]
  /** With `change_password`. */
  why?: 'first' | 'expired' | 'administrator'
  rules?: PasswordRules | PasswordRule[]
  notices?: Notice[]
}

/** After a factor was set up: shown once, never again. */
export interface Enrolled extends LoginAnswer {
  recovery_codes?: string[]
}
export interface TotpBegun {
  secret: string
  uri: string
  qr_svg: string
}

/** A second factor of mine. */
export interface Factor {
  id: number | string
  kind: 'totp' | 'passkey'
  name: string | null
  since: WallMs
  last_used: WallMs | null
}
export interface FactorsAnswer {
  factors: Factor[]
  recovery_codes_left: number
  /** The role demands one: the last cannot be taken away. */
  required: boolean
  /** How to show that it is still the same person. `fresh_login`: by having just logged in. */
  confirm: 'password' | 'code' | 'fresh_login'
}

/** That it is still the same person, before anything about factors changes. */
export type Proof = { password: string } | { code: string } | Record<string, never>

export interface ResetLook {
  expires: WallMs
}
export interface TicketAnswer {
  url: string
  expires_in_s: number
}

/** Whether calls can reach the agent at all. */
export interface Presence {
  state: 'ready' | 'not_ready'
  reason: string | null
  since: WallMs | null
}

/** Announced before it happens; never during a call. */
export interface EndsSoon {
  why: 'idle' | 'longest' | 'shift_end' | (string & {})
  at: WallMs
  sentence?: string
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
  presence?: Presence | null
  login_ends_soon?: EndsSoon | null
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
  /** With `password_rules`: which. */
  failed?: string[]
  csrf?: string
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
  | ({ type: 'presence' } & Presence)
  /** `at` is null when it will not end after all. */
  | { type: 'login_ends_soon'; why: EndsSoon['why']; at: WallMs | null; sentence?: string }
  | { type: 'phone_unreachable' }
  | { type: 'phone_back' }
  /** This tab has the audio no more: another one of the same login has taken it. */
  | { type: 'tab_lost'; tab: string }
  | { type: 'snapshot'; phones: Phone[] }
  | { type: 'ping' }
)
