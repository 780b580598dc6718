// Things to know at the login: calm strips, each with its «Dismiss», none in the way of working (SPEC E2, E3).

import { useState, type ReactNode } from 'react'
import type { Notice } from '../api'
import { Glyph } from './Glyph'
import { putAway, toShow } from './notices'

/** `deed`: what can be done about one, for instance changing the password. */
export function Notices({ notices, deed }: { notices: readonly Notice[]; deed?: (notice: Notice) => ReactNode }) {
  const [, redraw] = useState(0)
  const shown = toShow(notices)
  if (shown.length === 0) return null
  return (
    <ul className="notices" aria-label="Notices">
      {shown.map((notice) => (
        <li key={notice.kind + notice.sentence} className={`notice notice-${notice.severity}`}>
          <Glyph shape={notice.severity === 'warning' ? 'warn' : 'ring'} />
          <p>{notice.sentence}</p>
          <span className="notice-deeds">
            {deed?.(notice)}
            <button type="button" className="link-button" onClick={() => { putAway(notice); redraw((n) => n + 1) }}>
              Dismiss<span className="unseen"> this notice: {notice.sentence}</span>
            </button>
          </span>
        </li>
      ))}
    </ul>
  )
}
