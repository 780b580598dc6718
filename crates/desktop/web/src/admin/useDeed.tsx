// Carries out a deed: asks where it takes something away, sends, and tells what came of it.

import { useReducer, type ReactNode } from 'react'
import { Question } from '../parts/Question'
import type { Answer } from '../http'
import { deedStep, type Asking, type DeedState } from './deed'

export interface Deeds<D> {
  state: DeedState<D>
  /** With a question first, unless `asking` is null. */
  start: (deed: D, asking: Asking | null) => void
  forget: () => void
  /** The open question, if there is one. */
  question: ReactNode
  /** What came of the last deed: two lines, always, so that nothing moves. */
  message: ReactNode
}

/** `send` gives back the sentence to show, with the answer it came from. */
export function useDeeds<D>(
  send: (deed: D) => Promise<Answer<unknown>>,
  done: (deed: D, value: unknown) => string,
): Deeds<D> {
  const [state, tell] = useReducer(deedStep<D>, { at: 'idle' })
  const run = async (deed: D) => {
    if (state.at === 'busy') return
    tell({ type: 'send', deed })
    const answer = await send(deed)
    tell(answer.ok ? { type: 'done', sentence: done(deed, answer.value) } : { type: 'refused', refusal: answer.refusal })
  }
  return {
    state,
    start: (deed, asking) => {
      if (asking) tell({ type: 'ask', deed, asking })
      else void run(deed)
    },
    forget: () => tell({ type: 'forget' }),
    question: state.at === 'asked' ? (
      <Question title={state.asking.title} no="Cancel" yes={state.asking.yes} onNo={() => tell({ type: 'no' })} onYes={() => void run(state.deed)}>
        {state.asking.effects.map((each) => <p key={each}>{each}</p>)}
      </Question>
    ) : null,
    message: (
      <div className="deed-message">
        <div role="status">{state.at === 'done' ? <p className="message message-info">{state.sentence}</p> : state.at === 'busy' ? <p className="quiet">One moment…</p> : null}</div>
        <div role="alert">{state.at === 'refused' ? <p className="message message-error">{state.sentence}</p> : null}</div>
      </div>
    ),
  }
}

/** The server's own words for what it did. */
export function sentenceOf(value: unknown): string | null {
  if (typeof value !== 'object' || value === null) return null
  const { sentence } = value as { sentence?: unknown }
  return typeof sentence === 'string' && sentence !== '' ? sentence : null
}
