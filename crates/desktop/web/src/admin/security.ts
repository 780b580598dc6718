// The answer to GET /api/admin/security: who is locked out, what went on at the door, and the settings in effect.

import type { WallMs } from '../api'
import type { AdminAgent, Right } from './api'

export interface Count {
  what: string
  outcome: string
  count: number
}

export interface SecurityAnswer {
  /** Two hundred at most; `blocked_count` counts all. */
  blocked: AdminAgent[]
  blocked_count: number
  /** Within the last day, the most frequent first. */
  counts: Count[]
  since: WallMs
  /** What a takeover does to a call. */
  takeover: string
  /** The settings in effect, part by part. */
  settings?: Record<string, unknown> | null
  roles?: Record<string, Right[]> | null
}
