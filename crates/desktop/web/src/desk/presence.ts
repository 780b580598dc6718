// Somebody is there: keys and pointers tell the server, so that a page at work is never taken for an idle one.

import { api } from '../http'

/** As often as the server needs to hear it, and no more. */
export const EVERY_MS = 60_000

/** Whether this moment is worth a word. While the end is announced, only what is pressed counts: a moving pointer may be on
 *  its way to «Stay». */
export function worthAWord(event: string, sinceLast: number, warned: boolean): boolean {
  if (warned) return event !== 'pointermove'
  return sinceLast >= EVERY_MS
}

/** Watches until it is called off. `warned`: an end for idleness is announced; `onTold`: the server knows. */
export function tellPresence(warned: () => boolean, onTold: () => void): () => void {
  // The login itself was a word.
  let last = Date.now()
  const notice = (event: Event) => {
    if (!worthAWord(event.type, Date.now() - last, warned())) return
    last = Date.now()
    void api.active().then((answer) => answer.ok && onTold())
  }
  const events = ['pointermove', 'pointerdown', 'keydown'] as const
  for (const event of events) window.addEventListener(event, notice, { passive: true })
  return () => { for (const event of events) window.removeEventListener(event, notice) }
}
