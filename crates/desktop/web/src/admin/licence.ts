// The answer to GET /api/admin/licence, and its days in words.

import type { WallMs } from '../api'

export interface Certificate {
  name: string
  subject?: string | null
  issuer?: string | null
  expires: WallMs | null
  days_left?: number | null
  [more: string]: unknown
}

export interface LicenceAnswer {
  licence?: Record<string, unknown> | null
  certificates?: Certificate[]
  notices?: { kind: string; severity: 'info' | 'warning'; sentence: string }[]
  contact?: string | null
  [more: string]: unknown
}

export type Urgency = 'fine' | 'soon' | 'over'

/** Soon enough to order a new one without hurry. */
const SOON_DAYS = 30
const DAY_MS = 86_400_000

export function urgency(expires: WallMs | null, now: number): Urgency {
  if (expires === null) return 'fine'
  if (expires <= now) return 'over'
  return expires - now < SOON_DAYS * DAY_MS ? 'soon' : 'fine'
}

/** «in 74 days», «today», «3 days ago». */
export function daysWords(expires: WallMs | null, now: number): string {
  if (expires === null) return 'never expires'
  const days = Math.floor((expires - now) / DAY_MS)
  if (days < 0) return days === -1 ? 'expired yesterday' : `expired ${-days} days ago`
  return days === 0 ? 'expires today' : days === 1 ? 'expires tomorrow' : `expires in ${days} days`
}
