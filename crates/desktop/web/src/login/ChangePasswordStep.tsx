// A new password before anything else: at the first login, when the old one has expired, or when an administrator asks.

import type { FormEvent } from 'react'
import { Button } from 'react-aria-components'
import type { LoginAnswer } from '../api'
import { NewPassword } from '../password/NewPassword'
import { rulesOf } from '../password/rules'
import { useNewPassword } from '../password/useNewPassword'
import { useRules } from '../password/useRules'
import { MessageArea } from './MessageArea'
import { StepFoot } from './StepFoot'
import type { LoginControl } from './useLogin'

const whyWords: Record<NonNullable<LoginAnswer['why']>, string> = {
  first: 'This is your first login. Please choose a password that only you know.',
  expired: 'Your password has expired. Please choose a new one.',
  administrator: 'An administrator asks you to choose a new password.',
}

export function ChangePasswordStep({ login }: { login: LoginControl }) {
  const { flow } = login
  const rules = useRules(rulesOf(flow.rules))
  const form = useNewPassword(rules, login.typedPassword())
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (flow.busy || !form.ready()) return
    login.changePassword(form.typed, form.refuse)
  }
  return (
    <form className="form" onSubmit={submit} noValidate>
      <h1 className="card-title">Choose a new password</h1>
      <p className="quiet">{whyWords[flow.why ?? 'administrator']}</p>
      <input type="text" name="username" autoComplete="username" value={flow.agent?.name ?? ''} readOnly hidden />
      <NewPassword {...form.fields} autoFocus />
      <MessageArea message={form.message ?? flow.message} />
      <Button type="submit" className="button button-main button-wide" aria-busy={flow.busy}>
        {flow.busy ? 'Saving…' : 'Change password'}
      </Button>
      <StepFoot login={login} />
    </form>
  )
}
