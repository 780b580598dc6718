// A role that demands a second factor, and a person without one: it is set up now, once.

import { useEffect, useState } from 'react'
import { Button } from 'react-aria-components'
import type { TotpBegun } from '../api'
import { TotpSetup } from '../factors/TotpSetup'
import { passkeysKnown } from '../factors/passkey'
import { api } from '../http'
import { MessageArea } from './MessageArea'
import { StepFoot } from './StepFoot'
import type { LoginControl } from './useLogin'

export function EnrolStep({ login }: { login: LoginControl }) {
  const { flow, refuse } = login
  const [begun, setBegun] = useState<TotpBegun | null>(null)
  useEffect(() => {
    let over = false
    void api.totpBegin({}).then((answer) => {
      if (over) return
      if (answer.ok) setBegun(answer.value)
      else refuse(answer.refusal, answer.status)
    })
    return () => { over = true }
  }, [refuse])
  return (
    <>
      <h1 className="card-title">Set up a second factor</h1>
      <p className="quiet">Your role asks for more than a password. This takes a minute and is done once.</p>
      {begun ? (
        <TotpSetup
          begun={begun}
          onEnrolled={login.enrolled}
          onRefused={(refusal, status) => {
            if (status !== 401) return false
            refuse(refusal, status)
            return true
          }}
        />
      ) : flow.message ? null : <p className="qr-wait" aria-busy="true"><span className="unseen">Loading…</span></p>}
      {flow.message ? <MessageArea message={flow.message} /> : null}
      {passkeysKnown() ? <Button className="button button-wide" onPress={login.makePasskey}>Use a passkey instead</Button> : null}
      <StepFoot login={login} />
    </>
  )
}
