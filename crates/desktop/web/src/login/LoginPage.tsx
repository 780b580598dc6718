// The way in: one card that first asks who you are and then, in the same place, whatever else there is to ask.

import { useCallback, useEffect, useRef, useState } from 'react'
import type { Me, Site } from '../api'
import { RecoveryCodes } from '../factors/RecoveryCodes'
import { ConnectionBanner } from '../parts/ConnectionBanner'
import { Frame, useTitle } from '../parts/Frame'
import { Notices } from '../parts/Notices'
import type { Session } from '../session'
import { ChangePasswordStep } from './ChangePasswordStep'
import { CookiesDialog } from './CookiesDialog'
import { CredentialsForm } from './CredentialsForm'
import { EnrolStep } from './EnrolStep'
import { FactorStep } from './FactorStep'
import type { Message, Step } from './flow'
import { PhoneStep } from './PhoneStep'
import { mayAdminister } from './StepFoot'
import { TakeoverDialog } from './TakeoverDialog'
import { useLogin, type LoginControl } from './useLogin'

const titles: Partial<Record<Step, string>> = {
  factor: 'Second factor', password: 'New password', enrol: 'Set up a second factor', codes: 'Recovery codes', phone: 'Choose your telephone',
}

export interface LoginPageProps {
  site: Site | null
  me: Me | null
  /** What there is to say before anything is typed: why another way in did not work. */
  said: Message | null
  /** The way leads to pages that need no telephone: none is asked for. */
  phoneless: boolean
  onIn: () => Promise<Session>
  onOut: () => void
}

export function LoginPage(props: LoginPageProps) {
  const { onIn } = props
  const notKept = useRef(() => {})
  // In, and yet unknown when asked who we are: the browser did not keep the cookie (SPEC A4).
  const arrived = useCallback(() => void onIn().then((found) => { if (found.at === 'none') notKept.current() }), [onIn])
  const login = useLogin(props.me, props.said, arrived, props.onOut)
  notKept.current = login.notKept
  const { flow } = login
  useTitle(titles[flow.step] ?? 'Log in')
  // Far enough for the pages that need no telephone: on the way there, or about to be offered the link.
  const enough = props.phoneless && (flow.step === 'phone' || flow.question?.then === 'choose')
  const offered = flow.step === 'phone' && mayAdminister(flow.agent)
  useEffect(() => {
    if (enough || offered) arrived()
  }, [enough, offered, arrived])

  return (
    <>
      <ConnectionBanner lost={flow.step === 'phone' && login.link === 'lost'} />
      <Frame site={props.site}>
        {flow.step === 'phone' ? <Notices notices={flow.notices} /> : null}
        <StepOf login={login} site={props.site} />
      </Frame>
      {flow.question && !enough ? (
        <TakeoverDialog held={flow.question.held} agent={flow.agent} onCancel={login.decline} onContinue={login.agree} />
      ) : null}
      {flow.cookiesBlocked ? <CookiesDialog onClose={login.closeCookies} /> : null}
    </>
  )
}

function StepOf({ login, site }: { login: LoginControl; site: Site | null }) {
  const { flow } = login
  const [username, setUsername] = useState('')
  switch (flow.step) {
    case 'phone': return <PhoneStep login={login} />
    case 'credentials':
    case 'no_choice':
    case 'in':
      return (
        <CredentialsForm
          site={site} username={username} onUsername={setUsername} busy={flow.busy || flow.step === 'in'} blocked={flow.blocked} message={flow.message}
          onSubmit={login.submitCredentials}
        />
      )
    case 'factor': return <FactorStep login={login} />
    case 'password': return <ChangePasswordStep login={login} />
    case 'enrol': return <EnrolStep login={login} />
    case 'codes':
      return (
        <>
          <h1 className="card-title">Keep your recovery codes</h1>
          <RecoveryCodes codes={flow.codes?.list ?? []} site={site?.name ?? 'Hotseat'} onKept={login.codesKept} done="Continue" />
        </>
      )
  }
}
