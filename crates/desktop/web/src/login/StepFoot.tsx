// Under every step after the credentials: back, as somebody else, and help.

import { Button } from 'react-aria-components'
import { AppLink } from '../parts/AppLink'
import type { LoginControl } from './useLogin'

export function StepFoot({ login }: { login: LoginControl }) {
  const { agent } = login.flow
  return (
    <p className="card-links">
      <Button className="link-button" onPress={login.startOver}>Not {agent?.display_name ?? 'you'}?</Button>
      {mayAdminister(agent) ? <AppLink to="/admin">Administration</AppLink> : null}
      <AppLink to="/help">Help with sign-in</AppLink>
    </p>
  )
}

/** Whoever is more than an agent has pages of their own; agents never see the way there. */
export function mayAdminister(agent: { role?: string } | null): boolean {
  return agent?.role !== undefined && agent.role !== 'agent'
}
