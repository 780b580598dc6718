// Where do you sit? The list of phones, what is chosen, and «Login» once more.

import type { FormEvent } from 'react'
import { Button } from 'react-aria-components'
import { MessageArea } from './MessageArea'
import { PhonePicker, placeWords } from './PhonePicker'
import { title } from './picker'
import { StepFoot } from './StepFoot'
import type { LoginControl } from './useLogin'

export function PhoneStep({ login }: { login: LoginControl }) {
  const { flow } = login
  const { picker } = flow
  const chosen = picker.selected === null ? undefined : picker.phones.get(picker.selected)
  const submit = (event: FormEvent) => {
    event.preventDefault()
    login.submitPhone()
  }
  return (
    <form className="form" onSubmit={submit} noValidate>
      <h1 className="card-title">Where do you sit?</h1>
      <PhonePicker picker={picker} onEvent={login.pick} onSubmit={login.submitPhone} />
      <MessageArea message={flow.message}>
        {picker.notice ? null : chosen ? (
          <p className="chosen">
            <span className="chosen-name">{title(chosen)}</span>
            <span className="chosen-place">{placeWords(chosen) || 'chosen'}</span>
          </p>
        ) : picker.loaded && picker.phones.size > 0 ? (
          <p className="chosen chosen-none">Your calls will ring at the telephone you choose.</p>
        ) : null}
        <div role="status">{picker.notice ? <p className="message message-warn">{picker.notice}</p> : null}</div>
      </MessageArea>
      <Button type="submit" className="button button-main button-wide" aria-busy={flow.busy}>
        {flow.busy ? 'Logging in…' : 'Login'}
      </Button>
      <StepFoot login={login} />
    </form>
  )
}
