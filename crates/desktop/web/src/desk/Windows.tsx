// The two windows of one login: the phonebar that stands beside other work, and the desktop that its globe opens.

import { useState } from 'react'
import { Button } from 'react-aria-components'
import { api } from '../http'

/** As wide as a telephone, as high as its card. */
const PHONEBAR = 'popup,width=400,height=640'

/** Moves the phone into a small window; the calls move along. */
export function PopOutButton() {
  const [blocked, setBlocked] = useState(false)
  const open = () => setBlocked(window.open('/phonebar?take', 'hotseat-phonebar', PHONEBAR) === null)
  return (
    <button type="button" className="link-button side-link" onClick={open}>
      {blocked ? 'The browser blocked the window. Allow pop-ups for this site' : 'Phonebar in its own window'}
    </button>
  )
}

/** The desktop in a page of its own, logged in already: by a ticket that is good once, for a minute (SPEC A8). */
export function GlobeButton() {
  const [said, setSaid] = useState<string | null>(null)
  const [busy, setBusy] = useState(false)
  const open = async () => {
    if (busy) return
    setBusy(true)
    setSaid(null)
    const answer = await api.ticket()
    setBusy(false)
    if (!answer.ok) return setSaid(answer.refusal.sentence)
    if (window.open(answer.value.url, '_blank') === null) setSaid('The browser blocked the window. Allow pop-ups for this site and try again.')
  }
  return (
    <>
      <Button className="button globe" aria-label="Open the desktop" aria-busy={busy} onPress={() => void open()}>
        <svg className="icon" viewBox="0 0 24 24" aria-hidden="true"><path d="M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18ZM3.500 9.500h17m-17 5h17M12 3c-5 5.500-5 12.500 0 18m0-18c5 5.500 5 12.500 0 18" /></svg>
      </Button>
      <span className="globe-said" role="status">{said}</span>
    </>
  )
}
