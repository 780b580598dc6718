// The second factor: a code from the app, a passkey, or one of the codes kept for bad days.

import { useState, type FormEvent } from 'react'
import { Button } from 'react-aria-components'
import { codeOf, recoveryOf } from '../factors/code'
import { CodeField } from '../factors/CodeField'
import { passkeysKnown } from '../factors/passkey'
import { words } from '../words'
import { MessageArea } from './MessageArea'
import { StepFoot } from './StepFoot'
import type { LoginControl } from './useLogin'

export function FactorStep({ login }: { login: LoginControl }) {
  const { flow } = login
  const has = (kind: (typeof flow.kinds)[number]) => flow.kinds.includes(kind)
  const passkey = has('passkey') && passkeysKnown()
  const [kind, setKind] = useState<'totp' | 'recovery' | 'none'>(has('totp') ? 'totp' : passkey ? 'none' : 'recovery')
  const [code, setCode] = useState('')
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (flow.busy) return
    if (kind === 'none') return login.showPasskey()
    const ready = kind === 'totp' ? codeOf(code) : recoveryOf(code)
    if (ready === null) return login.say({ tone: 'error', text: kind === 'totp' ? words.codeMissing : words.recoveryMissing })
    login.submitFactor(kind, ready)
    setCode('')
  }
  const turnTo = (to: 'totp' | 'recovery') => {
    setKind(to)
    setCode('')
    login.say(null)
  }
  return (
    <form className="form" onSubmit={submit} noValidate>
      <h1 className="card-title">Is it really you?</h1>
      {kind === 'totp' ? (
        <CodeField label="Code from your authenticator app" value={code} onChange={setCode} again={flow.message} focus />
      ) : kind === 'recovery' ? (
        <CodeField key="recovery" label="One of your recovery codes" value={code} onChange={setCode} again={flow.message} focus recovery />
      ) : (
        <p className="quiet">Your browser asks for the passkey that you set up for this place.</p>
      )}
      <MessageArea message={flow.message} />
      <Button type="submit" className="button button-main button-wide" aria-busy={flow.busy} autoFocus={kind === 'none'}>
        {flow.busy ? 'Checking…' : kind === 'none' ? 'Use a passkey' : 'Continue'}
      </Button>
      {passkey && kind !== 'none' ? <Button className="button button-wide" onPress={login.showPasskey}>Use a passkey</Button> : null}
      <p className="card-links">
        {kind !== 'recovery' && has('recovery') ? <Button className="link-button" onPress={() => turnTo('recovery')}>Use a recovery code</Button> : null}
        {kind === 'recovery' && has('totp') ? <Button className="link-button" onPress={() => turnTo('totp')}>Use the authenticator app</Button> : null}
      </p>
      <StepFoot login={login} />
    </form>
  )
}
