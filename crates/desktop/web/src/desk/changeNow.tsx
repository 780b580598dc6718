// What a notice offers to do: an old password can be changed at once.

import type { Notice } from '../api'
import type { YourThing } from './YouCard'

export function changeNow(open: (thing: YourThing) => void) {
  return (notice: Notice) =>
    notice.kind === 'password_expires' ? (
      <button type="button" className="link-button" onClick={() => open('password')}>Change it now</button>
    ) : null
}
