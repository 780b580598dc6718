// The answer to GET /api/admin/licence, and its days in words.

import type { WallMs } from '../api'

export interface Certificate {
  name: string
  until: WallMs
}

export interface Licence {
  customer: string
  seats: number
  /** Days of UTC, «2027-01-31». */
  from: string
  until: string
  /** Whom to ask for the next one. */
  contact: string
  notice_days: number
}

export interface LicenceAnswer {
  status: 'community' | 'valid' | 'not_yet' | 'ending' | 'ended' | 'broken' | (string & {})
  sentence: string
  days: number | null
  licence: Licence | null
  /** Agents that may log in. */
  seats_used: number
  certificates: Certificate[]
}

export type Urgency = 'fine' | 'soon' | 'over'

/** Soon enough to order a new one without hurry. */
const SOON_DAYS = 30
const DAY_MS = 86_400_000

export function urgency(until: WallMs, now: number): Urgency {
  if (until <= now) return 'over'
  return until - now < SOON_DAYS * DAY_MS ? 'soon' : 'fine'
}

/** «ends in 74 days», «ends today», «ended 3 days ago». */
export function daysWords(until: WallMs, now: number): string {
  const days = Math.floor((until - now) / DAY_MS)
  if (days < 0) return days === -1 ? 'ended within the last day' : `ended ${-days - 1} days ago`
  return days === 0 ? 'ends within a day' : days === 1 ? 'ends in one day' : `ends in ${days} days`
}

/** Whether it should be looked at. */
export function needsCare(status: LicenceAnswer['status']): boolean {
  return ['ending', 'ended', 'broken'].includes(status)
}

/** «2027-01-31» in the reader's manner, and of the day that is meant, whatever their time zone. */
export function dayWords(day: string, locale?: string): string {
  const ms = Date.parse(`${day}T00:00:00Z`)
  return Number.isNaN(ms) ? day : new Intl.DateTimeFormat(locale, { dateStyle: 'long', timeZone: 'UTC' }).format(ms)
}
