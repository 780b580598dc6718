// The pages that say one thing.

import type { Site } from '../api'
import { AppLink } from '../parts/AppLink'
import { Frame, PageTitle, useTitle } from '../parts/Frame'

export function LoggedOutPage({ site }: { site: Site | null }) {
  return (
    <Frame site={site}>
      <PageTitle title="Logged out">You are logged out.</PageTitle>
      <p className="quiet">Your telephone is free for the next person. Have a good rest of the day.</p>
      <AppLink to="/login" className="button button-main button-wide">Log in</AppLink>
    </Frame>
  )
}

export function UnknownPage() {
  return (
    <Frame>
      <PageTitle title="Not found">There is nothing at this address.</PageTitle>
      <p className="quiet">It may have been mistyped, or the page has moved.</p>
      <AppLink to="/" className="button button-main button-wide">To the desktop</AppLink>
    </Frame>
  )
}

export function UnreachablePage({ sentence }: { sentence: string }) {
  return (
    <Frame>
      <PageTitle title="No connection">Hotseat cannot be reached.</PageTitle>
      <p className="quiet">{sentence}</p>
      <p className="quiet">This page tries again by itself.</p>
    </Frame>
  )
}

/** Shown for the moment of the first question; a spinner only if that takes long. */
export function WaitingPage() {
  useTitle('')
  return (
    <main className="waiting" aria-busy="true">
      <span className="waiting-dot" />
      <span className="unseen">Loading…</span>
    </main>
  )
}
