// The strip that says the connection is lost, and goes by itself when it is back (SPEC E1).

import { words } from '../words'

export function ConnectionBanner({ lost }: { lost: boolean }) {
  return (
    <div className="banner-slot" role="alert">
      {lost ? <p className="banner">{words.connectionLost}</p> : null}
    </div>
  )
}
