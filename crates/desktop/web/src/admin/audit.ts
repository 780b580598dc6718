// The lines of the audit log as sentences, and the filter as the address holds it.

import type { AuditLine } from './api'
import type { AuditFilter } from './http'

/** What stands in the address: days as people choose them, words as the log has them. */
export interface AuditView {
  who: string
  what: string
  outcome: string
  /** «2026-11-23», days of the reader's own calendar; empty: open. */
  from: string
  to: string
}

/** The question to the server. A day ends where the next one begins, also where a clock was changed in between. */
export function filterOf(view: AuditView): AuditFilter {
  return { who: view.who.trim(), what: view.what, outcome: view.outcome, from: startOf(view.from, 0), to: startOf(view.to, 1) }
}

function startOf(day: string, add: number): number | null {
  const found = /^(\d{4})-(\d{2})-(\d{2})$/.exec(day)
  if (!found) return null
  const [year, month, date] = [Number(found[1]), Number(found[2]), Number(found[3])]
  const ms = new Date(year, month - 1, date + add).getTime()
  return Number.isNaN(ms) ? null : ms
}

/** «password_changed» as a person reads it: «Password changed». */
export function humanised(word: string): string {
  const text = word.replace(/[_.]+/g, ' ').trim()
  return text === '' ? 'Unknown' : text[0]!.toUpperCase() + text.slice(1)
}

const BAD = /refus|fail|denied|wrong|missing|block|error|unknown|expired|limit/

export function wentWell(outcome: string): boolean {
  return !BAD.test(outcome)
}

/** «phone desk-17, role agent to supervisor»: the rest of a line on one line. */
export function detailWords(detail: unknown): string {
  if (detail === null || detail === undefined || detail === '') return ''
  if (typeof detail !== 'object') return String(detail)
  if (Array.isArray(detail)) return detail.map(detailWords).filter(Boolean).join(', ')
  return Object.entries(detail).map(([name, value]) => `${humanised(name).toLowerCase()} ${valueWords(value)}`).join(', ')
}

function valueWords(value: unknown): string {
  if (value === null) return 'none'
  return typeof value === 'object' ? `(${detailWords(value)})` : String(value)
}

/** The words that occur, for the choices of the filter; what is chosen is among them though no line has it. */
export function wordsIn(lines: readonly AuditLine[], part: 'what' | 'outcome', known: readonly string[], chosen: string): string[] {
  const words = new Set([...known, ...lines.map((line) => line[part])])
  if (chosen !== '') words.add(chosen)
  return [...words].sort()
}
