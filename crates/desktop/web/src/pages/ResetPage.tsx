// Behind the link in the mail: a new password. Looking at the page uses nothing up; only saving does (SPEC D5).

import { useEffect, useState, type FormEvent } from 'react'
import { Button } from 'react-aria-components'
import type { Site } from '../api'
import { api } from '../http'
import { MessageArea } from '../login/MessageArea'
import { AppLink } from '../parts/AppLink'
import { Frame, PageTitle } from '../parts/Frame'
import { Remaining } from '../parts/Remaining'
import { NewPassword } from '../password/NewPassword'
import { useNewPassword } from '../password/useNewPassword'
import { useRules } from '../password/useRules'

type At = { at: 'looking' } | { at: 'good'; token: string; expires: number } | { at: 'expired'; sentence: string | null } | { at: 'unreachable'; sentence: string } | { at: 'done' }

export function ResetPage({ site }: { site: Site | null }) {
  const [state, setState] = useState<At>({ at: 'looking' })
  const [again, setAgain] = useState(0)
  useEffect(() => {
    let over = false
    const look = async () => {
      // The fragment: it is sent to nobody, and stands in no log and no Referer.
      const token = location.hash.slice(1)
      if (token === '') return setState({ at: 'expired', sentence: null })
      const answer = await api.resetLook(token)
      if (over) return
      if (answer.ok) setState({ at: 'good', token, expires: answer.value.expires })
      else if (answer.status === 0 || answer.status >= 500 || answer.status === 429) setState({ at: 'unreachable', sentence: answer.refusal.sentence })
      else setState({ at: 'expired', sentence: answer.refusal.sentence })
    }
    void look()
    const another = () => void look()
    window.addEventListener('hashchange', another)
    return () => { over = true; window.removeEventListener('hashchange', another) }
  }, [again])

  switch (state.at) {
    case 'looking': return <Frame site={site}><PageTitle title="New password">One moment…</PageTitle></Frame>
    case 'unreachable':
      return (
        <Frame site={site}>
          <PageTitle title="New password">Please try again</PageTitle>
          <p className="quiet">{state.sentence}</p>
          <Button className="button button-main button-wide" onPress={() => { setState({ at: 'looking' }); setAgain(again + 1) }}>Try again</Button>
        </Frame>
      )
    case 'expired':
      return (
        <Frame site={site}>
          <PageTitle title="Link expired">This link works no more.</PageTitle>
          <p className="quiet">{state.sentence ?? 'It was used already, a newer one was sent, or more than an hour has passed.'}</p>
          <AppLink to="/forgot" className="button button-main button-wide">Ask for a new link</AppLink>
          <p className="card-links"><AppLink to="/login">Back to the login</AppLink></p>
        </Frame>
      )
    case 'done':
      return (
        <Frame site={site}>
          <PageTitle title="Password changed">Your password is changed.</PageTitle>
          <p className="quiet">Wherever you were logged in, that is over now. Use the new password from here on.</p>
          <AppLink to="/login" className="button button-main button-wide">Log in</AppLink>
        </Frame>
      )
    case 'good': {
      const over = (sentence: string | null) => {
        // It is worth nothing any more and need not stay in the history.
        history.replaceState(null, '', '/reset')
        setState({ at: 'expired', sentence })
      }
      const done = () => {
        history.replaceState(null, '', '/reset')
        setState({ at: 'done' })
      }
      return <Frame site={site}><ResetForm key={state.token} token={state.token} expires={state.expires} onOver={over} onDone={done} /></Frame>
    }
  }
}

function ResetForm(props: { token: string; expires: number; onOver: (sentence: string | null) => void; onDone: () => void }) {
  const rules = useRules()
  const form = useNewPassword(rules, undefined)
  const [busy, setBusy] = useState(false)
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    if (busy || !form.ready()) return
    setBusy(true)
    const answer = await api.reset(props.token, form.typed)
    setBusy(false)
    if (answer.ok) props.onDone()
    else if (answer.refusal.reason === 'link_expired') props.onOver(answer.refusal.sentence)
    else form.refuse(answer.refusal)
  }
  return (
    <form className="form" onSubmit={(event) => void submit(event)} noValidate>
      <PageTitle title="New password">Choose a new password</PageTitle>
      <p className="quiet">This link works for another <Remaining until={props.expires} onOver={() => props.onOver(null)} />.</p>
      <NewPassword {...form.fields} />
      <MessageArea message={form.message} />
      <Button type="submit" className="button button-main button-wide" aria-busy={busy}>{busy ? 'Saving…' : 'Save the new password'}</Button>
    </form>
  )
}
