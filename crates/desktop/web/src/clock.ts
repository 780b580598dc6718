// The server's clock, as far as a page can know it, so that a timer is right on a computer whose clock is not.

/** HTTP dates have whole seconds; a difference below this is rounding and travel time. */
const TOLERANCE_MS = 2_000

let offsetMs = 0

/** Learns from the Date header of an answer (RFC 9110 §6.6.1). */
export function noteServerDate(date: string | null, nowMs: number = Date.now()): void {
  const server = date ? Date.parse(date) : NaN
  if (Number.isNaN(server)) return
  // The header cuts off up to a second; half of it is the best guess.
  const difference = server + 500 - nowMs
  offsetMs = Math.abs(difference) < TOLERANCE_MS ? 0 : difference
}

export function serverNow(): number {
  return Date.now() + offsetMs
}

/** «04:12», «1:04:12»: how long something has lasted. */
export function lasting(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000))
  const two = (n: number) => String(n).padStart(2, '0')
  const [h, m] = [Math.floor(s / 3600), Math.floor(s / 60) % 60]
  return h > 0 ? `${h}:${two(m)}:${two(s % 60)}` : `${two(m)}:${two(s % 60)}`
}

/** «14:32» today, «yesterday 18:40», «21 Nov 18:40» before that, in the reader's own manner. */
export function at(ms: number, now: number = serverNow(), locale?: string): string {
  const time = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit' }).format(ms)
  const day = dayNumber(now) - dayNumber(ms)
  if (day === 0) return time
  if (day === 1) return `yesterday ${time}`
  return `${new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short' }).format(ms)} ${time}`
}

function dayNumber(ms: number): number {
  const d = new Date(ms)
  return Math.round(Date.UTC(d.getFullYear(), d.getMonth(), d.getDate()) / 86_400_000)
}
