// The login will end soon, and why; announced in time, never during a call (SPEC C10).

import { useEffect, useState } from 'react'
import { Button } from 'react-aria-components'
import type { EndsSoon } from '../api'
import { at } from '../clock'
import { api } from '../http'
import { Remaining } from '../parts/Remaining'

const whyWords: Record<string, string> = {
  idle: 'Nothing has happened here for a while.',
  longest: 'You have been logged in as long as is allowed at a time.',
  shift_end: 'Your shift ends.',
}

/** Only idleness ends by being there; the other two are settings. */
export const mayStay = (soon: EndsSoon): boolean => soon.why === 'idle'

export function EndsSoonBanner({ soon, onStayed }: { soon: EndsSoon; onStayed: () => void }) {
  const [failed, setFailed] = useState<string | null>(null)
  const [busy, setBusy] = useState(false)
  useEffect(() => setFailed(null), [soon])
  const stay = async () => {
    if (busy) return
    setBusy(true)
    const answer = await api.active()
    setBusy(false)
    if (answer.ok) onStayed()
    else setFailed(answer.refusal.sentence)
  }
  return (
    <div className="soon" role="alert">
      <p>
        <b>You will be logged out at {at(soon.at)}.</b> {whyWords[soon.why] ?? soon.sentence ?? ''}
        {mayStay(soon) ? '' : ' A call that is on is not cut off. Afterwards you can log in again.'}
        {failed ? <> {failed}</> : null}
      </p>
      <span className="soon-time"><Remaining until={soon.at} /></span>
      {mayStay(soon) ? <Button className="button button-main" aria-busy={busy} onPress={() => void stay()}>Stay</Button> : null}
    </div>
  )
}
