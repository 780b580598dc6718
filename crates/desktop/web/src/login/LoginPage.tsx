// The way in: one card that first asks who you are and then, in the same place, where you sit.

import { useCallback, useState } from 'react'
import type { Me, Site } from '../api'
import { ConnectionBanner } from '../parts/ConnectionBanner'
import { Frame, useTitle } from '../parts/Frame'
import type { Session } from '../session'
import { CookiesDialog } from './CookiesDialog'
import { CredentialsForm } from './CredentialsForm'
import { PhoneStep } from './PhoneStep'
import { TakeoverDialog } from './TakeoverDialog'
import { useLogin } from './useLogin'

export function LoginPage(props: { site: Site | null; me: Me | null; onIn: () => Promise<Session>; onOut: () => void }) {
  const [lost, setLost] = useState(false)
  const { onIn } = props
  // In, and yet unknown when asked who we are: the browser did not keep the cookie (SPEC A4).
  const arrived = useCallback(() => void onIn().then((found) => setLost(found.at === 'none')), [onIn])
  const login = useLogin(props.me, arrived, props.onOut)
  const { flow } = login
  const [username, setUsername] = useState('')
  useTitle(flow.step === 'phone' ? 'Choose your telephone' : 'Log in')

  return (
    <>
      <ConnectionBanner lost={flow.step === 'phone' && login.link === 'lost'} />
      <Frame site={props.site}>
        {flow.step === 'credentials' || flow.step === 'no_choice' ? (
          <CredentialsForm
            username={username}
            onUsername={setUsername}
            busy={flow.busy}
            message={flow.message}
            onSubmit={login.submitCredentials}
          />
        ) : (
          <PhoneStep login={login} />
        )}
      </Frame>
      {flow.question ? (
        <TakeoverDialog held={flow.question.held} onCancel={login.decline} onContinue={login.agree} />
      ) : null}
      {flow.cookiesBlocked || lost ? (
        <CookiesDialog onClose={() => { setLost(false); login.closeCookies() }} />
      ) : null}
    </>
  )
}
