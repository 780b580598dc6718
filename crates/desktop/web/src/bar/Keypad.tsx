// Digits into a call, by click, by key or pasted.

import { useEffect, useRef, useState, type ClipboardEvent, type KeyboardEvent } from 'react'
import { digitsOf } from '../phone/dial'

const KEYS: readonly [string, string][] = [
  ['1', ''], ['2', 'ABC'], ['3', 'DEF'], ['4', 'GHI'], ['5', 'JKL'], ['6', 'MNO'], ['7', 'PQRS'], ['8', 'TUV'], ['9', 'WXYZ'],
  ['*', ''], ['0', '+'], ['#', ''],
]
const SPOKEN: Record<string, string> = { '*': 'star', '#': 'hash' }
/** More are still sent; the eye keeps the last of them. */
const SHOWN_MAX = 24

export function Keypad({ onDigits, onClose }: { onDigits: (digits: string) => boolean; onClose: () => void }) {
  const [sent, setSent] = useState('')
  const [deaf, setDeaf] = useState(false)
  const first = useRef<HTMLButtonElement>(null)
  useEffect(() => first.current?.focus(), [])

  const send = (text: string) => {
    const digits = digitsOf(text)
    if (digits === '') return
    const taken = onDigits(digits)
    setDeaf(!taken)
    if (taken) setSent((before) => (before + digits).slice(-SHOWN_MAX))
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Escape') {
      event.stopPropagation()
      onClose()
    } else if (event.key.length === 1 && !event.altKey && !event.ctrlKey && !event.metaKey && digitsOf(event.key) !== '') {
      event.preventDefault()
      send(event.key)
    }
  }
  const onPaste = (event: ClipboardEvent) => {
    event.preventDefault()
    send(event.clipboardData.getData('text'))
  }
  return (
    <div role="group" aria-label="Keypad" className="keypad" onKeyDown={onKeyDown} onPaste={onPaste}>
      <output className="keypad-sent" aria-label="Digits sent">{sent || <span className="quiet">Type, click or paste digits</span>}</output>
      <div role="alert">{deaf ? <p className="message message-error">This call takes no digits right now.</p> : null}</div>
      <div className="keypad-keys">
        {KEYS.map(([key, letters], i) => (
          <button key={key} ref={i === 0 ? first : undefined} type="button" className="keypad-key" onClick={() => send(key)}>
            <span aria-hidden={key in SPOKEN}>{key}</span>
            {key in SPOKEN ? <span className="unseen">{SPOKEN[key]}</span> : null}
            <small aria-hidden="true">{letters}</small>
          </button>
        ))}
      </div>
    </div>
  )
}
