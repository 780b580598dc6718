// Whom to call.

import { useState, type FormEvent, type Ref } from 'react'
import { dialled } from '../phone/dial'
import type { Recent } from '../phone/recent'
import { Icon } from './Icons'

export function Dialer(props: { fieldRef: Ref<HTMLInputElement>; recent: readonly Recent[]; disabled: boolean; onCall: (number: string) => void }) {
  const [text, setText] = useState('')
  const [wrong, setWrong] = useState(false)
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (props.disabled) return
    const number = dialled(text)
    if (number === null) return setWrong(true)
    setText('')
    props.onCall(number)
  }
  return (
    <form className="dialer" onSubmit={submit} noValidate>
      <label htmlFor="number">Number or extension</label>
      <div className="dialer-line">
        <input
          id="number" ref={props.fieldRef} className="input" type="tel" list="recent-numbers" autoComplete="off" autoCapitalize="none" spellCheck={false}
          aria-keyshortcuts="Alt+N" aria-invalid={wrong} aria-describedby="number-wrong" maxLength={60}
          value={text} onChange={(event) => { setText(event.target.value); setWrong(false) }}
        />
        <datalist id="recent-numbers">
          {props.recent.map((r) => <option key={r.number} value={r.number}>{r.name ?? undefined}</option>)}
        </datalist>
        <button type="submit" className="deed deed-good" aria-disabled={props.disabled}>
          <Icon name="call" />
          <span>Call</span>
        </button>
      </div>
      <p id="number-wrong" role="alert" className="dialer-wrong">{wrong ? 'Please enter a number, or an extension.' : ''}</p>
    </form>
  )
}
