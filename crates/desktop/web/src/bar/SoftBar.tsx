// The strip at the top of a browser agent: the state in one word, microphone and line, who is here, and the way out.

import { Button } from 'react-aria-components'
import type { Me } from '../api'
import { GlobeButton } from '../desk/Windows'
import { Mark } from '../parts/Frame'
import { Glyph } from '../parts/Glyph'
import { Lasting } from '../parts/Lasting'
import { notReady, type SoftphoneView } from '../phone/softphone'
import { canSpeak, micWords } from '../phone/sound'
import { mainCall } from './CallCard'

export function SoftBar(props: { me: Me; view: SoftphoneView; compact: boolean; onSound: () => void; onLogOut: () => void }) {
  const { me, view, compact, onSound, onLogOut } = props
  const { sound } = view
  const well = canSpeak(sound) && sound.microphone !== 'muted' && sound.sound === 'allowed'
  const word = !canSpeak(sound) || sound.microphone === 'muted' ? micWords(sound.microphone).word : sound.sound === 'allowed' ? 'ready' : 'check sound'
  return (
    <header className="phonebar">
      <Mark />
      <Pill view={view} />
      <span className="phonebar-who">
        <b>{me.agent.extension}</b> {me.agent.display_name}
      </span>
      <button type="button" className={well || sound.microphone === 'checking' ? 'chip chip-button' : 'chip chip-button chip-warn'} onClick={onSound}>
        <Glyph shape={well ? 'full' : sound.microphone === 'checking' ? 'ring' : 'warn'} />
        <span className="chip-name">Microphone</span>
        <span className="chip-state">{word}</span>
      </button>
      {compact ? <GlobeButton /> : null}
      <Button className="button phonebar-out" onPress={onLogOut}>Log out</Button>
    </header>
  )
}

export function stateOf(view: SoftphoneView): { look: string; word: string } {
  const { main } = mainCall(view.phone.calls)
  if (main?.phase === 'ringing') return { look: 'ringing', word: 'Ringing' }
  if (main?.phase === 'mending' || (!main && view.resuming.length > 0)) return { look: 'in_call', word: 'Reconnecting' }
  if (main && main.phase !== 'up') return { look: 'in_call', word: 'Calling' }
  if (main) return main.held ? { look: 'held', word: 'On hold' } : { look: 'in_call', word: 'In call' }
  switch (notReady(view)) {
    case null: return { look: 'ready', word: 'Ready' }
    case 'starting': return { look: 'starting', word: 'Starting' }
    case 'elsewhere': return { look: 'starting', word: 'Other tab' }
    default: return { look: 'not_ready', word: 'Not ready' }
  }
}

function Pill({ view }: { view: SoftphoneView }) {
  const { look, word } = stateOf(view)
  const { main } = mainCall(view.phone.calls)
  const since = main ? (main.answered ?? main.began) : null
  return (
    <span className={`pill pill-${look}`}>
      <span role="status">{word}</span>
      {since !== null ? <Lasting since={since} /> : null}
    </span>
  )
}
