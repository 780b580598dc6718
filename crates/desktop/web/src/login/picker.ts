// The phone picker as a plain machine: which phones are shown in which order, what is chosen, and what happens to both
// when a phone is taken, dies or comes back while someone is looking. Rows never move under the pointer.

import type { Phone, PhoneFrame } from '../api'

export type Section = 'last' | 'available' | 'others'

/** Above this many the phones that cannot be chosen are one click away instead of below the list (SPEC B2). */
export const OTHERS_SHOWN_MAX = 20
/** How long a row shows that it changed. */
export const FLASH_MS = 1_000

export interface Picker {
  phones: ReadonlyMap<string, Phone>
  /** All names in the order a person would look for them. */
  sorted: readonly string[]
  loaded: boolean
  last: string | null
  query: string
  /** Decided by how many there are when the list first comes, then by the person. */
  showOthers: boolean
  /** The names on screen. They keep their places until the query or the choice of sections changes. */
  rows: Readonly<Record<Section, readonly string[]>>
  selected: string | null
  /** Where the keyboard is. */
  active: string | null
  /** When a row last changed under the reader's eyes. */
  changed: ReadonlyMap<string, number>
  /** The sentence read out and shown when the choice was lost. */
  notice: string | null
}

export type PickerEvent =
  /** Which phone was used last is known from the login, before any list. */
  | { type: 'last_used'; name: string | null }
  | { type: 'listed'; phones: readonly Phone[]; now: number }
  | { type: 'phone'; frame: PhoneFrame; now: number }
  | { type: 'typed'; query: string }
  | { type: 'others_toggled' }
  | { type: 'chosen'; name: string }
  | { type: 'moved'; by: number }
  | { type: 'moved_to'; end: 'first' | 'last' }
  | { type: 'refused'; name: string | null }

export const emptyPicker: Picker = {
  phones: new Map(),
  sorted: [],
  loaded: false,
  last: null,
  query: '',
  showOthers: false,
  rows: { last: [], available: [], others: [] },
  selected: null,
  active: null,
  changed: new Map(),
  notice: null,
}

export function pick(p: Picker, event: PickerEvent): Picker {
  switch (event.type) {
    case 'last_used': return lastUsed(p, event.name)
    case 'listed': return listed(p, event.phones, event.now)
    case 'phone': return phoneChanged(p, event.frame, event.now)
    case 'typed': return typed(p, event.query)
    case 'others_toggled': return arrange({ ...p, showOthers: !p.showOthers })
    case 'chosen': return chosen(p, event.name)
    case 'moved': return moved(p, event.by)
    case 'moved_to': return movedTo(p, event.end)
    case 'refused': return { ...p, selected: p.selected === event.name ? null : p.selected }
  }
}

export function title(phone: Pick<Phone, 'name' | 'label'>): string {
  return phone.label || phone.name
}

export function isFree(phone: Phone | undefined): boolean {
  return phone?.state === 'free'
}

/** Counted live, also while rows keep their places. */
export function counts(p: Picker): { available: number; others: number } {
  let available = 0
  let others = 0
  for (const phone of p.phones.values()) {
    if (!matches(phone, p.query)) continue
    if (isFree(phone)) available += 1
    else others += 1
  }
  return { available, others }
}

export function othersShown(p: Picker): boolean {
  // A search is a question about a phone; the answer "in use by Ann" is one of the answers.
  return p.showOthers || p.query !== ''
}

export function rowNames(p: Picker): string[] {
  return [...p.rows.last, ...p.rows.available, ...p.rows.others]
}

function lastUsed(p: Picker, name: string | null): Picker {
  if (p.last !== null || name === null) return p
  const next = { ...p, last: name }
  if (!p.loaded) return next
  // The list was quicker: the phone goes to the top and is chosen, unless the person was quicker still.
  return arrange(p.selected === null && isFree(p.phones.get(name)) ? { ...next, selected: name } : next)
}

function listed(p: Picker, phones: readonly Phone[], now: number): Picker {
  const map = new Map(phones.map((phone) => [phone.name, phone]))
  const sorted = [...map.values()].sort(byTitle).map((phone) => phone.name)
  const next = { ...p, phones: map, sorted, loaded: true }
  if (!p.loaded) {
    // SPEC B5: the phone used last is chosen already, if it can be.
    const selected = next.last && isFree(map.get(next.last)) ? next.last : null
    return arrange({ ...next, selected, showOthers: counts(next).others <= OTHERS_SHOWN_MAX })
  }
  const changed = new Map(p.changed)
  for (const phone of phones) {
    const before = p.phones.get(phone.name)
    if (before && (before.state !== phone.state || before.by !== phone.by)) changed.set(phone.name, now)
  }
  // A list again, after a reconnect or a refusal: only news, so that nothing jumps.
  return checkSelected(keepPlaces({ ...next, changed }))
}

