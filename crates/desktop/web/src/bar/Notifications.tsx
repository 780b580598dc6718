// Whether a call may show itself on the desktop while another window is in front.

import { useState } from 'react'
import { Glyph } from '../parts/Glyph'

export function Notifications() {
  const known = typeof Notification !== 'undefined'
  const [permission, setPermission] = useState(known ? Notification.permission : 'denied')
  if (!known) return null
  const words = { granted: 'Allowed', denied: 'Blocked', default: 'Not asked' }[permission]
  return (
    <div className="health">
      <div className="health-line">
        <Glyph shape={permission === 'granted' ? 'full' : 'ring'} />
        <span className="health-what">Notifications</span>
        <span className="health-word">{words}</span>
        {permission === 'default' ? (
          <button type="button" className="link-button" onClick={() => void Notification.requestPermission().then(setPermission)}>
            Allow<span className="unseen"> notifications</span>
          </button>
        ) : null}
      </div>
    </div>
  )
}
