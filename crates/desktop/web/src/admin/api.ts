// The words of the administrators' API. Names match the Rust words exactly.

import type { Activity, Typology, WallMs } from '../api'

export type Role = 'agent' | 'supervisor' | 'engineer' | 'administrator'
export const ROLES: readonly Role[] = ['agent', 'supervisor', 'engineer', 'administrator']

export type Right =
  | 'see_logins'
  | 'end_logins'
  | 'free_phones'
  | 'unlock_agents'
  | 'manage_agents'
  | 'site_logout'
  | 'see_audit'
  | 'see_security'
  | 'send_test_mail'

export type Rights = ReadonlySet<Right>

export interface AdminMe {
  agent: { name: string; display_name: string; extension?: string | null; role?: Role }
  rights: Right[]
}

export interface Blocked {
  since: WallMs
  /** Null: until somebody unlocks it. */
  until: WallMs | null
  why: string
}

/** Where a login sits: the name of a telephone, or nothing for a browser. */
export interface Seat {
  phone: string | null
  label?: string | null
  site?: string | null
  floor?: string | null
}

export interface AgentLogin extends Seat {
  id: number | string
  since: WallMs
  activity: Activity | null
}

export interface AdminAgent {
  name: string
  display_name: string
  extension: string
  typology: Typology
  role: Role
  email: string | null
  enabled: boolean
  /** Where the password is kept. */
  way: 'local' | 'directory' | 'oidc'
  blocked: Blocked | null
  password_at: WallMs | null
  must_change: boolean
  factors: string[]
  login: AgentLogin | null
  last_login: WallMs | null
}

export interface AgentsAnswer {
  agents: AdminAgent[]
  next: string | null
}

export interface AdminLogin extends Seat {
  id: number | string
  agent: string
  display_name: string
  extension: string
  since: WallMs
  activity: Activity | null
  /** The network address the agent's browser came from. */
  from: string | null
}

export interface LoginsAnswer {
  logins: AdminLogin[]
}

/** How well a telephone can be reached; who sits there is another question. */
export type Reach = 'never_registered' | 'registered' | 'suspect' | 'unreachable' | 'expired'

export interface AdminPhone {
  name: string
  label: string | null
  site: string | null
  floor: string | null
  enabled: boolean
  state: Reach
  since: WallMs | null
  /** Who sits there. */
  login: { id: number | string; agent: string; display_name: string; since: WallMs; activity: Activity | null } | null
}

export interface PhonesAnswer {
  phones: AdminPhone[]
}

/** A site is what the phones say it is; `-` stands for phones without one. */
export interface AdminSite {
  name: string
  phones: number
  logins: number
  in_call: number
}

export interface SitesAnswer {
  sites: AdminSite[]
}

/** What a whole-site logout would do; `confirm` does exactly this and nothing newer. */
export interface DryRun {
  site: string
  logins: number
  in_call: number
  /** Those in a call who would stay, because the house ends no calls this way. */
  stay: number
  /** A thousand at most; `logins` counts all. */
  agents: { name: string; display_name: string; phone: string | null; since: WallMs; activity: Activity; stays: boolean }[]
  confirm: string
  expires: WallMs
}

export interface AuditLine {
  id: number | string
  at: WallMs
  who: string | null
  from: string | null
  what: string
  /** Whom or what it was done to. */
  whom?: string | null
  outcome: string
  /** What else belongs to it: a phone, a role before and after. */
  detail?: unknown
}

export interface AuditAnswer {
  lines: AuditLine[]
  next: string | number | null
}

/** What was done, as the server tells it. */
export interface Done {
  sentence?: string
}

export interface PasswordMade extends Done {
  /** Told this once. */
  effect?: { password?: string }
}
