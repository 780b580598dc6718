// The last calls of this agent in this browser; a click calls again.

import { useState } from 'react'
import { at, lasting } from '../clock'
import { missed, type Recent } from '../phone/recent'
import { Icon } from './Icons'

/** The rest is one click away. */
const SHORT = 6

export function RecentCalls({ recent, disabled, onCall }: { recent: readonly Recent[]; disabled: boolean; onCall: (number: string) => void }) {
  const [all, setAll] = useState(false)
  const shown = all ? recent : recent.slice(0, SHORT)
  return (
    <section className="panel recents-panel" aria-labelledby="recent">
      <h2 id="recent">Recent calls</h2>
      {recent.length === 0 ? <p className="quiet">None yet. The last twenty numbers will be listed here, in this browser only.</p> : (
        <ul className="recents">
          {shown.map((r) => (
            <li key={r.number}>
              <button type="button" className="recent" aria-disabled={disabled} onClick={() => { if (!disabled) onCall(r.number) }}>
                <Icon name={r.direction} />
                <span className="recent-who">
                  <span className="unseen">Call </span>
                  <span className="recent-name">{r.name ?? r.number}</span>
                  {r.name ? <span className="recent-number">{r.number}</span> : null}
                </span>
                <span className="recent-when">
                  <span className="unseen">, {r.direction === 'in' ? 'called you' : 'called by you'} </span>
                  <span>{at(r.at)}</span>
                  <span className={r.ms === null && r.direction === 'in' ? 'recent-missed' : undefined}>{r.ms === null ? missed(r) : lasting(r.ms)}</span>
                </span>
              </button>
            </li>
          ))}
        </ul>
      )}
      {recent.length > SHORT ? (
        <button type="button" className="link-button recents-more" aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? 'Show fewer' : `Show all ${recent.length}`}
        </button>
      ) : null}
    </section>
  )
}
