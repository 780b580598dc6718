// Blocked cookies end every login before it begins; this says so and how to allow them (SPEC A4).

import { Notice } from '../parts/Question'
import { words } from '../words'

export function CookiesDialog({ onClose }: { onClose: () => void }) {
  return (
    <Notice title="Cookies must be enabled" ok="OK" onOk={onClose}>
      <p>{words.cookiesBlocked} To allow them:</p>
      <ol className="steps">
        <li>Open your browser’s settings.</li>
        <li>Go to cookies (often under privacy) and allow them for <b>{location.host}</b>.</li>
        <li>Reload this page and log in again.</li>
      </ol>
    </Notice>
  )
}
