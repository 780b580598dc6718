// What happened since this page was opened, newest first.

import { at, lasting } from '../clock'
import type { CallEntry, Entry } from './state'

export function Story({ story }: { story: readonly Entry[] }) {
  return (
    <section className="panel story" aria-labelledby="story">
      <h2 id="story">Since you opened this page</h2>
      {story.length === 0 ? (
        <p className="quiet">Nothing yet. Your calls will be listed here.</p>
      ) : (
        <ul>
          {story.map((entry) => (
            <li key={entry.id}>
              <span className="story-time">{at(entry.kind === 'call' ? entry.began : entry.at)}</span>
              {entry.kind === 'call' ? <CallLine call={entry} /> : (
                <span className="story-what">{entry.kind === 'phone_lost' ? 'Your phone stopped answering' : 'Your phone is back'}</span>
              )}
            </li>
          ))}
        </ul>
      )}
    </section>
  )
}

function CallLine({ call }: { call: CallEntry }) {
  return (
    <>
      <span className="story-what">{call.peer ?? 'Unknown number'}</span>
      <span className="story-end">{ending(call)}</span>
    </>
  )
}

function ending(call: CallEntry): string {
  if (call.ended === null) return call.answered === null ? 'ringing' : 'in call'
  return call.answered === null ? 'not answered' : lasting(call.ended - call.answered)
}
