// Which notices are shown: what was put away stays away for the session of this tab.

import type { Notice } from '../api'

const KEY = 'hotseat-notices-seen'
/** A new sentence, tomorrow's number of days for instance, is news again. */
const nameOf = (notice: Notice): string => `${notice.kind}:${notice.sentence}`

/** Where cookies are blocked, even to name the storage is an error. */
function read(storage: Storage | undefined): readonly string[] {
  try {
    const value: unknown = JSON.parse((storage ?? sessionStorage).getItem(KEY) ?? '[]')
    return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []
  } catch {
    return []
  }
}

/** The worst first; each once. */
export function toShow(notices: readonly Notice[], storage?: Storage): readonly Notice[] {
  const seen = new Set(read(storage))
  const fresh = notices.filter((one) => {
    const name = nameOf(one)
    return !seen.has(name) && seen.add(name)
  })
  return [...fresh.filter((n) => n.severity === 'warning'), ...fresh.filter((n) => n.severity !== 'warning')]
}

export function putAway(notice: Notice, storage?: Storage): void {
  try {
    const where = storage ?? sessionStorage
    where.setItem(KEY, JSON.stringify([...read(storage), nameOf(notice)].slice(-50)))
  } catch {
    // Without storage it comes again with the next page; better twice than never.
  }
}
