// Which tab this is. The name outlives a reload, so that the server knows the tab again; a duplicated tab, which the
// browser gives a copy of everything, gets a name of its own.

const KEY = 'hotseat-tab'
/** The page of before lets go of its name when it is gone, which may take a moment. */
const HANDOVER_MS = 400

/** A random UUID of this tab, for SIP's `+sip.instance` (RFC 5626 §4.1) and for who owns the sound. */
export async function tabId(storage: Storage = sessionStorage): Promise<string> {
  const before = storage.getItem(KEY)
  if (before && (await claimed(before))) return before
  const fresh = crypto.randomUUID()
  storage.setItem(KEY, fresh)
  await claimed(fresh)
  return fresh
}

/** Holds the name until the page goes; false when another tab holds it. */
async function claimed(id: string): Promise<boolean> {
  const { locks } = navigator
  if (!locks) return true
  return new Promise((done) => {
    const held = () => {
      done(true)
      return new Promise<never>(() => {})
    }
    locks.request(`hotseat-tab-${id}`, { signal: AbortSignal.timeout(HANDOVER_MS) }, held).catch(() => done(false))
  })
}