function phoneChanged(p: Picker, frame: PhoneFrame, now: number): Picker {
  const before = p.phones.get(frame.name)
  const phone: Phone = {
    name: frame.name,
    label: frame.label ?? before?.label ?? null,
    site: frame.site ?? before?.site ?? null,
    floor: frame.floor ?? before?.floor ?? null,
    state: frame.state,
    by: frame.by,
    since: frame.since,
  }
  const phones = new Map(p.phones).set(frame.name, phone)
  const sorted = before ? p.sorted : [...phones.values()].sort(byTitle).map((each) => each.name)
  const changed = prune(p.changed, now)
  if (!before || before.state !== phone.state || before.by !== phone.by) changed.set(frame.name, now)
  return checkSelected(keepPlaces({ ...p, phones, sorted, changed }))
}

/** Takes the choice away when it cannot be kept, and says why. */
function checkSelected(p: Picker): Picker {
  if (p.selected === null) return p
  const phone = p.phones.get(p.selected)
  if (isFree(phone)) return p
  return { ...p, selected: null, notice: lostSentence(phone, p.selected) }
}

export function lostSentence(phone: Phone | undefined, name: string): string {
  if (!phone) return `${name} was just removed. Please choose another telephone.`
  if (phone.state === 'in_use') {
    return `${title(phone)} was just taken${phone.by ? ` by ${phone.by}` : ''}. Please choose another telephone.`
  }
  return `${title(phone)} has just stopped answering. Please choose another telephone.`
}

function typed(p: Picker, query: string): Picker {
  const next = arrange({ ...p, query: fold(query), notice: null })
  // Enter takes the first phone that can be had.
  const first = query === '' ? null : rowNames(next).find((name) => isFree(next.phones.get(name))) ?? null
  return { ...next, active: first ?? rowNames(next)[0] ?? null }
}

function chosen(p: Picker, name: string): Picker {
  const phone = p.phones.get(name)
  if (!phone) return p
  if (isFree(phone)) return { ...p, selected: name, active: name, notice: null }
  return { ...p, active: name, notice: `${title(phone)}: ${reason(phone)}. Please choose one that is free.` }
}

function reason(phone: Phone): string {
  switch (phone.state) {
    case 'free': return 'free'
    case 'in_use': return phone.by ? `in use by ${phone.by}` : 'in use'
    case 'unreachable': return 'not answering'
    case 'never_registered': return 'never connected'
  }
}

function moved(p: Picker, by: number): Picker {
  const names = rowNames(p)
  if (names.length === 0) return p
  const from = p.active ?? p.selected
  const at = from === null ? -1 : names.indexOf(from)
  const start = at === -1 && by < 0 ? names.length : at
  const to = Math.min(names.length - 1, Math.max(0, start + by))
  return { ...p, active: names[to] ?? null }
}

function movedTo(p: Picker, end: 'first' | 'last'): Picker {
  const names = rowNames(p)
  return { ...p, active: (end === 'first' ? names[0] : names[names.length - 1]) ?? null }
}

/** Puts every row where it belongs now. */
function arrange(p: Picker): Picker {
  const withOthers = othersShown(p)
  const last = p.last !== null && matches(p.phones.get(p.last), p.query) ? [p.last] : []
  const available: string[] = []
  const others: string[] = []
  for (const name of p.sorted) {
    const phone = p.phones.get(name)
    if (name === last[0] || !phone || !matches(phone, p.query)) continue
    if (isFree(phone)) available.push(name)
    else if (withOthers) others.push(name)
  }
  return withRows(p, { last, available, others })
}

/** Keeps what is on screen in its place; what must appear comes at the end of its section. */
function keepPlaces(p: Picker): Picker {
  const alive = (names: readonly string[]) => names.filter((name) => p.phones.has(name))
  const shown = new Set(rowNames(p))
  const withOthers = othersShown(p)
  const freshAvailable: string[] = []
  const freshOthers: string[] = []
  for (const name of p.sorted) {
    const phone = p.phones.get(name)
    if (shown.has(name) || !phone || !matches(phone, p.query)) continue
    if (isFree(phone)) freshAvailable.push(name)
    else if (withOthers) freshOthers.push(name)
  }
  return withRows(p, {
    last: alive(p.rows.last),
    available: [...alive(p.rows.available), ...freshAvailable],
    others: [...alive(p.rows.others), ...freshOthers],
  })
}

function withRows(p: Picker, rows: Picker['rows']): Picker {
  const names = new Set([...rows.last, ...rows.available, ...rows.others])
  return { ...p, rows, active: p.active !== null && names.has(p.active) ? p.active : null }
}

function prune(changed: ReadonlyMap<string, number>, now: number): Map<string, number> {
  return new Map([...changed].filter(([, when]) => now - when < FLASH_MS))
}

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' })

function byTitle(a: Phone, b: Phone): number {
  return collator.compare(title(a), title(b)) || collator.compare(a.name, b.name)
}

/** The text a phone is found by, folded once per phone. */
const haystacks = new WeakMap<Phone, string>()

function matches(phone: Phone | undefined, query: string): boolean {
  if (!phone) return false
  if (query === '') return true
  let text = haystacks.get(phone)
  if (text === undefined) {
    text = fold([phone.name, phone.label, phone.site, phone.floor].filter(Boolean).join(' '))
    haystacks.set(phone, text)
  }
  // Every word must be somewhere: "3 zurich" finds Floor 3 in Zürich.
  return query.split(' ').every((word) => text.includes(word))
}

/** Without case, accents and double spaces. */
export function fold(text: string): string {
  return text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase().replace(/\s+/g, ' ').trim()
}
